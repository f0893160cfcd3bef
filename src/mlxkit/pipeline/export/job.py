"""What a scheduler does for a project, whichever it is: the jobs of `schedule:`, and where mlx is."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.errors import ToolError, UsageError
from mlxkit.project.environments import is_strict

if TYPE_CHECKING:
    from mlxkit.project.models import Environment, Project


@dataclass(frozen=True)
class Job:
    """Commands of mlx that run one after the other, as long as each succeeds.

    Attributes:
        schedule: fields of cron, or an alias.
        may_refuse: exit code 3 of these commands is an answer, and no failure.
    """

    name: str
    schedule: str
    commands: tuple[tuple[str, ...], ...]
    may_refuse: bool = False


def jobs_of(project: Project, environment: Environment) -> tuple[Job, ...]:
    """Return the jobs that mlx.yaml schedules.

    Raises:
        UsageError: it schedules none.
    """
    schedule, env = project.schedule, ("--env", environment.name)
    found = []
    if schedule.train is not None:
        promotes = (("mlx", "promote", "--to", environment.name),) if project.train_stage else ()
        found.append(Job("train", schedule.train, (("mlx", "run", *env), *promotes), may_refuse=True))
    if (drift := drift_job(project, environment)) is not None:
        found.append(drift)
    if not found:
        raise UsageError(
            "mlx.yaml does not say when anything runs",
            hint='add `schedule: {train: "0 3 * * 1"}` to mlx.yaml, for Mondays at 3',
        )
    return tuple(found)


def drift_job(project: Project, environment: Environment) -> Job | None:
    """Return the job that compares new rows, if mlx.yaml schedules it."""
    schedule = project.schedule
    if schedule.drift is None or schedule.new_rows is None:
        return None
    words = ("mlx", "drift", "--data", schedule.new_rows, "--env", environment.name)
    return Job("drift", schedule.drift, (words,))


def programs_of(root: Path) -> Path:
    """Return the folder of mlx: the programs of the project's `.venv`, else those beside this Python.

    Raises:
        ToolError: mlx is not there.
    """
    own = root / ".venv" / "bin"
    folder = own if (own / "python").exists() else Path(sys.executable).parent
    if not (folder / "mlx").exists():
        raise ToolError(
            "there is no 'mlx' that a scheduler could call", context=[str(folder)], hint="run `make setup`"
        )
    return folder


def notes_on(project: Project, environment: Environment) -> tuple[str, ...]:
    """Say what keeps a scheduled training from being promoted there."""
    if project.train_stage is None or not is_strict(project, environment):
        return ()
    first = next(iter(project.environments))
    return (
        f"'{environment.name}' takes only models that a commit holds, and nobody commits what a scheduler "
        f"trains: new models are refused there; '{first}' takes them",
    )


def refuse_line_breaks(root: Path, programs: Path) -> None:
    """Raise UsageError where a path cannot be written into one line."""
    for path in (root, programs):
        if str(path).splitlines() != [str(path)]:
            raise UsageError(
                "no scheduler takes a folder with a line break in its name",
                context=[repr(str(path))],
                hint="rename the folder",
            )
