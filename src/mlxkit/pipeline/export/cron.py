"""`mlx export cron`: one line of a crontab for each job."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.errors import UsageError
from mlxkit.pipeline.export.job import refuse_line_breaks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlxkit.pipeline.export.job import Job

_LONGEST = 998
"""Debian's cron drops a command with more characters, and says nothing (crontab(5))."""
_SHOWN = 20


@dataclass(frozen=True)
class CronLine:
    """A job, and its line."""

    name: str
    schedule: str
    log: str
    line: str


def crontab(project: str, root: Path, programs: Path, jobs: Sequence[Job]) -> tuple[CronLine, ...]:
    """Write the lines; each ends with a mark by which `grep -v` finds it again.

    Raises:
        UsageError: cron would not take one.
    """
    refuse_line_breaks(root, programs)
    return tuple(_line(project, root, programs, job) for job in jobs)


def _line(project: str, root: Path, programs: Path, job: Job) -> CronLine:
    log = f".mlx/logs/cron-{job.name}.log"
    command = _command(root, programs, job, log)
    # To cron a percent sign is the end of the command.
    escaped = f"{command}  # mlx {project} {job.name}".replace("%", r"\%")
    if len(escaped) > _LONGEST:
        raise UsageError(
            f"cron takes no command of more than {_LONGEST} characters, and '{job.name}' has {len(escaped)}",
            hint="move the project to a shorter path, or run `mlx export systemd`",
        )
    return CronLine(job.name, job.schedule, log, f"{job.schedule} {escaped}")


def _command(root: Path, programs: Path, job: Job, log: str) -> str:
    """Return a shell command that keeps a log; cron mails its end, printed when something is wrong."""
    own = programs.is_relative_to(root)
    folder = f"$PWD/{programs.relative_to(root).as_posix()}" if own else ""
    path = f'"{folder}:$PATH"' if own else f'{shlex.quote(str(programs))}:"$PATH"'
    steps = " && ".join(shlex.join(words) for words in job.commands)
    return (
        f"cd {shlex.quote(str(root))} && export PATH={path} && mkdir -p .mlx/logs && "
        f"{{ date; {steps}; }} >>{log} 2>&1 || tail -n {_SHOWN} {log}"
    )
