"""`mlx export systemd`: a service and a timer for each job, as units of a user."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlxkit.pipeline.export.job import refuse_line_breaks
from mlxkit.pipeline.export.marked import is_ours, mark_of
from mlxkit.project.cron import read_cron

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlxkit.pipeline.export.job import Job

SCHEDULER = "systemd"
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REFUSED = 3
_JOBS = ("train", "drift")


def units(project: str, root: Path, programs: Path, jobs: Sequence[Job]) -> dict[str, str]:
    """Return the text of each unit by its file's name.

    Raises:
        UsageError: a path cannot stand in a unit.
    """
    refuse_line_breaks(root, programs)
    found = {}
    for job in jobs:
        found[f"{project}-{job.name}.service"] = _service(project, root, programs, job)
        found[f"{project}-{job.name}.timer"] = _timer(project, job)
    return found


def no_longer_scheduled(project: str, folder: Path, wanted: dict[str, str]) -> tuple[str, ...]:
    """Name the timers in a folder that an earlier export wrote, and mlx.yaml schedules no more."""
    timers = [f"{project}-{name}.timer" for name in _JOBS]
    return tuple(name for name in timers if name not in wanted and is_ours(folder / name, SCHEDULER))


def _service(project: str, root: Path, programs: Path, job: Job) -> str:
    # `env` finds mlx: systemd takes no program in a folder with a quote or a backslash in its name.
    commands = [" ".join(_word(word) for word in ("/usr/bin/env", *words)) for words in job.commands]
    path = f"PATH={programs}:{_SYSTEM_PATH}"
    refused = ["# Gates that refuse a model are no failure.", f"SuccessExitStatus={_REFUSED}"]
    return _text(
        "[Unit]",
        f"Description=mlx: {job.name} {project}",
        "",
        "[Service]",
        "Type=oneshot",
        f"WorkingDirectory={_specifiers(str(root))}",
        f"Environment={_quoted(_specifiers(path))}",
        *(f"ExecStart={command}" for command in commands),
        *(refused if job.may_refuse else []),
    )


def _timer(project: str, job: Job) -> str:
    return _text(
        "[Unit]",
        f"Description=mlx: when to {job.name} {project}",
        "",
        "[Timer]",
        *(f"OnCalendar={time}" for time in calendar(job.schedule)),
        "# What was due while the machine was off is done when it is on again.",
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    )


def _text(*lines: str) -> str:
    return "\n".join((mark_of(SCHEDULER), *lines)) + "\n"


def calendar(schedule: str) -> tuple[str, ...]:
    """Return the times of cron as systemd writes them.

    Two where days of the month and of the week are named: to cron either is enough, to systemd both must be.
    """
    cron = read_cron(schedule)
    time = f"{_list(cron.hours, 2)}:{_list(cron.minutes, 2)}:00"
    days = f"*-{_list(cron.months, 2)}-{_list(cron.days, 2)} {time}"
    if cron.weekdays is None:
        return (days,)
    weekdays = sorted((day - 1) % 7 for day in cron.weekdays)
    names = ",".join(
        _WEEKDAYS[first] if first == last else f"{_WEEKDAYS[first]}..{_WEEKDAYS[last]}"
        for first, last in _ranges(weekdays)
    )
    by_weekday = f"{names} *-{_list(cron.months, 2)}-* {time}"
    return (by_weekday,) if cron.days is None else (days, by_weekday)


def _list(values: Sequence[int] | None, digits: int) -> str:
    if values is None:
        return "*"
    return ",".join(
        f"{first:0{digits}}" if first == last else f"{first:0{digits}}..{last:0{digits}}"
        for first, last in _ranges(values)
    )


def _ranges(values: Sequence[int]) -> list[tuple[int, int]]:
    """Join neighbours; two of them stay two."""
    found: list[tuple[int, int]] = []
    for value in values:
        if found and value == found[-1][1] + 1:
            found[-1] = (found[-1][0], value)
        else:
            found.append((value, value))
    return [
        pair
        for first, last in found
        for pair in ([(first, first), (last, last)] if last == first + 1 else [(first, last)])
    ]


def _word(word: str) -> str:
    """Write a word of a command line as systemd reads it (systemd.service(5), "Command lines")."""
    escaped = _specifiers(word).replace("$", "$$")
    return escaped if re.fullmatch(r"[\w@%+=:,./$-]+", escaped) else _quoted(escaped)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")
