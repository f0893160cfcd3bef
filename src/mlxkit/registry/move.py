"""The one way in which mlx moves an alias: one at a time, with a record, consistent wherever it is killed.

The record is written first, without the mark that says that the alias was moved. What was killed before that
is no change, and the next command for the same version finishes it.
"""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import git, git_tags, mlflow_registry, mlflow_run_files, mlflow_tracking
from mlxkit.errors import LockTimeout, Refused
from mlxkit.pipeline.lock import held
from mlxkit.project.environments import is_strict
from mlxkit.registry.git_records import git_records, tag_prefix
from mlxkit.registry.records import PromotionRecord, done_tag, records_in, tag_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_runs import Run
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Environment, Project
    from mlxkit.registry.records import Action

_PATIENCE_SECONDS = 60.0
_TRIES = 20
"""Numbers that are tried; one step leads past all that git knows, so that more than two are hardly needed."""
_AT_ONCE = timedelta(minutes=2)
"""What was begun so short a time ago may still be going on."""


@dataclass(frozen=True)
class Move:
    """A change of an environment's alias that somebody wants.

    Attributes:
        before: the version that the alias named when this was decided.
        run: that trained the version; None where the store does not know it.
    """

    environment: Environment
    action: Action
    version: Version
    before: Version | None
    run: Run | None
    by: str
    reason: str = ""
    gates: tuple[Mapping[str, Any], ...] = ()
    approved_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moved:
    """The record of a change, and what people should know beside it."""

    record: PromotionRecord
    notes: list[str] = field(default_factory=list)


def move(project: Project, store: Store, wanted: Move) -> Moved:
    """Move the alias of an environment, and write down that.

    Raises:
        Refused: the alias names another version by now than when this was decided.
        LockTimeout: somebody else changes an alias of this store, and does not come to an end.
    """
    with alone(store):
        known = records_in(mlflow_registry.versions(store, project.name))
        # After the records were read: who has counted a change has also seen where it moved the alias.
        _check_unchanged(project, store, wanted)
        moved = _written(project, store, wanted, _record(project, store, wanted, known), known)
        record = moved.record
        if record.run_id is not None:
            text = _text(record)
            mlflow_tracking.log_text(store, record.run_id, text, record.artifact)
        mlflow_registry.set_alias(store, project.name, wanted.environment.name, wanted.version.version)
        mlflow_registry.set_version_tags(store, wanted.version, done_tag(record, _now()))
    return replace(moved, record=replace(record, done=True))


def _now() -> datetime:
    """Return the time as records have it, to the millisecond."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _text(record: PromotionRecord) -> str:
    import json

    return json.dumps(record.to_json(), indent=2, ensure_ascii=False)


@contextmanager
def alone(store: Store) -> Iterator[None]:
    """Let nobody else in this project change an alias, nor on this machine where the store is a SQLite file.

    Other users of a server are met at the git remote.
    """
    path = _lock_of(store)
    refusal = LockTimeout(
        "another promotion to this store does not end", context=[str(path)], hint="wait for it, or end it"
    )
    with held(path, until=time.monotonic() + _PATIENCE_SECONDS, refusal=refusal):
        yield


def _lock_of(store: Store) -> Path:
    database = store.models.database
    if database is None or database.parent == store.root:
        return store.root / ".mlx" / "promote.lock"
    return database.with_name(f".{database.name}.promote.lock")


def _check_unchanged(project: Project, store: Store, wanted: Move) -> None:
    name = wanted.environment.name
    now = mlflow_registry.champion(store, project.name, name)
    if (now and now.version) != (wanted.before and wanted.before.version):
        command = f"promote --to {name}" if wanted.action == "promoted" else f"history --env {name}"
        raise Refused(
            f"the champion of '{name}' changed while this model was judged",
            context=[f"it is version {now.version} now" if now else "it has none now"],
            hint=f"run `mlx {command}`",
        )


def _record(
    project: Project, store: Store, wanted: Move, known: tuple[PromotionRecord, ...]
) -> PromotionRecord:
    """Return a new record, or the one of a change like this that was never finished."""
    name, before = wanted.environment.name, wanted.before.version if wanted.before else None
    ours = [record for record in known if record.environment == name]
    left = ours[-1] if ours and not ours[-1].done else None
    same = (wanted.version.version, before, wanted.action)
    if left is not None and (left.version, left.before, left.action) == same:
        return replace(
            left,
            by=wanted.by,
            at=_now(),
            gates=wanted.gates,
            reason=wanted.reason,
            approved_by=wanted.approved_by,
        )
    # One that is not finished may be somebody's who is at it right now: that is found out at the git remote.
    open_ones = {record.id for record in ours if not record.done}
    tagged = [record for record in git_records(project, name) if record.id not in open_ones]
    numbers = [record.number for record in (*ours, *tagged) if record.id not in open_ones]
    run = wanted.run
    return PromotionRecord(
        id=uuid.uuid4().hex,
        number=max(numbers, default=0) + 1,
        environment=name,
        action=wanted.action,
        model=project.name,
        version=wanted.version.version,
        before=before,
        by=wanted.by,
        at=_now(),
        run_id=run.id if run is not None else None,
        commit=run.commit if run is not None else None,
        dirty=run.dirty if run is not None else False,
        data=_data(store, run) if run is not None else {},
        gates=wanted.gates,
        reason=wanted.reason,
        registry=mlflow_registry.registry_id(store, project.name),
        approved_by=wanted.approved_by,
    )


def _data(store: Store, run: Run) -> dict[str, str]:
    """Return what a run read, whoever logged it: path -> hash."""
    return {data.path: data.digest for data in mlflow_run_files.data_inputs(store, run.id)}


def _written(
    project: Project,
    store: Store,
    wanted: Move,
    record: PromotionRecord,
    known: tuple[PromotionRecord, ...],
) -> Moved:
    """Write a record to the registry and to git; where git knows its number already, under another one."""
    root = project.root
    for left in reversed(range(_TRIES)):
        mlflow_registry.set_version_tags(store, wanted.version, {record.key: tag_text(record)})
        outcome, remote = _tag(project, wanted, record)
        if outcome.state != "taken" or not left:
            break
        mlflow_registry.delete_version_tag(store, wanted.version, record.key)
        if remote is not None:
            git_tags.delete_tag(root, _tag_name(project, record))
            git_tags.fetch_tags(root, remote, tag_prefix(project, record.environment))
        try:
            record = _renumbered(project, record, known)
        except Refused:  # whose record stood there is at it now
            begun = {one.key: tag_text(one) for one in known if one.id == record.id}
            mlflow_registry.set_version_tags(store, wanted.version, begun)
            raise
    if outcome.state == "ok":
        return Moved(record)
    name = _tag_name(project, record)
    if remote is None:
        return Moved(record, [f"no git tag was made: {outcome.reason}"])
    return Moved(record, [f"the tag was not pushed ({outcome.reason}): run `git push {remote} {name}`"])


def _tag(project: Project, wanted: Move, record: PromotionRecord) -> tuple[git_tags.Done, str | None]:
    """Tag a record in git, and push it where others work with the same environment."""
    root, name = project.root, _tag_name(project, record)
    if git.top_level(root) is None:
        return git_tags.Done("ok"), None
    if not any(known.id == record.id for known in git_records(project, record.environment)):
        made = git_tags.make_tag(root, name, record.subject(), _text(record), record.commit)
        if made.state != "ok":
            return made, None
    remote = git_tags.remote_of(root) if is_strict(project, wanted.environment) else None
    return (git_tags.push_tag(root, remote, name) if remote else git_tags.Done("ok")), remote


def _tag_name(project: Project, record: PromotionRecord) -> str:
    return f"{tag_prefix(project, record.environment)}/{record.number:04}"


def _renumbered(
    project: Project, record: PromotionRecord, known: tuple[PromotionRecord, ...]
) -> PromotionRecord:
    """Return a record with the next number that git does not know.

    Raises:
        Refused: it was somebody else who changed the same alias of the same registry at this moment.
    """
    others = git_records(project, record.environment)
    rival = next((other for other in others if other.number == record.number), None)
    if rival is not None and rival.registry == record.registry:
        dead = any(other.id == rival.id and not other.done for other in known)
        if not dead or record.at - rival.at < _AT_ONCE:
            raise Refused(
                f"{rival.by} changes the champion of '{record.environment}' at the same time",
                context=[rival.subject()],
                hint=f"run `mlx history --env {record.environment}`; where that did not end, "
                "run the same command again in two minutes",
            )
    return replace(record, number=max([record.number, *(other.number for other in others)]) + 1)
