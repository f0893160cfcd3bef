"""`mlx template update`: bring a project to the template of this mlx, and keep what its people changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlxkit import __version__
from mlxkit.adapters.git_merge import merge_file
from mlxkit.adapters.git_way_back import uncommitted_of
from mlxkit.errors import ConfigError, Refused
from mlxkit.pipeline import staged
from mlxkit.pipeline.create import SCHEMA_FILE, schema_text
from mlxkit.pipeline.lock import run_lock
from mlxkit.pipeline.staged import Change, content_of, is_blocked
from mlxkit.scaffold.answers_json import UnfitAnswer
from mlxkit.scaffold.rendered import render_anew
from mlxkit.scaffold.template_record import RECORD_FILE, read_record, record_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlxkit.pipeline.events import Events

State = Literal["current", "added", "updated", "merged", "conflict", "removed", "kept"]
CHANGING = ("added", "updated", "merged", "conflict", "removed")
"""States that mean a file differs from what an update leaves."""

_LABELS = ("yours", "template when made", "template now")
_WAY_BACK, _ANYWAY = "git is the way back", "`mlx template update --force`"
_MARKERS = (b"<<<<<<< ", b"||||||| ", b">>>>>>> ")
_NO_MARKERS_INSIDE = (".ipynb", ".json")
"""Files that a conflict's markers would make unreadable to every program."""


@dataclass(frozen=True)
class FileUpdate:
    """What an update does to one file, and why, where that needs a word.

    Attributes:
        before: its content, None where it is not there; likewise `after`.
    """

    path: str
    state: State
    why: str = ""
    before: bytes | None = None
    after: bytes | None = None


@dataclass(frozen=True)
class TemplateUpdate:
    """How a project and its template of today differ.

    Attributes:
        made_with: version of the mlx whose template the project has; `mlx` is that of this one.
        files: all that either the template or the project's record names, by path.
        record: text of the new answers file.
    """

    root: Path
    template: str
    made_with: str
    mlx: str
    files: tuple[FileUpdate, ...]
    record: str

    @property
    def changes(self) -> tuple[FileUpdate, ...]:
        """Files that are not as an update leaves them."""
        return tuple(file for file in self.files if file.state in CHANGING)

    @property
    def conflicts(self) -> tuple[str, ...]:
        """Files in which both sides changed the same lines."""
        return tuple(file.path for file in self.files if file.state == "conflict")


def plan(root: Path) -> TemplateUpdate:
    """Work out what an update would do; nothing is written.

    Raises:
        UsageError: the project does not say what its template was filled in with.
        ConfigError: what it says is damaged, or does not suffice for the template of today.
        Refused: conflicts of an earlier update are still there.
        ToolError: git is not installed, and files have to be merged.
    """
    record = read_record(root)
    try:
        now = render_anew(record)
    except UnfitAnswer as reason:
        raise ConfigError(
            f"'{RECORD_FILE}' does not say all that the template of mlx {__version__} asks for",
            context=[str(reason)],
            hint=f"write it into 'answers' of {RECORD_FILE}",
        ) from reason
    paths = sorted({*record.files, *now.files})
    _refuse_markers(root, paths)
    files = [_update_of(root / path, path, record.files.get(path), now.files.get(path)) for path in paths]
    files += _schema(root)
    same = record.files == now.files and record.answers == now.answers
    text = (root / RECORD_FILE).read_text(encoding="utf-8") if same else record_text(now)
    return TemplateUpdate(root, record.template, record.mlx, __version__, tuple(files), text)


def update(root: Path, events: Events, *, force: bool = False) -> TemplateUpdate:
    """Bring the project to the template of today; returns what was done.

    `force` also writes over what git could not bring back.

    Raises:
        Refused: git could not bring back a file that would change.
        LockTimeout: a run holds the project for too long.
    """
    with run_lock(root / ".mlx" / "run.lock", events):
        staged.finish(root)
        found = plan(root)
        if not force:
            _refuse_uncommitted(root, found.changes)
        changes = [Change(file.path, file.before, file.after) for file in found.changes]
        known = content_of(root / RECORD_FILE)
        if known != found.record.encode():
            changes.append(Change(RECORD_FILE, known, found.record.encode()))
        staged.carry_out(root, changes)
    return found


def _update_of(place: Path, path: str, base: bytes | None, new: bytes | None) -> FileUpdate:
    """Decide what becomes of a file; `base` is what the template had when the project was made, `new` now."""
    mine = content_of(place)
    if mine is None:
        if base is not None:
            return FileUpdate(path, "current", "you deleted it" if new is not None else "")
        if is_blocked(place):
            return FileUpdate(path, "kept", "something else of yours is in its place")
        return FileUpdate(path, "added", "the template has it now", None, new)
    if new is None:
        if mine == base:
            return FileUpdate(path, "removed", "the template has it no more", mine, None)
        return FileUpdate(path, "kept", "the template has it no more, and you changed it", mine, mine)
    if mine == new or base == new:
        return FileUpdate(path, "current", "", mine, mine)
    if base is None:
        return FileUpdate(path, "kept", "the template has such a file now, too", mine, mine)
    if mine == base:
        return FileUpdate(path, "updated", "", mine, new)
    return _merged(path, mine, base, new)


def _merged(path: str, mine: bytes, base: bytes, new: bytes) -> FileUpdate:
    if b"\r\n" in mine and b"\r\n" not in base:
        base, new = (text.replace(b"\n", b"\r\n") for text in (base, new))
    merged = merge_file(mine, base, new, labels=_LABELS)
    if merged is None:
        return FileUpdate(path, "kept", "it is no text any more", mine, mine)
    if merged.text == mine:
        return FileUpdate(path, "current", "", mine, mine)
    if path.endswith(_NO_MARKERS_INSIDE) and (merged.conflicts or not _is_json(merged.text)):
        return FileUpdate(path, "kept", "you changed what the template changed, too", mine, mine)
    if merged.conflicts:
        why = "one place" if merged.conflicts == 1 else f"{merged.conflicts} places"
        return FileUpdate(path, "conflict", f"both changed {why}", mine, merged.text)
    return FileUpdate(path, "merged", "your changes are kept", mine, merged.text)


def _schema(root: Path) -> list[FileUpdate]:
    """Return what becomes of the schema for editors, which mlx makes and nobody edits."""
    mine, new = content_of(root / SCHEMA_FILE), schema_text()
    if mine is None or mine == new:
        return []
    return [FileUpdate(SCHEMA_FILE, "updated", "", mine, new)]


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _refuse_markers(root: Path, paths: Sequence[str]) -> None:
    left = [path for path in paths if _has_markers(content_of(root / path) or b"")]
    if left:
        raise Refused(
            "conflicts of an earlier update are not resolved yet",
            context=left,
            hint="edit what stands between `<<<<<<<` and `>>>>>>>` there, then run the same command again",
        )


def _has_markers(text: bytes) -> bool:
    lines = text.splitlines()
    return all(any(line.startswith(mark) for line in lines) for mark in _MARKERS)


def _refuse_uncommitted(root: Path, changes: Sequence[FileUpdate]) -> None:
    """Raise Refused where git could not bring back a file that will change."""
    paths = [file.path for file in changes if file.before is not None]
    if not paths:
        return
    missing = uncommitted_of(root, paths)
    if missing is None:
        raise Refused(
            "the project is in no git repository, and files of yours would change",
            context=paths,
            hint=f"{_WAY_BACK}: run `git init && git add -A && git commit`, or {_ANYWAY}",
        )
    if missing:
        raise Refused(
            "files that would change have uncommitted changes",
            context=missing,
            hint=f"{_WAY_BACK}: run `git add -A && git commit` or `git stash`, or {_ANYWAY}",
        )
