"""A runner for the workflows of GitHub Actions on this machine: real steps, with the actions played by hand.

Of an action only its effect is played: a checkout is a clone, a cache a folder by key, an upload a copy.
Every `run:` is executed as the real runner does, by `bash -e`, with its environment, condition and outputs.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.ci.expressions import as_text, condition, filled

Event = Mapping[str, Any]


@dataclass
class Step:
    """What became of a step."""

    name: str
    outcome: str
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""


@dataclass
class Job:
    """What became of a job."""

    result: str
    steps: list[Step] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    def step(self, name: str) -> Step:
        """Return the step whose name begins so."""
        return next(step for step in self.steps if step.name.startswith(name))

    @property
    def log(self) -> str:
        """Everything that the steps printed."""
        return "\n".join(f"## {step.name}: {step.outcome}\n{step.log}" for step in self.steps)


@dataclass
class Runner:
    """One repository on a forge that is played, and what its jobs run with.

    Attributes:
        origin: the bare repository.
        folder: where workspaces, homes, caches and artifacts lie.
        python: the environment that `setup-python` gives.
        variables, secrets: the repository's own.
        environment: what each job finds set beside what GitHub sets.
        cancel_at: what a step prints when somebody cancels the job.
    """

    origin: Path
    folder: Path
    python: Path
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    cancel_at: str | None = None
    repository: str = "team/cells"

    def starts(self, workflow: str, event: str, *, branch: str, changed: list[str]) -> bool:
        """Whether a push or a schedule would start a workflow of main."""
        triggers = self._workflow(workflow, "main")[True]  # YAML 1.1 reads `on` as a boolean
        if event not in triggers:
            return False
        rule = triggers[event] or {}
        if "branches" in rule and branch not in rule["branches"]:
            return False
        if "paths" in rule:
            return any(_matches(path, rule["paths"]) for path in changed)
        return not changed or not all(_matches(path, rule.get("paths-ignore", [])) for path in changed)

    def run(
        self,
        workflow: str,
        *,
        event: str = "push",
        ref: str = "refs/heads/main",
        payload: Event | None = None,
        inputs: Mapping[str, str] | None = None,
        secrets: bool = True,
        only: str | None = None,
    ) -> dict[str, Job]:
        """Run the jobs of a workflow in order; of `only` one, what it needs counts as done."""
        definition = self._workflow(workflow, ref)
        jobs: dict[str, Job] = {}
        for name, job in definition["jobs"].items():
            needs = job.get("needs", [])
            needed = {need: jobs[need] for need in ([needs] if isinstance(needs, str) else needs)}
            if only not in (None, name):
                jobs[name] = Job("success")
                continue
            contexts = self._contexts(definition, event, ref, payload or {}, inputs or {}, secrets=secrets)
            contexts["needs"] = {n: {"result": j.result, "outputs": j.outputs} for n, j in needed.items()}
            jobs[name] = self._job(definition, job, contexts, needed)
        return jobs

    def job(self, workflow: str, name: str) -> Any:
        """Return the definition of a job of main."""
        return self._workflow(workflow, "main")["jobs"][name]

    def _workflow(self, name: str, ref: str) -> Any:
        text = self._git("show", f"{ref}:.github/workflows/{name}.yml")
        return yaml.safe_load(text)

    def _git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.origin, capture_output=True, text=True, check=True)
        return done.stdout

    def _contexts(
        self,
        definition: Any,
        event: str,
        ref: str,
        payload: Event,
        inputs: Mapping[str, str],
        *,
        secrets: bool,
    ) -> dict[str, Any]:
        return {
            "github": {
                "event_name": event,
                "event": payload,
                "ref": ref,
                "ref_name": re.sub(r"^refs/(heads|tags|pull)/", "", ref),
                "repository": self.repository,
                "workflow": definition["name"],
                "token": "token-of-the-job",
                "sha": self._git("rev-parse", ref).strip(),
            },
            "vars": self.variables if secrets else {},
            "secrets": self.secrets if secrets else {},
            "inputs": inputs,
            "runner": {"os": "Linux"},
        }

    def _job(self, definition: Any, job: Any, contexts: dict[str, Any], needed: Mapping[str, Job]) -> Job:
        fine = all(other.result == "success" for other in needed.values())
        functions = _functions(failed=not fine, workspace=self.folder)
        if not condition(job.get("if", "success()"), contexts, functions):
            return Job("skipped")
        place = _Place(self, contexts, job)
        shutil.rmtree(place.workspace, ignore_errors=True)
        place.workspace.mkdir(parents=True)
        place.set(definition.get("env"))
        place.set(job.get("env"))
        done = Job("success")
        for step in job["steps"]:
            done.steps.append(place.step(step, failed=done.result != "success"))
            if done.steps[-1].outcome == "failure":
                done.result = "failure"
        done.outputs = {
            name: filled(value, place.contexts, functions) for name, value in job.get("outputs", {}).items()
        }
        return done


@dataclass
class _Place:
    """The machine of one job."""

    runner: Runner
    contexts: dict[str, Any]
    job: Any
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.workspace = self.runner.folder / "work" / "cells"
        self.home = self.runner.folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.contexts["steps"] = {}
        self.contexts["env"] = self.variables
        self.saves: list[tuple[Path, Path]] = []

    def set(self, values: Mapping[str, Any] | None) -> None:
        functions = _functions(failed=False, workspace=self.workspace)
        for name, value in (values or {}).items():
            self.variables[name] = filled(value, self.contexts, functions)

    def step(self, step: Any, *, failed: bool) -> Step:
        functions = _functions(failed=failed, workspace=self.workspace)
        name = step.get("name") or step.get("uses", "").partition("@")[0]
        if not condition(step.get("if", "success()"), self.contexts, functions):
            return Step(name, "skipped")
        given = {k: filled(v, self.contexts, functions) for k, v in (step.get("with") or {}).items()}
        if "uses" in step:
            action, commit = step["uses"].split("@")
            assert re.fullmatch(r"[0-9a-f]{40}", commit), f"{action} is not pinned"
            ACTIONS[action](self, given)
            return Step(name, "success")
        own = {k: filled(v, self.contexts, functions) for k, v in (step.get("env") or {}).items()}
        done = self._execute(name, filled(step["run"], self.contexts, functions), own)
        if "id" in step:
            self.contexts["steps"][step["id"]] = {"outputs": done.outputs, "outcome": done.outcome}
        return done

    def _execute(self, name: str, script: str, own: Mapping[str, str]) -> Step:
        files = self.runner.folder / "files"
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        (files / "script.sh").write_text(script)
        github = self.contexts["github"]
        (files / "event.json").write_text(json.dumps(github["event"]))
        for file in ("output", "summary", "env"):
            (files / file).touch()
        environment = {
            **{
                k: v
                for k, v in os.environ.items()
                if not k.startswith(("MLFLOW_", "DVC_", "XDG_", "COLUMNS"))
            },
            "HOME": str(self.home),
            "PATH": f"{self.runner.python / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "VIRTUAL_ENV": "",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_REPOSITORY": github["repository"],
            "GITHUB_REF": github["ref"],
            "GITHUB_REF_NAME": github["ref_name"],
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_HEAD_REF": (github["event"].get("pull_request") or {}).get("head", {}).get("ref", ""),
            "GITHUB_SHA": github["sha"],
            "GITHUB_EVENT_NAME": github["event_name"],
            "GITHUB_EVENT_PATH": str(files / "event.json"),
            "GITHUB_ACTOR": "ada",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_RUN_ID": "7",
            "GITHUB_OUTPUT": str(files / "output"),
            "GITHUB_STEP_SUMMARY": str(files / "summary"),
            "GITHUB_ENV": str(files / "env"),
            **self.runner.environment,
            **self.variables,
            **own,
        }
        code, log = execute(
            ["bash", "-e", str(files / "script.sh")], self.workspace, environment, self.runner.cancel_at
        )
        assert not (files / "env").read_text(), "GITHUB_ENV is not played"
        outputs = dict(line.split("=", 1) for line in (files / "output").read_text().splitlines())
        outcome = "success" if code == 0 else "failure"
        return Step(name, outcome, log, outputs, (files / "summary").read_text())

    # --- actions

    def checkout(self, given: Mapping[str, str]) -> None:
        depth = given.get("fetch-depth", "1")
        ref = self.contexts["github"]["ref"]
        clone = ["git", "init", "-q", "-b", "main", "."]
        fetch = [
            "git",
            "fetch",
            "-q",
            f"--depth={depth}",
            "--no-tags",
            "origin",
            f"+{ref}:refs/remotes/origin/it",
        ]
        if depth == "0":
            fetch = [
                "git",
                "fetch",
                "-q",
                "--tags",
                "origin",
                "+refs/heads/*:refs/remotes/origin/*",
                f"+{ref}:refs/it",
            ]
        branch = ref.removeprefix("refs/heads/")
        at = "refs/it" if depth == "0" else "refs/remotes/origin/it"
        switch = (
            ["git", "checkout", "-q", "--force", "-B", branch, at]
            if ref.startswith("refs/heads/")
            else ["git", "checkout", "-q", "--force", "--detach", at]
        )
        for words in (
            clone,
            ["git", "remote", "add", "origin", f"file://{self.runner.origin}"],
            fetch,
            switch,
        ):
            subprocess.run(words, cwd=self.workspace, check=True, capture_output=True)

    def setup_python(self, given: Mapping[str, str]) -> None:
        assert given["python-version"] == "3.11"
        assert (self.workspace / given["cache-dependency-path"]).is_file()

    def cache(self, given: Mapping[str, str]) -> None:
        path = Path(given["path"].replace("~", str(self.home)))
        path = path if path.is_absolute() else self.workspace / path
        for kept in sorted((self.runner.folder / "caches").glob(f"{given['key'][:4]}*")):
            if not path.exists():
                shutil.copytree(kept, path, symlinks=True)

    def upload(self, given: Mapping[str, str]) -> None:
        goal = self.runner.folder / "artifacts" / given["name"]
        shutil.rmtree(goal, ignore_errors=True)
        for path in given["path"].split():
            if (self.workspace / path).is_dir():
                shutil.copytree(self.workspace / path, goal / path)


ACTIONS = {
    "actions/checkout": _Place.checkout,
    "actions/setup-python": _Place.setup_python,
    "actions/cache": _Place.cache,
    "actions/upload-artifact": _Place.upload,
}


def execute(
    words: list[str], folder: Path, environment: Mapping[str, str], cancel_at: str | None = None
) -> tuple[int, str]:
    """Run a script and return its exit code and what it printed; a cancelled one is told to end at a text."""
    lines = []
    with subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if cancel_at is not None and cancel_at in line:
                os.killpg(process.pid, signal.SIGTERM)
    return process.returncode, "".join(lines)


def _functions(*, failed: bool, workspace: Path) -> dict[str, Any]:
    return {
        "success": lambda: not failed,
        "failure": lambda: failed,
        "always": lambda: True,
        "cancelled": lambda: False,
        "hashFiles": lambda *patterns: _hash(workspace, patterns),
        "contains": lambda text, part: as_text(part) in as_text(text),
    }


def _hash(workspace: Path, patterns: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(workspace.glob(pattern)):
            if path.is_file():
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _matches(path: str, patterns: list[str]) -> bool:
    """Match as `paths:` does: `**` stands for any folders, `*` for anything else in a name."""
    return any(fnmatch.fnmatch(path, pattern.replace("**", "*")) for pattern in patterns)
