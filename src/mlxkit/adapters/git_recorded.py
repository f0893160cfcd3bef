"""When a stage's result was committed to dvc.lock, and whether a file is as it was then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from mlxkit.adapters import git
from mlxkit.adapters.git_commits import has_file, text_at

if TYPE_CHECKING:
    from pathlib import Path

_LOCK_FILE = "dvc.lock"
_MOST_COMMITS = 200


def is_unchanged(root: Path, commit: str, path: str) -> bool:
    """Whether a file is here as it was in a commit."""
    same = ("--literal-pathspecs", "diff", "--quiet", "--no-ext-diff", commit, "--", path)
    return has_file(root, commit, path) and git.ask(root, *same) is not None


def recorded_in(root: Path, stage: str) -> str | None:
    """Return the commit in which a stage's entry in dvc.lock became what it is now, None for unknown."""
    commits = (git.ask(root, "log", f"-{_MOST_COMMITS}", "--format=%H", "--", _LOCK_FILE) or "").split()
    file = root / _LOCK_FILE
    now = _entry(file.read_text(encoding="utf-8") if file.is_file() else "", stage)
    found = None
    for commit in commits:
        if _entry(text_at(root, commit, _LOCK_FILE) or "", stage) != now:
            return found
        found = commit
    shallow = (git.ask(root, "rev-parse", "--is-shallow-repository") or "").strip() == "true"
    return None if shallow or len(commits) == _MOST_COMMITS else found


def _entry(text: str, stage: str) -> Any:
    """Return what a dvc.lock says of a stage, None for nothing."""
    try:
        return yaml.safe_load(text)["stages"][stage]
    except (yaml.YAMLError, KeyError, TypeError):
        return None
