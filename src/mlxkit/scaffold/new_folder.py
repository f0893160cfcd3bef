"""Put a new project in place in one step, or leave nothing."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a hidden folder beside the goal to write into; at the end move it there, or leave nothing."""
    _remove_abandoned(folder)
    unfinished = folder.with_name(f".{folder.name}.init-{os.getpid()}")
    try:
        unfinished.mkdir()
        yield unfinished
        unfinished.rename(folder)
    except OSError as error:
        raise ToolError(
            f"the project cannot be written to '{folder}': {error.strerror or error}",
            hint=f"run `df -h {folder.parent}`",
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove what a killed `mlx init` of the same folder left behind."""
    for left in folder.parent.glob(f".{folder.name}.init-*"):
        if not _alive(left.name.rpartition("-")[2]):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
