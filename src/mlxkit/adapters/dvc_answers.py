"""What DVC itself says of a stage or a data file, whose record mlx does not read alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StageAnswer:
    """How a stage compares with dvc.lock.

    Attributes:
        redefined: whether its command is another one to DVC.
        changed: what is here and not as recorded, and outputs of which there is no record.
        lost: outputs that the cache lacks.
    """

    redefined: bool
    changed: frozenset[str]
    lost: frozenset[str]


def of_stage(stage: Any) -> StageAnswer:
    """Compare a stage with what it was filled with from dvc.lock."""
    deps = {dep.def_path for dep in stage.deps if dep.exists and dep.workspace_status()}
    outs = {out.def_path for out in stage.outs if not out.hash_info or _is_modified(out)}
    lost = {out.def_path for out in stage.outs if out.use_cache and out.changed_cache()}
    return StageAnswer(stage.cmd_changed, frozenset(deps | outs), frozenset(lost))


def is_unsaved(data: Any) -> bool:
    """Whether `dvc repro` would take data of a `.dvc` file over anew: data that is here, or its source."""
    return bool(
        data.is_partial_import
        or data.changed_stage()
        or has_new_source(data)
        or any(_is_modified(out) or _is_lost(out) for out in data.outs)
    )


def has_new_source(data: Any) -> bool:
    """Whether the source of an import that is not frozen changed, which may mean to ask a server."""
    return not data.frozen and any(dep.status() for dep in data.deps)


def listing(data: Any, path: str) -> dict[str, str]:
    """Return relative path -> hash of the files in a tracked folder; empty when nothing here knows them."""
    from dvc_data.hashfile.tree import Tree

    for out in data.outs:
        tree = out.get_obj() if out.fs_path == path else None
        if isinstance(tree, Tree):
            return {"/".join(parts): info.value for parts, _, info in tree if info is not None}
    return {}


def follows_source(data: Any) -> bool:
    """Whether it is an import that `dvc repro` brings up to date, or that was never downloaded."""
    return bool(data.is_partial_import or (data.is_import and not data.frozen))


def is_source_gone(data: Any) -> bool:
    """Whether the source of an import is not there; DVC itself says so of another repository."""
    return not data.is_repo_import and not data.deps[0].exists


def _is_modified(out: Any) -> bool:
    return bool(out.exists and out.workspace_status())


def _is_lost(out: Any) -> bool:
    return bool(out.exists and out.use_cache and out.changed_cache())
