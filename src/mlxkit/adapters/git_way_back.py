"""What git would do with files: bring them back as they are now, or ignore them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.adapters import git
from mlxkit.adapters.git_commits import has_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def uncommitted_of(root: Path, paths: Sequence[str]) -> list[str] | None:
    """Return those files of which HEAD has another content or none; None without a repository."""
    if git.top_level(root) is None:
        return None
    changed = set(git.uncommitted(root))
    return [path for path in paths if path in changed or not has_file(root, "HEAD", path)]


def ignored(root: Path, paths: Sequence[str]) -> set[str]:
    """Return those paths that git ignores; none without a repository."""
    listing = git.ask(root, "check-ignore", "--no-index", "-z", "--", *paths)
    return {path for path in (listing or "").split("\0") if path}
