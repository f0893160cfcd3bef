"""How much lies on the disk, and since when nobody has touched it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Weight:
    """What a file, or a folder with all its files, weighs.

    Attributes:
        size: bytes that its deletion frees: a file with a second name elsewhere frees none.
        changed: time stamp of the last time that any of it was written, linked or moved.
    """

    size: int
    changed: float


def weight(path: Path) -> Weight:
    """Weigh a file or a folder; a symbolic link counts as itself.

    Raises:
        OSError: some of it cannot be read.
    """
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode):
        return weight_of(info)
    weights = [weight_of(entry) for entry in _files(path)]
    if not weights:
        return Weight(0, weight_of(info).changed)
    return Weight(sum(one.size for one in weights), max(one.changed for one in weights))


def weight_of(info: os.stat_result) -> Weight:
    """Weigh a file by its stat. A link made lately counts: DVC may have taken over a file that is old."""
    size = info.st_size if info.st_nlink == 1 else 0
    return Weight(size, max(info.st_mtime, info.st_ctime))


def _files(folder: Path) -> Iterator[os.stat_result]:
    for parent, _, names in os.walk(folder, onerror=_raise):
        for name in names:
            with suppress(FileNotFoundError):
                yield Path(parent, name).lstat()


def _raise(error: OSError) -> None:
    raise error
