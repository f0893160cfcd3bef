"""Carry over what DVC calls fresh: dvc.lock as if mlx.yaml had been there when the results were made.

mlx tracks more than a dvc.yaml by hand says: modules that a script imports, whole groups of parameters. Of
code that is new in an entry of dvc.lock, git must know that it was the same when the stage ran.
"""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.git_recorded import is_unchanged, recorded_in
from mlxkit.project.models import PARAMS_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mlxkit.adapters.dvc_pipeline import Pipeline
    from mlxkit.pipeline.adopt_stages import Converted
    from mlxkit.pipeline.dvc_yaml import Definition
    from mlxkit.project.params import Params

Entry = dict[str, Any]


@dataclass(frozen=True)
class CarriedOver:
    """What becomes of dvc.lock.

    Attributes:
        lock: its new content.
        fresh: stages whose results count.
        notes: why others run once more.
    """

    lock: Mapping[str, Any]
    fresh: tuple[str, ...]
    notes: tuple[str, ...]


def carry_over(
    root: Path,
    pipeline: Pipeline,
    converted: Sequence[Converted],
    definitions: Mapping[str, Definition],
    params: Params,
) -> CarriedOver:
    """Work out dvc.lock for the new dvc.yaml; results that DVC itself calls stale stay so."""
    entries: dict[str, Any] = dict(pipeline.lock.get("stages", {}))
    fresh, notes = [], []
    for one in converted:
        if not one.source.is_fresh:
            continue
        old, definition = entries[one.source.name], definitions[one.stage.name]
        missing = _unproven(root, one, definition)
        entry = None if missing else _entry(root, one, definition, params)
        if entry is None:
            why = f"which DVC did not track: {', '.join(missing)}" if missing else "which is not here"
            notes.append(f"'{one.stage.name}' runs once more, since it depends on code {why}")
            continue
        fresh.append(one.stage.name)
        if one.stage.name != one.source.name or entry != old:
            entries = {
                (one.stage.name if name == one.source.name else name): entry
                if name == one.source.name
                else known
                for name, known in entries.items()
            }
    lock = {**pipeline.lock, "stages": entries} if entries else dict(pipeline.lock)
    return CarriedOver(lock, tuple(fresh), tuple(notes))


def _unproven(root: Path, one: Converted, definition: Definition) -> list[str]:
    """Return new dependencies of which nobody knows that they were the same when the stage ran."""
    known = {*one.source.inputs, *one.source.params}
    added = [path for path in definition.deps if path not in known]
    commit = recorded_in(root, one.source.name) if added else None
    return [path for path in added if commit is None or not is_unchanged(root, commit, path)]


def _entry(root: Path, one: Converted, definition: Definition, params: Params) -> Entry | None:
    """Return a stage's entry for what mlx tracks; None where a file is missing."""
    old = one.source.locked or {}
    deps = {_placed(one, dep): dep for dep in old.get("deps", [])}
    outs = {_placed(one, out): out for out in old.get("outs", [])}
    found = [_at(path, deps.get(path)) or _hashed(root, path) for path in definition.deps]
    made = [_at(path, outs.get(path)) for path in sorted(definition.made)]
    if None in found or None in made:
        return None
    groups = {group: params[group] for group in sorted(definition.params)}
    values = {"deps": found, "params": {PARAMS_FILE: groups} if groups else {}, "outs": made}
    return {"cmd": definition.cmd, **{key: value for key, value in values.items() if value}}


def _placed(one: Converted, item: Mapping[str, Any]) -> str:
    """Return a path of dvc.lock, where it stands as seen from the stage's folder, as seen from the root."""
    return posixpath.normpath(posixpath.join(one.source.folder, item["path"]))


def _at(path: str, item: Mapping[str, Any] | None) -> Entry | None:
    return None if item is None else {**item, "path": path}


def _hashed(root: Path, path: str) -> Entry | None:
    try:
        content = (root / path).read_bytes()
    except OSError:
        return None
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return {"path": path, "hash": "md5", "md5": digest, "size": len(content)}
