"""What lies in a project, how much of it nothing needs, and the deletion of that."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEFAULT_DAYS = 14.0
"""As old as garbage must be unless the user says otherwise; git waits as long."""
TEMPORARY_DAYS = 1.0
"""After this long without a change, no live process is writing a temporary file."""
_DAY_SECONDS = 86400.0


@contextmanager
def readable(message: str) -> Iterator[None]:
    """Name the file that cannot be read; `message` says what that means.

    Raises:
        ToolError: there is such a file.
    """
    try:
        yield
    except OSError as error:
        raise ToolError(
            message, context=[str(error.filename)], hint=f"run `ls -ld '{error.filename}'`"
        ) from error


@dataclass(frozen=True)
class Age:
    """How old something must be before it counts as garbage: 0 days spare nothing."""

    days: float
    now: float

    def is_old(self, changed: float, *, at_least: float = 0.0) -> bool:
        """Whether a time stamp is at least that many days back."""
        days = max(self.days, at_least)
        return days <= 0 or changed <= self.now - days * _DAY_SECONDS


@dataclass(frozen=True)
class Waste:
    """One thing that nothing needs. `size`: the bytes that deleting it frees."""

    path: Path
    size: int


@dataclass(frozen=True)
class Heap:
    """All things of one kind in one place.

    Attributes:
        place: `workspace`, `cache`, `mlflow`, or the name of another machine.
        number, size: how many lie there, and the bytes that they take up for themselves.
        waste: those that nothing needs.
    """

    place: str
    kind: str
    number: int
    size: int
    waste: tuple[Waste, ...] = ()


@dataclass(frozen=True)
class Failure:
    """Something that could not be deleted, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Garbage:
    """What lies in a project, and what became of it.

    Attributes:
        older_than: in days.
        notes: what was left alone, and why, in sentences.
        deleted: what was deleted; empty when it was only looked at.
        failed: what could not be deleted.
    """

    older_than: float
    heaps: tuple[Heap, ...]
    notes: tuple[str, ...] = ()
    deleted: tuple[Waste, ...] = ()
    failed: tuple[Failure, ...] = ()

    @property
    def waste(self) -> tuple[Waste, ...]:
        """Everything that nothing needs."""
        return tuple(one for heap in self.heaps for one in heap.waste)


@dataclass
class Removal:
    """Deletes, goes on when something cannot be deleted, and keeps the record of both."""

    deleted: list[Waste] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    def remove(self, waste: Waste) -> bool:
        """Delete a file, or a folder with all that is in it; returns whether it is gone now."""
        try:
            if waste.path.is_dir() and not waste.path.is_symlink():
                shutil.rmtree(waste.path)
            else:
                waste.path.unlink()
        except FileNotFoundError:
            return True
        except OSError as error:
            return self.fail(waste.path, error)
        self.deleted.append(waste)
        return True

    def fail(self, path: Path, error: OSError) -> bool:
        """Note that something could not be deleted; returns False."""
        self.failed.append(Failure(path, (error.strerror or str(error)).lower()))
        return False
