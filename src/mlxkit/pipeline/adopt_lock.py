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
    counted = {one.source.name: one for one in converted if one.source.is_fresh}
    unproven = _unproven(root, counted, definitions)
    renamed: dict[str, tuple[str, Entry]] = {}
    notes = []
    for name, one in counted.items():
        entry = None if unproven[name] else _entry(root, one, definitions[one.stage.name], params)
        if entry is not None:
            renamed[name] = one.stage.name, entry
            continue
        why = (
            f"code that DVC did not track: {', '.join(unproven[name])}"
            if unproven[name]
            else "what is not here"
        )
        notes.append(f"'{one.stage.name}' runs once more, since it depends on {why}")
    known: dict[str, Entry] = pipeline.lock.get("stages", {})
    entries = dict(renamed.get(name, (name, entry)) for name, entry in known.items())
    lock = {**pipeline.lock, "stages": entries} if entries else dict(pipeline.lock)
    return CarriedOver(lock, tuple(name for name, _ in renamed.values()), tuple(notes))


def _unproven(
    root: Path, counted: Mapping[str, Converted], definitions: Mapping[str, Definition]
) -> dict[str, list[str]]:
    """Return each stage's new dependencies of which nobody knows that they were the same when it ran."""
    added = {}
    for name, one in counted.items():
        known = {*one.source.inputs, *one.source.params}
        added[name] = [path for path in definitions[one.stage.name].deps if path not in known]
    commits = recorded_in(root, [name for name, paths in added.items() if paths])
    return {
        name: [path for path in paths if (c := commits[name]) is None or not is_unchanged(root, c, path)]
        for name, paths in added.items()
    }


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
