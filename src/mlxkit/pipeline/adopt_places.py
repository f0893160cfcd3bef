"""Where `mlx init --adopt` writes: the folder, what is in the way there, and what git ignores."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.adapters import git
from mlxkit.adapters.git_way_back import ignored
from mlxkit.errors import ToolError, UsageError
from mlxkit.pipeline.staged import Change, content_of, is_blocked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlxkit.scaffold.request import Request

_IGNORE_FILE = ".gitignore"
_IGNORED = {"/.mlx/": ".mlx/x", "/mlflow.db*": "mlflow.db", "/mlruns/": "mlruns/x", ".env": ".env"}
"""Lines of .gitignore, each with a path that it is for."""


def folder_of(request: Request) -> Path:
    """Return the folder to adopt; UsageError when there is none."""
    root = Path(os.path.abspath(request.folder))  # noqa: PTH100 - resolve() would follow a link
    if not root.is_dir():
        raise UsageError(
            f"there is no folder '{request.folder}' to adopt",
            hint="name the folder of your repository: `mlx init --adopt DIR`",
        )
    return root


def is_below(root: Path) -> bool:
    """Whether the folder lies in a repository, and is not its root."""
    top = git.top_level(root)
    return top is not None and top.resolve() != root.resolve()


def check_places(root: Path, paths: Sequence[str], request: Request) -> None:
    """Raise UsageError when something is where a file will be, ToolError when a folder may not be written."""
    blocked = [path for path in paths if is_blocked(root / path) and not (root / path).is_file()]
    if blocked:
        raise UsageError(
            "something is in the way of a new file, and nothing was written",
            context=blocked,
            hint=f"move it away, then {request.hint()}",
        )
    check_writable(root, paths)


def check_writable(root: Path, paths: Sequence[str]) -> None:
    """Raise ToolError when a folder may not be written."""
    for path in paths:
        folder = next(parent for parent in (root / path).parents if parent.is_dir())
        if not os.access(folder, os.W_OK):
            raise ToolError(
                "a folder may not be written, and nothing was",
                context=[str(folder)],
                hint=f"look at owner and permissions with `ls -ld {folder}`",
            )


def ignoring(root: Path) -> list[Change]:
    """Return .gitignore with the lines at its end that it lacks for what mlx writes."""
    before = content_of(root / _IGNORE_FILE)
    text = (before or b"").decode("utf-8", "surrogateescape")
    known = set(text.splitlines())
    covered = ignored(root, list(_IGNORED.values()))
    lines = [line for line, path in _IGNORED.items() if line not in known and path not in covered]
    if not lines:
        return []
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    after = f"{text}{gap}# tracking and state of mlx\n" + "".join(f"{line}\n" for line in lines)
    return [Change(_IGNORE_FILE, before, after.encode("utf-8", "surrogateescape"))]


def files_of(root: Path) -> list[str]:
    """Return the files that git tracks or would; without a repository all that are not hidden."""
    listed = git.files(root)
    if listed is not None:
        return listed
    return [
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]


def notes_on_git(root: Path) -> list[str]:
    """Say what the user should know about git."""
    if not git.is_installed():
        return ["git is not installed; mlx works without it, but git is the way back"]
    return (
        []
        if git.top_level(root) is not None
        else ["this is no git repository; run `git init`, or work without"]
    )
