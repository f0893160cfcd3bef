"""What a job of GitHub Actions reads beside the log: the step's summary, its outputs, and annotations."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlxkit.errors import MlxError

_PLACE = re.compile(r"(?P<file>[^\s:]+):(?P<line>\d+):(?P<column>\d+) (?P<text>.+)")
"""A problem in a file, as `project.located.Problem` writes it."""


def is_under_way() -> bool:
    """Whether this is a job of GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def summarise(markdown: str) -> None:
    """Append to the step's summary; elsewhere there is none."""
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(markdown)


def set_outputs(values: Mapping[str, str]) -> None:
    """Set outputs of the step; elsewhere there are none."""
    if file := os.environ.get("GITHUB_OUTPUT"):
        with Path(file).open("a", encoding="utf-8") as outputs:
            outputs.writelines(f"{name}={value}\n" for name, value in values.items())


def marks_of(error: MlxError) -> list[str]:
    """Return the lines that mark an error in the job and in its pull request; outside of a job none.

    An error that names places in files marks these, and else the job as a whole.
    """
    if not is_under_way():
        return []
    places = [match for line in error.context if (match := _PLACE.fullmatch(line))]
    if not places:
        told = [error.message, *error.context, *([f"hint: {error.hint}"] if error.hint else [])]
        return [_command("error", {"title": "mlx"}, "\n".join(told))]
    return [
        _command(
            "error",
            {
                "file": _in_the_repository(place["file"]),
                "line": place["line"],
                "col": place["column"],
                "title": error.message,
            },
            place["text"],
        )
        for place in places
    ]


def warning(text: str) -> str | None:
    """Return the line that marks a warning in the job; outside of a job None."""
    return _command("warning", {"title": "mlx"}, text) if is_under_way() else None


def _command(name: str, properties: Mapping[str, str], text: str) -> str:
    """Write a workflow command, as the runner reads it from a job's output."""
    given = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items())
    return f"::{name} {given}::{_escaped(text)}"


def _escaped(text: str, more: Sequence[str] = "") -> str:
    for char in ("%", "\r", "\n", *more):
        text = text.replace(char, f"%{ord(char):02X}")
    return text


def _in_the_repository(file: str) -> str:
    """Return the path of a project's file from the repository's root, as annotations name it."""
    here = Path.cwd()
    found = next((path for folder in (here, *here.parents) if (path := folder / file).exists()), here / file)
    top = os.environ.get("GITHUB_WORKSPACE")
    if top and found.is_relative_to(Path(top).resolve()):
        return found.relative_to(Path(top).resolve()).as_posix()
    return file
