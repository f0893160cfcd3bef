"""The folder of a new project: whether it may be made, and that it is there as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.errors import ToolError, UsageError
from mlxkit.scaffold.names import problem_with_name, suggest_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlxkit.scaffold.request import Request


def goal(request: Request) -> Path:
    """Return where the project will be; UsageError when its name or folder cannot be used."""
    folder = Path(os.path.abspath(request.folder))  # noqa: PTH100 - resolve() would follow a link to another name
    _check_name(folder.name, request)
    _check_folder(folder, request)
    return folder


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


def _check_name(name: str, request: Request) -> None:
    problem = problem_with_name(name)
    if problem is not None:
        raise UsageError(
            f"'{name}' cannot be a project's name: {problem}",
            hint=request.hint(folder=request.folder.parent / suggest_name(name)),
        )


def _check_folder(folder: Path, request: Request) -> None:
    another = request.folder.parent / f"{folder.name}-2"
    if folder == Path.cwd():
        raise UsageError(
            "a project gets a new folder, and this is the current one",
            hint=f"run `cd .. && {request.command(folder=another)}`{_or_adopt(folder, '')}",
        )
    if not folder.parent.is_dir():
        raise UsageError(
            f"there is no folder '{request.folder.parent}'", hint=f"run `mkdir -p {request.folder.parent}`"
        )
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"'{request.folder}' exists and is no folder", hint=request.hint(folder=another))
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(
            f"folder '{request.folder}' exists and is not empty",
            hint=f"{request.hint(folder=another)}{_or_adopt(folder, f' {request.folder}')}",
        )


def _or_adopt(folder: Path, named: str) -> str:
    """Say how what a folder holds can become a project, where there is anything in it."""
    return (
        f", or `mlx init --adopt{named}` to make a project of what is in it" if any(folder.iterdir()) else ""
    )


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
