"""Changes of many files that happen all together: noted first, so that a kill in between is made good.

The note lies in `.mlx`. Who finds it writes what is missing, if nobody has touched these files since.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.errors import ConfigError, Refused
from mlxkit.project.files import read_mapping, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NOTE = ".mlx/changes.json"


@dataclass(frozen=True)
class Change:
    """A file's content before and after; None is no file."""

    path: str
    before: bytes | None
    after: bytes | None


def carry_out(root: Path, changes: Sequence[Change]) -> None:
    """Make all changes, in their order.

    Raises:
        Refused: a file is not as it was when the changes were worked out.
    """
    if not changes:
        return
    others = [change.path for change in changes if content_of(root / change.path) != change.before]
    if others:
        raise Refused(
            "files changed meanwhile, and nothing was written",
            context=others,
            hint="run the same command again",
        )
    noted = [[c.path, _digest(c.before), None if c.after is None else _packed(c.after)] for c in changes]
    write_atomically(root / _NOTE, json.dumps({"changes": noted}).encode())
    for change in changes:
        _write(root / change.path, change.after)
    (root / _NOTE).unlink()


def is_unfinished(root: Path) -> bool:
    """Whether a killed command has noted changes that it did not make to the end."""
    return (root / _NOTE).is_file()


def finish(root: Path) -> bool:
    """Make the changes that a killed command has noted and not made; returns whether there were any.

    Where one of the files is neither as before nor as after, somebody has worked on it, and nothing is done.

    Raises:
        ConfigError: the note names a file outside of the project, so mlx did not write it.
    """
    note = root / _NOTE
    noted = read_mapping(note).get("changes", [])
    if not all((root / path).resolve().is_relative_to(root.resolve()) for path, *_ in noted):
        raise ConfigError(f"'{_NOTE}' names files outside of the project", hint=f"run `rm {_NOTE}`")
    wanted = [
        (root / path, before, None if text is None else base64.b64decode(text))
        for path, before, text in noted
    ]
    there = [content_of(path) for path, _, _ in wanted]
    untouched = all(
        now == after or _digest(now) == before for now, (_, before, after) in zip(there, wanted, strict=True)
    )
    missing = [(path, after) for now, (path, _, after) in zip(there, wanted, strict=True) if now != after]
    if untouched:
        for path, after in missing:
            _write(path, after)
    note.unlink(missing_ok=True)
    return untouched and bool(missing)


def content_of(path: Path) -> bytes | None:
    """Return what a file holds, None where there is no file."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def is_blocked(path: Path) -> bool:
    """Whether no file can be made here: something is there, or a folder above it is none."""
    above = next(parent for parent in (path, *path.parents) if parent.exists() or parent.is_symlink())
    return above == path or not above.is_dir()


def _write(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        write_atomically(path, content)


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _packed(content: bytes) -> str:
    return base64.b64encode(content).decode()
