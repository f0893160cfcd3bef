"""What the environment of a stage on another machine consists of, as the text of one requirements file."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from mlxkit.errors import UsageError
from mlxkit.pipeline.installed import needed_by_jobs, pinned
from mlxkit.project.models import CONFIG_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlxkit.project.models import Project

_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(?P<file>\S+)$")
_LOCAL = re.compile(r"(-e|--editable|-c|--constraint)\b|\.{1,2}(/|$)|/|file:")
"""What names a file that is not there: the text travels, and nothing beside it."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def requirements_of(project: Project, target: str) -> str:
    """Return the requirements for a target: its file with what mlx needs, or without a file, what is here.

    Raises:
        UsageError: the file is not there, or names what cannot travel with it.
    """
    name = project.targets[target].requirements
    if name is None:
        return pinned(project.root)
    lines = list(_lines(project.root, name, target, ()))
    if any(line.startswith("--require-hashes") or "--hash" in line for line in lines):
        return "".join(f"{line}\n" for line in lines)  # whoever lists hashes lists everything
    named = {_canonical(found[0]) for line in lines if (found := _NAME.match(line))}
    own = [f"{package}=={version}" for package, version in needed_by_jobs().items() if package not in named]
    return "".join(f"{line}\n" for line in [*lines, *own])


def _lines(root: Path, name: str, target: str, above: tuple[str, ...]) -> Iterator[str]:
    """Yield what a file says, without comments, and what the files say that it includes."""
    try:
        text = (root / name).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the requirements of target '{target}' cannot be read: {error.strerror}",
            context=[name],
            hint=f"correct {_place(target, above)}",
        ) from error
    for number, raw in enumerate(text.replace("\\\n", " ").splitlines(), start=1):
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        included = _INCLUDE.match(line)
        if included is not None:
            other = posixpath.normpath(posixpath.join(posixpath.dirname(name), included["file"]))
            if other not in (*above, name):  # files that include each other say no more the second time
                yield from _lines(root, other, target, (*above, name))
        elif _LOCAL.match(line):
            raise UsageError(
                f"the requirements of target '{target}' name what lies on this machine: '{line}'",
                context=[f"{name}:{number}"],
                hint="name packages and versions; the project's own code travels with every job",
            )
        elif line:
            yield line


def _place(target: str, above: tuple[str, ...]) -> str:
    return f"'{above[-1]}'" if above else f"`targets: {target}: requirements` in {CONFIG_FILE}"


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
