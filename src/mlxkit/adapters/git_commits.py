"""Commits as they are read later on: what differs between two, and what a file held.

What a run calls its commit may be any text, written by whoever may write to its store: no option of git's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from mlxkit.adapters import git

if TYPE_CHECKING:
    from pathlib import Path


_END = "--end-of-options"
_ask = partial(git.ask, errors="replace")  # what is read here is shown


@dataclass(frozen=True)
class Commit:
    """One commit; `id` is its full hash."""

    id: str
    subject: str
    author: str
    time: datetime


@dataclass(frozen=True)
class FileChange:
    """Lines that a file gained and lost; None for a binary file."""

    path: str
    added: int | None
    removed: int | None


def find_commit(root: Path, commit: str) -> Commit | None:
    """Return a commit; None when this repository does not have it, or there is none."""
    out = _ask(
        root, "log", "-1", "--no-show-signature", "--format=%H%x00%s%x00%an%x00%cI", _END, commit, "--"
    )
    if not out:
        return None
    full, subject, author, time = out.rstrip("\n").split("\0")
    return Commit(full, subject, author, datetime.fromisoformat(time))


def changes_between(root: Path, one: str, other: str) -> tuple[FileChange, ...] | None:
    """Return what `git diff --stat` would tell of a project's folder; None when a commit is not here."""
    form = ("--numstat", "-z", "--no-renames", "--no-ext-diff", "--relative")
    out = _ask(root, "diff", *form, _END, one, other, "--", ".")
    if out is None:
        return None
    changes = []
    for line in out.split("\0"):
        if line:
            added, removed, path = line.split("\t", 2)
            changes.append(FileChange(path, _count(added), _count(removed)))
    return tuple(changes)


def text_at(root: Path, commit: str, path: str) -> str | None:
    """Return what a file of the project held in a commit; None when it was not there."""
    return _ask(root, "show", _END, f"{commit}:./{path}")


def has_file(root: Path, commit: str, path: str) -> bool:
    """Whether a commit holds a file of the project."""
    return _ask(root, "cat-file", "-e", _END, f"{commit}:./{path}") is not None


def files_at(root: Path, commit: str, ending: str) -> tuple[str, ...]:
    """Return the files of the project whose names end so, as they were in a commit."""
    out = _ask(root, "ls-tree", "-r", "-z", "--name-only", _END, commit, "--", ".")
    return tuple(path for path in (out or "").split("\0") if path.endswith(ending))


def _count(text: str) -> int | None:
    return int(text) if text.isdigit() else None
