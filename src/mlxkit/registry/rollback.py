"""Back to the model that an environment had before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import mlflow_registry, mlflow_runs
from mlxkit.adapters.mlflow_model import load_model
from mlxkit.errors import MlxError, Refused, UsageError
from mlxkit.registry.contest import Contender, Rows
from mlxkit.registry.history import history
from mlxkit.registry.move import Move, move
from mlxkit.registry.versions import find_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas import DataFrame

    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Environment, Project
    from mlxkit.registry.history import Entry

_TRIED_ROWS = 100


@dataclass(frozen=True)
class Rollback:
    """What came of a rollback.

    Attributes:
        version: that the environment has now; `before` is the one that it had.
        record: number of the record; None where there was nothing to do.
        tried: how many rows the old model predicted before the alias was moved.
        note: why there was nothing to do, for people.
    """

    rolled_back: bool
    model: str
    environment: str
    version: str
    before: str | None
    record: int | None = None
    tried: int = 0
    note: str = ""
    hints: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the document of `mlx rollback --json`."""
        document = {key: value for key, value in asdict(self).items() if key != "note"}
        return {**document, "hints": list(self.hints)}


def roll_back(
    project: Project,
    store: Store,
    environment: Environment,
    *,
    by: str,
    rows: Callable[[], DataFrame] | None,
    to: str | None = None,
    reason: str = "",
) -> Rollback:
    """Give an environment the version that it had before, once that has shown that it still predicts.

    Args:
        project: the project.
        store: where its models are registered.
        environment: whose alias is moved.
        by: who does it.
        rows: loads rows for the old model to predict; None where there are none.
        to: a version; default: the one before the current one.
        reason: in the user's own words.

    Raises:
        Refused: there is no version to go back to, or the old model does not work any more.
        UsageError: there is no such version, or the environment never had it.
    """
    entries = history(project, store, environment.name)
    now = mlflow_registry.champion(store, project.name, environment.name)
    wanted = _wanted(project, store, environment, entries, now, to)
    if isinstance(wanted, str):
        assert now is not None
        return Rollback(False, project.name, environment.name, now.version, now.version, note=wanted)
    tried = _try(project, store, environment, wanted, rows)
    run = mlflow_runs.get_run(store, wanted.run_id) if wanted.run_id else None
    moved = move(project, store, Move(environment, "rolled back", wanted, now, run, by, reason=reason))
    return Rollback(
        True,
        project.name,
        environment.name,
        wanted.version,
        now.version if now else None,
        record=moved.record.number,
        tried=tried,
        hints=tuple(moved.notes),
    )


def _wanted(
    project: Project,
    store: Store,
    environment: Environment,
    entries: tuple[Entry, ...],
    now: Version | None,
    to: str | None,
) -> Version | str:
    """Return the version to go back to, or why there is nothing to do."""
    name = environment.name
    if to is not None:
        version = find_version(store, project.name, to)
        if now is not None and version.version == now.version:
            return f"version {now.version} is the champion of '{name}' already"
        if not any(entry.version == version.version for entry in entries if entry.is_change):
            raise UsageError(
                f"'{name}' never had version {version.version}",
                hint=f"run `mlx promote --to {name} --run {version.run_id}`, which asks the gates",
            )
        return version
    last = next((entry for entry in reversed(entries) if entry.is_change), None)
    if last is None:
        raise Refused(f"'{name}' has had no model yet", hint=f"run `mlx promote --to {name}`")
    if last.what == "rolled back" and now is not None:
        return (
            f"'{name}' was rolled back already, from version {last.before} to {last.version}; "
            f"to go further back, name a version: `mlx rollback --env {name} --to VERSION`"
        )
    if last.before is None:
        raise Refused(
            f"version {last.version} is the first one that '{name}' has had",
            hint=f"run `mlx models --env {name}`, then `mlx promote --to {name} --run ID`",
        )
    try:
        return find_version(store, project.name, last.before)
    except UsageError as error:
        raise Refused(
            f"version {last.before}, which '{name}' had before, is not in the registry any more",
            hint=_others(project, store, entries, now, name),
        ) from error


def _others(
    project: Project, store: Store, entries: tuple[Entry, ...], now: Version | None, name: str
) -> str:
    """Return what brings back an older version that is still there."""
    there = {version.version for version in mlflow_registry.versions(store, project.name)}
    there -= {now.version} if now is not None else set()
    had = (entry.version for entry in reversed(entries) if entry.is_change)
    other = next((version for version in had if version in there), None)
    if other is None:
        return f"run `mlx models --env {name}`, then `mlx promote --to {name} --run ID`"
    return f"run `mlx rollback --env {name} --to {other}`"


def _try(
    project: Project,
    store: Store,
    environment: Environment,
    version: Version,
    rows: Callable[[], DataFrame] | None,
) -> int:
    """Load the old model, and let it predict some rows; returns how many.

    Raises:
        Refused: it cannot be loaded, or does not predict.
    """
    sample = _sample(rows)
    try:
        directory = mlflow_registry.download(store, version)
        if sample is None:
            load_model(directory)
            return 0
        Contender.of(project, directory, {}, Rows(sample))
    except Exception as error:  # whatever the model's own code raises
        said = error.message if isinstance(error, MlxError) else f"{type(error).__name__}: {error}"
        raise Refused(
            f"version {version.version} does not work any more, so nothing was changed",
            context=[said, *(error.context if isinstance(error, MlxError) else ())],
            hint=f"run `mlx rollback --env {environment.name} --to VERSION` with another one",
        ) from error
    return len(sample)


def _sample(rows: Callable[[], DataFrame] | None) -> DataFrame | None:
    """Load some rows; a clone that has no data must be able to go back, too."""
    try:
        return None if rows is None else rows().head(_TRIED_ROWS)
    except MlxError:
        return None
