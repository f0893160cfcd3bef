"""A runner for `.gitlab-ci.yml` on this machine: rules, variables and scripts as GitLab CI takes them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.ci.expressions import evaluate, truth
from tests.ci.runner import execute

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class GitLabRunner:
    """One project on a GitLab that is played."""

    origin: Path
    folder: Path
    python: Path
    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def starts(self, source: str, **variables: str) -> dict[str, str]:
        """Return the jobs that a pipeline has, each with when it starts."""
        definition = self.definition()
        given = self._variables(source, **variables)
        if not any(_holds(rule, given) for rule in definition["workflow"]["rules"]):
            return {}
        found = {}
        for name, job in self._jobs(definition).items():
            rule = next((rule for rule in job["rules"] if _holds(rule, given)), None)
            if rule is not None:
                found[name] = rule.get("when", "on_success")
        return found

    def run(self, name: str, source: str, ref: str = "main", **variables: str) -> tuple[int, str]:
        """Execute a job's script, after what comes before each; returns its exit code and log."""
        definition = self.definition()
        job = self._jobs(definition)[name]
        given = self._variables(source, **variables)
        if "environment" in job:
            given["CI_ENVIRONMENT_NAME"] = job["environment"]
        workspace = Path(given["CI_PROJECT_DIR"])
        shutil.rmtree(workspace, ignore_errors=True)
        self._clone(workspace, ref)
        for key, value in (definition["variables"] | job.get("variables", {})).items():
            given.setdefault(key, _expanded(str(value), given))
        lines = ["set -eo pipefail", *definition["default"]["before_script"], *job["script"]]
        script = self.folder / "script.sh"
        script.write_text("\n".join(lines))
        foreign = ("MLFLOW_", "DVC_", "XDG_", "COLUMNS")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        own = {"HOME": str(home), "VIRTUAL_ENV": "", "CI": "true", "GITLAB_CI": "true"}
        own["PATH"] = f"{self._image()}:/usr/local/bin:/usr/bin:/bin"
        return execute(["bash", str(script)], workspace, kept | own | self.environment | given)

    def definition(self) -> Any:
        """Return the pipeline that main has."""
        words = ["git", "show", "main:.gitlab-ci.yml"]
        shown = subprocess.run(words, cwd=self.origin, capture_output=True, text=True, check=True)
        return yaml.safe_load(shown.stdout)

    @staticmethod
    def _jobs(definition: Any) -> dict[str, Any]:
        known = {"stages", "variables", "default", "workflow"}
        return {k: v for k, v in definition.items() if k not in known and not k.startswith(".")}

    def _variables(self, source: str, **more: str) -> dict[str, str]:
        return {
            "CI_PIPELINE_SOURCE": source,
            "CI_DEFAULT_BRANCH": "main",
            "CI_COMMIT_BRANCH": "" if source == "merge_request_event" else "main",
            "CI_PROJECT_ID": "42",
            "CI_MERGE_REQUEST_PROJECT_ID": "42" if source == "merge_request_event" else "",
            "CI_PROJECT_PATH": "team/cells",
            "CI_PROJECT_URL": "https://gitlab.example.org/team/cells",
            "CI_PROJECT_DIR": str(self.folder / "work" / "cells"),
            "CI_SERVER_HOST": "gitlab.example.org",
            "CI_SERVER_PORT": "443",
            **self.variables,
            **more,
        }

    def _image(self) -> Path:
        """Return the programs of the image: its Python makes one environment, which all jobs share."""
        programs = self.folder / "bin"
        programs.mkdir(exist_ok=True)
        python = programs / "python"
        python.write_text(
            "#!/bin/sh\n"
            f'if [ "$1 $2" = "-m venv" ]; then exec ln -s \'{self.python}\' "$3"; fi\n'
            f"exec '{self.python}/bin/python' \"$@\"\n"
        )
        python.chmod(0o755)
        return programs

    def _clone(self, workspace: Path, ref: str) -> None:
        """Clone as GitLab does: the remote is there, and HEAD is detached."""
        workspace.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "-q", f"file://{self.origin}", workspace], check=True)
        subprocess.run(["git", "checkout", "-q", "--detach", f"origin/{ref}"], cwd=workspace, check=True)


def _holds(rule: Mapping[str, Any], variables: Mapping[str, str]) -> bool:
    """Whether a rule's `if` holds; which files changed is not played."""
    if "if" not in rule:
        return True
    text = re.sub(r"\$(\w+)", r"vars.\1", rule["if"]).replace('"', "'")
    return truth(evaluate(text, {"vars": variables}, {}))


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda match: variables.get(match[1], ""), text)
