"""`mlx lineage`: what a model was made of, back to the raw data, and where it went.

All of it is what the model's run recorded on its day; today's workspace is not asked.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import git_commits, mlflow_run_files, mlflow_runs
from mlxkit.adapters.mlflow_tracking import RESTORED_FROM
from mlxkit.errors import MlxError
from mlxkit.pipeline.record_job import MODEL_HASH
from mlxkit.registry.data_origin import Origin, origin_of
from mlxkit.registry.history import history
from mlxkit.registry.recorded import recorded_config, recorded_lock
from mlxkit.registry.stores import store_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlxkit.adapters.git_commits import Commit
    from mlxkit.adapters.mlflow_runs import Run
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.pipeline.lockfile import Locked
    from mlxkit.project.models import Project
    from mlxkit.registry.history import Entry
    from mlxkit.registry.named_model import NamedModel


@dataclass(frozen=True)
class Data:
    """A file or folder that a stage read; `made_by` is the stage that made it, None for raw data."""

    path: str
    digest: str
    made_by: str | None


@dataclass(frozen=True)
class Step:
    """One stage, as it was when the model was trained.

    Attributes:
        runs: the function or the command that it is.
        code: its own files that the project has.
    """

    name: str
    runs: str
    inputs: tuple[Data, ...]
    params: Mapping[str, Any]
    code: tuple[str, ...]


@dataclass(frozen=True)
class RawData:
    """Data that no stage made; `origin` is None where nothing tells how it is kept."""

    path: str
    digest: str
    size: int | None
    origin: Origin | None


@dataclass(frozen=True)
class Machine:
    """Where a model was trained; None is what was not recorded."""

    target: str | None = None
    host: str | None = None
    platform: str | None = None
    python: str | None = None
    gpu: str | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lineage:
    """Where a model came from, and where it went.

    Attributes:
        commit: None when it is not recorded, or this repository does not have it.
        changed: files with uncommitted changes at that time.
        steps: the stage that trained it first, then those that its inputs come from.
        promotions: the oldest first.
        notes: what is not known, or does not fit together.
    """

    named: NamedModel
    commit: Commit | None
    changed: tuple[str, ...]
    machine: Machine
    steps: tuple[Step, ...]
    raw: tuple[RawData, ...]
    promotions: tuple[Entry, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the document of `mlx lineage --json`."""
        run, version = self.named.run, self.named.version
        return {
            "model": version.model if version else None,
            "version": version.version if version else None,
            "aliases": list(version.aliases) if version else [],
            "run": None
            if run is None
            else {
                "id": run.id,
                "name": run.name,
                "status": run.status,
                "started": run.started.isoformat(),
                "environment": run.environment,
            },
            "commit": run.commit if run else None,
            "subject": self.commit.subject if self.commit else None,
            "author": self.commit.author if self.commit else None,
            "dirty": run.dirty if run else None,
            "changed_files": list(self.changed),
            "params": dict(run.params) if run else {},
            "machine": asdict(self.machine),
            "stages": [asdict(step) for step in self.steps],
            "raw_data": [asdict(data) for data in self.raw],
            "promotions": [entry.to_json() for entry in self.promotions],
            "notes": list(self.notes),
        }


def lineage(project: Project, named: NamedModel) -> Lineage:
    """Trace a model back to its raw data, and on to its promotions."""
    run = named.run
    lock, config = recorded_lock(named), recorded_config(named)
    steps = tuple(_steps(config, lock, named)) if lock is not None else ()
    commit = git_commits.find_commit(project.root, run.commit) if run is not None and run.commit else None
    changed = run.tags.get("mlx.changed_files", "") if run is not None else ""
    promotions, unknown = _promotions(project, named)
    return Lineage(
        named=named,
        commit=commit,
        changed=tuple(filter(None, changed.split(", "))),
        machine=machine_of(run),
        steps=steps,
        raw=tuple(_raw(project, named, steps, commit)),
        promotions=promotions,
        notes=(*_notes(named, lock, steps, commit), *unknown),
    )


def machine_of(run: Run | None) -> Machine:
    """Return where a run trained, as its tags say."""
    if run is None:
        return Machine()
    tags = run.tags
    try:
        libraries = json.loads(tags.get("mlx.versions", "{}"))
    except ValueError:
        libraries = {}
    return Machine(
        target=tags.get("mlx.target"),
        host=tags.get("mlx.train_host") or tags.get("mlx.host"),
        platform=tags.get("mlx.platform"),
        python=tags.get("mlx.python"),
        gpu=tags.get("mlx.gpu"),
        libraries=libraries if isinstance(libraries, dict) else {},
    )


def _promotions(project: Project, named: NamedModel) -> tuple[tuple[Entry, ...], list[str]]:
    """Return each change that gave an environment this model, the oldest first, and what is not known of it.

    A model that was carried to another registry is known by its run there.
    """
    version = named.version
    found: list[Entry] = []
    notes = []
    for environment in project.environments.values():
        try:
            store = store_of(project, environment)
            entries = history(project, store, environment.name)
            run_ids = named.run_ids | _carried(project, named, store)
        except MlxError as error:
            notes.append(f"the promotions to '{environment.name}' are not known: {error.message}")
            continue
        for entry in entries:
            same = store == named.store and version is not None and entry.version == version.version
            run_id = entry.record.run_id if entry.record is not None else None
            if same or run_id in run_ids:
                found.append(entry)
    return tuple(sorted(found, key=_when)), notes


def _carried(project: Project, named: NamedModel, store: Store) -> set[str]:
    """Return the ids that the run has in another store, where it was carried there."""
    if named.run is None or store == named.store:
        return set()
    origin = {RESTORED_FROM: named.run.tags.get(RESTORED_FROM) or named.run.id}
    return {run.id for run in mlflow_runs.find_runs(store, project.name, tags=origin)}


def _when(entry: Entry) -> tuple[bool, float]:
    return entry.since is None, entry.since.timestamp() if entry.since is not None else 0.0


def _steps(config: Mapping[str, Any], lock: Mapping[str, Locked], named: NamedModel) -> Iterator[Step]:
    """Yield the stage that trained the model, and every stage that its inputs come from."""
    makers = {path: name for name, locked in lock.items() for path in locked.outs}
    stages = config.get("stages")
    known = stages if isinstance(stages, dict) else {}
    trained = _train_stage(known, lock, named)
    waiting = [trained] if trained is not None else []
    seen: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        step = _step(name, lock[name], known.get(name), makers)
        yield step
        waiting += [data.made_by for data in step.inputs if data.made_by is not None]


def _step(name: str, locked: Locked, given: Any, makers: Mapping[str, str]) -> Step:
    stage = given if isinstance(given, dict) else {}
    inputs = stage.get("inputs")
    paths = inputs.values() if isinstance(inputs, dict) else inputs or ()
    named = {str(path).rstrip("/") for path in paths}
    # Without the run's mlx.yaml, what ends in .py and no stage made is taken for code.
    data = [p for p in locked.deps if p in named or p in makers or (not named and not p.endswith(".py"))]
    return Step(
        name=name,
        runs=str(stage.get("call") or stage.get("cmd") or locked.cmd),
        inputs=tuple(Data(path, locked.deps[path], makers.get(path)) for path in data),
        params=dict(locked.params),
        code=tuple(path for path in locked.deps if path not in data),
    )


def _train_stage(known: Mapping[str, Any], lock: Mapping[str, Locked], named: NamedModel) -> str | None:
    """Return the stage that made the model: by the model's hash, else by its kind."""
    digest = named.run.tags.get(MODEL_HASH) if named.run is not None else None
    made = next((name for name, locked in lock.items() if digest and digest in locked.outs.values()), None)
    kinds = {name: stage.get("kind") for name, stage in known.items() if isinstance(stage, dict)}
    by_kind = next((name for name, kind in kinds.items() if kind == "train"), "train")
    return made or (by_kind if by_kind in lock else None)


def _raw(
    project: Project, named: NamedModel, steps: tuple[Step, ...], commit: Commit | None
) -> Iterator[RawData]:
    """Yield what the stages read and none of them made; without a dvc.lock what the run itself recorded."""
    if named.run is None:
        return
    recorded = {data.path: data for data in mlflow_run_files.data_inputs(named.store, named.run.id)}
    found = {data.path: data.digest for step in steps for data in step.inputs if data.made_by is None}
    if not steps:
        found = {path: data.digest for path, data in recorded.items()}
    for path, digest in found.items():
        size = recorded[path].size if path in recorded else None
        origin = origin_of(project.root, commit.id if commit is not None else None, path, digest)
        yield RawData(path, digest, size, origin)


def _notes(
    named: NamedModel, lock: Mapping[str, Locked] | None, steps: tuple[Step, ...], commit: Commit | None
) -> Iterator[str]:
    run = named.run
    if run is None:
        gone = "its run is deleted" if named.run_id else "it was registered without a run"
        yield f"{gone}, so nothing tells what it was made of"
        return
    if not run.commit:
        yield "its run recorded no commit"
    elif commit is None:
        yield f"this repository does not have the commit {run.commit[:12]}"
    if lock is None:
        yield "its run keeps no dvc.lock, so only the inputs of the training are known"
    elif not steps:
        yield "the dvc.lock of its run names no stage that trained it"
    digest = run.tags.get(MODEL_HASH)
    if digest and lock is not None and all(digest not in locked.outs.values() for locked in lock.values()):
        yield "the dvc.lock of its run holds another model"
    made_from = {data.path: data.digest for step in steps for data in step.inputs}
    for data in mlflow_run_files.data_inputs(named.store, run.id):
        if made_from.get(data.path, data.digest) != data.digest:
            says = f"its dvc.lock says {made_from[data.path][:8]}"
            yield f"its run read '{data.path}' as {data.digest[:8]}, and {says}"
