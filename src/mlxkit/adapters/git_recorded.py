"""When a stage's result was committed to dvc.lock, and whether a file is as it was then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from mlxkit.adapters import git
from mlxkit.adapters.git_commits import has_file, text_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LOCK_FILE = "dvc.lock"
_MOST_COMMITS = 200


def is_unchanged(root: Path, commit: str, path: str) -> bool:
    """Whether a file is here as it was in a commit."""
    same = ("--literal-pathspecs", "diff", "--quiet", "--no-ext-diff", commit, "--", path)
    return has_file(root, commit, path) and git.ask(root, *same) is not None


def recorded_in(root: Path, stages: Sequence[str]) -> dict[str, str | None]:
    """Return for each stage the commit in which its entry in dvc.lock became what it is; None for unknown."""
    found: dict[str, str | None] = dict.fromkeys(stages)
    file = root / _LOCK_FILE
    now = _entries(file.read_text(encoding="utf-8") if file.is_file() else "")
    open_ = set(stages)
    commits = (git.ask(root, "log", f"-{_MOST_COMMITS}", "--format=%H", "--", _LOCK_FILE) or "").split()
    for commit in commits if stages else ():
        then = _entries(text_at(root, commit, _LOCK_FILE) or "")
        open_ = {name for name in open_ if name in now and then.get(name) == now[name]}
        found |= dict.fromkeys(open_, commit)
        if not open_:
            return found
    shallow = (git.ask(root, "rev-parse", "--is-shallow-repository") or "").strip() == "true"
    # Of those that the last of these commits has, an older one may have been the first.
    return {**found, **dict.fromkeys(open_)} if shallow or len(commits) == _MOST_COMMITS else found


def _entries(text: str) -> Mapping[str, Any]:
    """Return what a dvc.lock says of each stage; nothing where it is damaged."""
    try:
        stages = yaml.load(text, Loader=_LOADER)["stages"]
    except (yaml.YAMLError, KeyError, TypeError):
        return {}
    return stages if isinstance(stages, dict) else {}
