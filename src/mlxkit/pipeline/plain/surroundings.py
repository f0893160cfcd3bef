"""What the scripts have to know of the project around them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import git
from mlxkit.pipeline.imports import code_dependencies
from mlxkit.pipeline.plain.script import Script
from mlxkit.project import environments
from mlxkit.project.functions import module_file
from mlxkit.project.params import read_params
from mlxkit.project.variables import REFERENCE
from mlxkit.scaffold.leave import is_installable, line_length

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.project.models import Project, Stage


@dataclass(frozen=True)
class Surroundings:
    """What a script has to know of the project around it.

    Attributes:
        params: params.yaml.
        width: the longest line of the project's formatter.
        kept_folders: folders that a fresh clone has.
        dotenv: stages that may read variables of `.env`.
        tracking: MLflow's address where mlx.yaml names one; None means MLflow's own default.
    """

    project: Project
    params: Mapping[str, Any]
    width: int
    kept_folders: frozenset[str]
    dotenv: frozenset[str]
    tracking: str | None = None

    def script(self) -> Script:
        """Begin a script."""
        return Script(self.project.root, self.width)

    def groups(self, stage: Stage) -> dict[str, Any]:
        """Return the groups of params.yaml that a stage depends on."""
        return {group: self.params[group] for group in stage.params}


def surroundings(project: Project) -> Surroundings:
    """Look around in a project, in the environment that is in use."""
    tracking = environments.choose(project, None, branch=git.branch(project.root)).environment.tracking
    folders = {
        parent.as_posix()
        for path in git.tracked(project.root, ["."])
        for parent in project.root.joinpath(path).relative_to(project.root).parents
    }
    refers = tracking is not None and REFERENCE.search(tracking) is not None
    dotenv = {
        stage.name
        for stage in project.stages.values()
        if (refers and stage.kind != "stage") or _reads_environment(project, stage)
    }
    return Surroundings(
        project,
        read_params(project.root),
        line_length(project.root),
        frozenset(folders),
        frozenset(dotenv),
        tracking,
    )


def _reads_environment(project: Project, stage: Stage) -> bool:
    """Whether a stage may use a variable of `.env`, which mlx sets for every stage."""
    if (project.root / ".env").is_file():
        return True
    return any(re.search(r"\benviron\b|\bgetenv\b", text) for text in code_texts(project, stage))


def code_texts(project: Project, stage: Stage) -> list[str]:
    """Return the Python sources of a stage: its function's module, and what that imports from the project."""
    paths = [path for path in code_dependencies(project.root, stage) if path.endswith(".py")]
    files = [project.root / path for path in paths]
    return [file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file()]


def import_path(project: Project) -> str:
    """Return the folders that Python must find the project's packages in, where they are not installed."""
    modules = [stage.call.partition(":")[0] for stage in project.stages.values() if stage.call]
    files = [file for module in modules if (file := module_file(project.root, module)) is not None]
    inside = {"src" if file.is_relative_to(project.root / "src") else "." for file in files}
    if is_installable(project.root):
        inside.discard("src")
    return ":".join(sorted(inside, reverse=True))
