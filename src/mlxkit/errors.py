"""The errors that mlx raises on purpose, and the exit codes they end a command with.

MlxError
 +-- UsageError            2   a wrong argument, an unknown stage, run or version
 |    +-- NotInProjectError    no mlx.yaml here or above
 |    +-- DataError            a data file that cannot be used
 +-- ConfigError           4   mlx.yaml or params.yaml is invalid; carries every problem found
 +-- StageFailed           1   the user's stage raised, returned nonsense, was killed or timed out
 +-- Refused               3   a check said no
 +-- ToolError             5   a tool or server is missing, unreachable or failing
 |    +-- LockTimeout          somebody else holds a lock for too long
 +-- Interrupted         130   the user pressed Ctrl-C
"""

from __future__ import annotations

import errno
import os
import shlex
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    STAGE_FAILED = 1
    USAGE = 2
    REFUSED = 3
    CONFIG = 4
    TOOL = 5
    BUG = 70
    INTERRUPTED = 130


class MlxError(Exception):
    """A failure that mlx can explain.

    Attributes:
        message: what failed; lower case, names in single quotes.
        hint: the exact next command or edit, without a prompt sign.
        context: where it failed, one line each (file and line, log tail, ...).
    """

    kind = "error"
    exit_code = Exit.BUG

    def __init__(self, message: str, *, hint: str = "", context: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context = tuple(context)


class UsageError(MlxError):
    """The command line asks for something that does not exist."""

    kind = "usage"
    exit_code = Exit.USAGE


class NotInProjectError(UsageError):
    """There is no mlx.yaml in this folder or above it."""

    kind = "not_in_project"


class DataError(UsageError):
    """A data file cannot be used for what was asked."""

    kind = "data"


class ConfigError(MlxError):
    """mlx.yaml or params.yaml is invalid; `context` lists every problem as `file:line:column key: text`."""

    kind = "config"
    exit_code = Exit.CONFIG


class StageFailed(MlxError):
    """The user's stage failed or ran out of time."""

    kind = "stage_failed"
    exit_code = Exit.STAGE_FAILED


class Refused(MlxError):
    """A check said no: a gate, drift, a stale pipeline, a dirty tree."""

    kind = "refused"
    exit_code = Exit.REFUSED


class ToolError(MlxError):
    """An outside tool or server is missing, unreachable or failing."""

    kind = "tool"
    exit_code = Exit.TOOL


class LockTimeout(ToolError):
    """Another process holds a lock for longer than this one may wait."""

    kind = "lock_timeout"


class Interrupted(MlxError):
    """The user interrupted the command."""

    kind = "interrupted"
    exit_code = Exit.INTERRUPTED


NO_SPACE = "there is no space left on the disk"
FREE_SPACE = "free some, for instance with `mlx gc`, then run the same command again"
FULL_BYTES = 1 << 20
"""With less than this, the disk is why a process failed: it may not even have had room to say so."""
_NO_PERMISSION = ("a file may not be read or written", "look at owner and permissions with `ls -ld {place}`")
_MENDABLE = {
    errno.ENOSPC: (NO_SPACE, FREE_SPACE),
    errno.EDQUOT: (NO_SPACE, FREE_SPACE),
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.EROFS: ("the disk may only be read", "mount the disk writable, or work in a copy on another one"),
}


def full_there(name: str, what: str = "") -> tuple[str, str]:
    """Return message and hint for a full disk on another machine; `what` failed for it."""
    said = f"there is no space left on '{name}'"
    way = f"for instance with `mlx gc --on {shlex.quote(name)}`"
    hint = f"free some there, {way}, then run the same command again"
    return (f"{what}, and {said}" if what else said), hint


@contextmanager
def machine_explained() -> Iterator[None]:
    """Let an error of the operating system leave as what `of_the_machine` makes of it, where it knows it."""
    try:
        yield
    except OSError as error:
        known = of_the_machine(error)
        if known is None:
            raise
        raise known from error


def of_the_machine(error: OSError) -> ToolError | None:
    """Explain what no command can foresee: a full disk, a file that may not be written; None for the rest."""
    known = _MENDABLE.get(error.errno or 0)
    if known is None:
        return None
    message, hint = known
    # The file itself, or the folder in which it could not be made.
    name = error.filename if isinstance(error.filename, str) else None
    place = name if name is None or os.path.lexists(name) else os.path.dirname(name) or "."  # noqa: PTH120
    owner = _other_owner(place) if place is not None and known is _NO_PERMISSION else None
    found = ToolError(
        message,
        context=[str(error.filename)] if error.filename else [],
        hint=(hint if owner is None else f"let its owner {owner} run `chmod g+rwX {{place}}`").format(
            place="FILE" if place is None else shlex.quote(place)
        ),
    )
    found.__cause__ = error
    return found


def _other_owner(place: str) -> str | None:
    """Name the owner of a file who could share it with this user: another member of the file's group."""
    import pwd

    try:
        info = os.lstat(place)
        if info.st_uid == os.geteuid() or info.st_gid not in (os.getegid(), *os.getgroups()):
            return None
        return f"'{pwd.getpwuid(info.st_uid).pw_name}'"
    except KeyError:
        return f"'{info.st_uid}'"
    except OSError:
        return None


def is_full_disk(error: BaseException) -> bool:
    """Whether an error, or what caused it, says that the disk is full; SQLite has its own name for that."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if getattr(cause, "sqlite_errorname", "") == "SQLITE_FULL":
            return True
        cause = cause.__cause__ or cause.__context__
    return False
