"""Which stages are out of date, and because of what: dvc.lock against the files, without DVC.

A path that is not in the workspace counts by the hash that dvc.lock (or its `.dvc` file) records, so that
a machine without the data can still ask. What a stage's output folder held counts as unchanged where the
cache is not here either, as for `dvc repro --allow-missing`. Of what is recorded in a way that `lockfile`
does not call plain, DVC itself says how it compares, and is imported only then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from mlxkit.adapters.lazy_dvc import LazyDvc
from mlxkit.pipeline.dvc_yaml import DVC_FILE, Definition, define
from mlxkit.pipeline.graph import select, upstream
from mlxkit.pipeline.hashing import Hasher, hash_listing
from mlxkit.pipeline.lockfile import (
    LOCK_FILE,
    Locked,
    Tracked,
    cache_folder,
    object_exists,
    read_listing,
    read_lock,
    tracked_data,
)
from mlxkit.pipeline.reasons import definition_reasons, parameter_reasons
from mlxkit.project.models import PARAMS_FILE, Project
from mlxkit.project.params import read_params

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlxkit.adapters.dvc import Dvc
    from mlxkit.adapters.dvc_answers import StageAnswer

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

    def __init__(self, project: Project, dvc: Callable[[], Dvc] | None = None) -> None:
        """Read dvc.lock; `dvc` gives the repository where somebody has opened it."""
        self._project = project
        self._own = LazyDvc(project.root)
        self._dvc: Callable[[], Dvc] = dvc or self._own
        """For what mlx does not read itself."""
        self.definitions = define(project)
        self._hasher = Hasher(project.root, project.state_dir / "memo.json")
        self._cache = cache_folder(project.root)
        self._params = read_params(project.root)
        self._lock = read_lock(project.root)
        self._made = {path for definition in self.definitions.values() for path in definition.outputs}

    def reload(self) -> None:
        """Read dvc.lock again, after a stage was committed."""
        self._lock = read_lock(self._project.root)

    def save(self) -> None:
        """Keep what was hashed for the next call, and close DVC if it was opened here."""
        self._hasher.save()
        self._own.close()

    @property
    def locked(self) -> Mapping[str, Locked]:
        """What dvc.lock says now."""
        return self._lock

    def is_here(self, path: str) -> bool:
        """Whether the workspace has a path, whatever its content."""
        return self._hasher.is_here(path)

    def is_unsaved(self, data: Tracked) -> bool:
        """Whether tracked data is here in a version that DVC does not keep, or its source has a newer one."""
        if not data.plain:
            return self._dvc().is_unsaved(data.dvc_file)
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
        answer = None if locked.plain else self._dvc().compare(name, definition.files)
        reasons = [
            *definition_reasons(definition, locked),
            *self._dependency_reasons(definition, locked, answer),
            *parameter_reasons(definition, locked, self._params),
        ]
        if answer is not None and answer.redefined and definition.cmd == locked.cmd:
            reasons.append("its command changed")
        current, missing = not reasons, []
        for path in definition.made:
            here = self._hasher.hash(path)
            if here is None and (answer is None or path not in answer.changed):
                missing.append(path)
            elif path in locked.outs:
                cached = path in definition.outputs
                reasons += self._output_reasons(path, here, locked.outs[path], answer, cached=cached)
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
        record = self._record(path)
        if record is None or (record.path == path and record.digest):
            return record.digest if record else None
        inner = path.removeprefix(record.path).removeprefix("/")
        listing = self._listing(record)
        if inner in listing:
            return listing[inner]
        above = f"{inner}/" if inner else ""
        below = [
            {"md5": digest, "relpath": name.removeprefix(above)}
            for name, digest in listing.items()
            if name.startswith(above)
        ]
        return hash_listing(below) if below else None

    def _record(self, path: str) -> Tracked | None:
        """Find what is on record of a path, or of a folder above it."""
        # Stages that are gone or have another name by now stay in dvc.lock: they come last, the newest first.
        gone = [name for name in self._lock if name not in self.definitions]
        known = [name for name in (*self.definitions, *reversed(gone)) if name in self._lock]
        for place in (path, *map(str, PurePosixPath(path).parents)):
            name = next((name for name in known if place in self._lock[name].outs), None)
            if name is not None:
                plain = self._lock[name].plain or name in gone
                return Tracked(LOCK_FILE, place, self._lock[name].outs[place], plain, maker=name)
        return tracked_data(self._project.root, path)

    def _listing(self, record: Tracked) -> dict[str, str]:
        """Return relative path -> hash of the files in a folder, empty when nothing here knows them."""
        if record.plain:
            return read_listing(self._cache, record.digest)
        if record.maker is not None:
            definition = self.definitions[record.maker]
            return self._dvc().stage_listing(record.maker, definition.files, record.path)
        return self._dvc().listing(record.dvc_file, record.path)

    def _unlisted_folder(self, path: str) -> Tracked | None:
        """Find the folder above a path that is not here, and of which nothing here lists the files."""
        record = self._record(path)
        if record is None or record.path == path or self.is_here(record.path) or self._listing(record):
            return None
        return record

    def _dependency_reasons(
        self, definition: Definition, locked: Locked, answer: StageAnswer | None
    ) -> list[str]:
        reasons = []
        for path in definition.deps:
            kind = "code" if path in definition.code else "input"
            if path not in locked.deps:
                reasons.append(f"new {kind} {path}")
                continue
            here = self.hash_of(path)
            folder = self._unlisted_folder(path) if here is None else None
            if folder is not None and folder.maker in self.definitions:
                continue  # a run makes the folder or brings it back, and looks again
            changed = here != locked.deps[path]
            if answer is not None and self.is_here(path):
                changed = path in answer.changed
            if folder is not None:
                reasons.append(f"{kind} {path} is missing, and so is DVC's listing of {folder.path}")
            elif here is None:
                reasons.append(f"{kind} {path} is missing")
            elif changed:
                reasons.append(f"{kind} {path} changed")
        reasons += [f"{path} is no longer read" for path in locked.deps if path not in definition.deps]
        reasons += [
            f"the source of {path} changed" for path in definition.inputs if self._has_new_source(path)
        ]
        return reasons

    def _has_new_source(self, path: str) -> bool:
        """Whether DVC tracks a path as an import that is not frozen, and its source changed."""
        if path in self._made:
            return False
        data = tracked_data(self._project.root, path)
        return data is not None and not data.settled and self._dvc().has_new_source(data.dvc_file)

    def _output_reasons(
        self, path: str, here: str | None, known: str, answer: StageAnswer | None, *, cached: bool
    ) -> list[str]:
        """Compare an output that is here, or that has no hash on record; `cached` unless it is a metric."""
        if answer is not None:
            differs, lost = path in answer.changed, path in answer.lost
        else:
            differs, lost = here != known, cached and not object_exists(self._cache, known)
        if differs:
            return [f"{path} differs from dvc.lock"]
        return [f"{path} is not in the cache"] if lost else []
