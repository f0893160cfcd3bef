"""Which stages are out of date, and because of what: dvc.lock against the files, without DVC.

A path that is not in the workspace counts by the hash that dvc.lock (or its `.dvc` file) records, so that
a machine without the data can still ask.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlxkit.pipeline.dvc_yaml import DVC_FILE, Definition, define
from mlxkit.pipeline.graph import select, upstream
from mlxkit.pipeline.hashing import Hasher, hash_listing
from mlxkit.pipeline.lockfile import (
    Locked,
    Tracked,
    cache_folder,
    object_exists,
    read_listing,
    read_lock,
    tracked_data,
)
from mlxkit.project.models import PARAMS_FILE, Project
from mlxkit.project.params import Params, read_params

if TYPE_CHECKING:
    from collections.abc import Mapping

State = Literal["fresh", "stale", "never"]


@dataclass(frozen=True)
class StageState:
    """A stage's state and why.

    Attributes:
        reasons: what changed, in words; empty when fresh.
        missing: outputs that dvc.lock knows and the workspace lacks.
        current: whether command, inputs, code and parameters are those of dvc.lock, so that what it records
            is what the outputs have to be.
    """

    name: str
    state: State
    reasons: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    current: bool = False


class Staleness:
    """Compares stages with dvc.lock; `check` sees the files as they are at that moment."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.definitions = define(project)
        self._hasher = Hasher(project.root, project.state_dir / "memo.json")
        self._cache = cache_folder(project.root)
        self._params = read_params(project.root)
        self._lock = read_lock(project.root)

    def reload(self) -> None:
        """Read dvc.lock again, after a stage was committed."""
        self._lock = read_lock(self._project.root)

    def save(self) -> None:
        """Keep what was hashed for the next call."""
        self._hasher.save()

    @property
    def locked(self) -> Mapping[str, Locked]:
        """What dvc.lock says now."""
        return self._lock

    def is_here(self, path: str) -> bool:
        """Whether the workspace has a path, whatever its content."""
        return self._hasher.is_here(path)

    def is_unsaved(self, data: Tracked) -> bool:
        """Whether tracked data is here in a version that DVC does not keep."""
        here = self._hasher.hash(data.path)
        return here is not None and not (here == data.digest and object_exists(self._cache, here))

    def hash_of(self, path: str) -> str | None:
        """Return the hash of a path in the workspace, else the one on record."""
        return self._hasher.hash(path) or self._recorded(path)

    def dependency_hashes(self, name: str) -> dict[str, str | None]:
        """Hash everything that decides a result, as it is now: what a stage reads, parameters, dvc.yaml."""
        definition, params = self.definitions[name], read_params(self._project.root)
        found = {path: self.hash_of(path) for path in (*definition.deps, DVC_FILE)}
        values = {f"{PARAMS_FILE}: {group}": repr(params.get(group)) for group in definition.params}
        return {**found, **values}

    def check(self, name: str) -> StageState:
        """Compare one stage with dvc.lock, taking its inputs as they are."""
        definition, locked = self.definitions[name], self._lock.get(name)
        if locked is None:
            return StageState(name, "never", ("never run",))
        reasons = [
            *_definition_reasons(definition, locked),
            *self._dependency_reasons(definition, locked),
            *_parameter_reasons(definition, locked, self._params),
        ]
        current, missing = not reasons, []
        for path in (*definition.outputs, *definition.metrics):
            known, here = locked.outs.get(path, ""), self._hasher.hash(path)
            cached = path in definition.metrics or object_exists(self._cache, known)
            if here is None:
                missing.append(path)
            elif known and here != known:
                reasons.append(f"{path} differs from dvc.lock")
            elif known and not cached:
                reasons.append(f"{path} is not in the cache")
        return StageState(name, "stale" if reasons else "fresh", tuple(reasons), tuple(missing), current)

    def check_all(self, targets: tuple[str, ...] = ()) -> list[StageState]:
        """Compare stages in order; those behind a stale one are stale because of it."""
        above = upstream(self._project.stages)
        states: dict[str, StageState] = {}
        for name in select(self._project.stages, targets):
            state = self.check(name)
            behind = sorted(n for n in above[name] if states[n].state != "fresh")
            if behind and state.state != "never":
                after = f"after {', '.join(behind)}"
                state = StageState(name, "stale", (*state.reasons, after), state.missing)
            states[name] = state
        self.save()
        return list(states.values())

    def _recorded(self, path: str) -> str | None:
        for locked in self._lock.values():
            if path in locked.outs:
                return locked.outs[path]
        tracked = tracked_data(self._project.root, path)
        if tracked is None or tracked.path == path:
            return tracked.digest if tracked else None
        return self._recorded_inside(tracked, path)

    def _recorded_inside(self, tracked: Tracked, path: str) -> str | None:
        """Return the hash of a path in a tracked folder, from the folder's listing in the cache."""
        listing = read_listing(self._cache, tracked.digest)
        inner = path.removeprefix(f"{tracked.path}/")
        if inner in listing:
            return listing[inner]
        below = [
            {"md5": digest, "relpath": name.removeprefix(f"{inner}/")}
            for name, digest in listing.items()
            if name.startswith(f"{inner}/")
        ]
        return hash_listing(below) if below else None

    def _dependency_reasons(self, definition: Definition, locked: Locked) -> list[str]:
        reasons = []
        for path in definition.deps:
            kind = "code" if path in definition.code else "input"
            if path not in locked.deps:
                reasons.append(f"new {kind} {path}")
                continue
            here = self.hash_of(path)
            if here is None:
                reasons.append(f"{kind} {path} is missing")
            elif here != locked.deps[path]:
                reasons.append(f"{kind} {path} changed")
        reasons += [f"{path} is no longer read" for path in locked.deps if path not in definition.deps]
        return reasons


def _definition_reasons(definition: Definition, locked: Locked) -> list[str]:
    reasons = []
    if definition.cmd != locked.cmd:
        reasons.append(_describe_change(locked.cmd, definition.cmd))
    outputs = {*definition.outputs, *definition.metrics}
    reasons += [f"new output {path}" for path in sorted(outputs - set(locked.outs))]
    reasons += [f"{path} is no longer an output" for path in sorted(set(locked.outs) - outputs)]
    return reasons


def _describe_change(old: str, new: str) -> str:
    """Say which option of a stage's command changed."""
    try:
        before, after = _options(old), _options(new)
    except ValueError:
        return "its command changed"
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if not changed or "" in changed:
        return "its command changed"
    shown = changed[0]
    if shown not in after:
        what = f"definition changed: {shown} was removed"
    elif shown not in before:
        what = f"definition changed: {shown} is now '{after[shown]}'"
    else:
        what = f"definition changed: {shown} '{before[shown]}' -> '{after[shown]}'"
    return what if len(changed) == 1 else f"{what} and {len(changed) - 1} more"


def _options(command: str) -> dict[str, str]:
    """Read a command as option -> value; repeatable options count with their name part."""
    words = shlex.split(command)
    options: dict[str, str] = {"": " ".join(words[:3])}
    rest = words[3:]
    for option, value in zip(rest[::2], rest[1::2], strict=False):
        name, equals, text = value.partition("=")
        if option in ("--call", "--cmd", "--kind", "--package", "--params") or not equals:
            options[option.lstrip("-") if option != "--params" else f"params {value}"] = value
        else:
            options[f"{option.lstrip('-')} {name}"] = text
    return options


def _parameter_reasons(definition: Definition, locked: Locked, params: Params) -> list[str]:
    reasons = []
    for group in definition.params:
        if group not in locked.params:
            reasons.append(f"new parameters {group}")
        elif group not in params:
            reasons.append(f"{PARAMS_FILE} has no group '{group}'")
        else:
            reasons += _differences(group, locked.params[group], params[group])
    reasons += [
        f"parameters {group} are no longer used" for group in locked.params if group not in definition.params
    ]
    return reasons


def _differences(name: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted({*old, *new}, key=str):
            if key not in new:
                found.append(f"{name}.{key} was removed")
            elif key not in old:
                found.append(f"{name}.{key} is new")
            else:
                found += _differences(f"{name}.{key}", old[key], new[key])
        return found
    if type(old) is type(new) and (old == new or (old != old and new != new)):  # NaN differs from itself
        return []
    return [f"{name}: {old} -> {new}" if str(old) != str(new) else f"{name}: {old!r} -> {new!r}"]
