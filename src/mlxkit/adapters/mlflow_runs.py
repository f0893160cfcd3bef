"""Runs as they are read: found, listed, asked for their model."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.mlflow_errors import error_code
from mlxkit.adapters.mlflow_store import Store, connect, talking
from mlxkit.adapters.mlflow_tracking import COMMIT, DIRTY, ENVIRONMENT, MEMORY, MODEL, SECONDS
from mlxkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient

_SHOWN = 5


@dataclass(frozen=True)
class Run:
    """One recorded run.

    Attributes:
        status: RUNNING, FINISHED, FAILED or KILLED.
        seconds: from start to end; None while it runs.
        commit: None when it was not recorded.
        metrics: without what the stages took, which is in `stage_seconds` and `stage_memory_mb`.
    """

    id: str
    name: str
    started: datetime
    status: str
    seconds: float | None
    commit: str | None
    dirty: bool
    environment: str | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    stage_memory_mb: Mapping[str, float] = field(default_factory=dict)


def find_runs(
    store: Store, experiment: str, *, limit: int = 20, tags: Mapping[str, str] | None = None
) -> tuple[Run, ...]:
    """Return the newest runs of an experiment that carry all of `tags`, newest first."""
    conditions = [f"tags.`{key}` = '{_literal(value)}'" for key, value in (tags or {}).items()]
    return _search(store, experiment, " AND ".join(conditions), limit)


def get_run(store: Store, run_id: str) -> Run | None:
    """Return the run with that full id, or None when the store does not know it."""
    with talking(store, f"read the run '{run_id}' from MLflow"):
        found = _get(connect(store), run_id)
    return None if found is None or found.info.lifecycle_stage != "active" else _run(found)


def run_exists(store: Store, run_id: str) -> bool:
    """Whether the store knows the run."""
    return get_run(store, run_id) is not None


def find_run(store: Store, experiment: str, which: str) -> Run:
    """Return the run with that id, start of an id, or name.

    Raises:
        UsageError: there is none, or more than one.
    """
    found = runs_named(store, experiment, which)
    if len(found) == 1:
        return found[0]
    if found:
        raise ambiguous(which, found)
    raise UsageError(f"there is no run '{which}'", context=[f"store: {store}"], hint="run `mlx runs`")


def runs_named(store: Store, experiment: str, which: str, *, deleted: bool = False) -> tuple[Run, ...]:
    """Return the runs with that id, else that start of an id, else that name; `deleted` ones instead."""
    exact = None if deleted else get_run(store, which)
    if exact is not None:
        return (exact,)
    text = _literal(which)
    if not text:
        return ()
    by_id = _search(store, experiment, f"attributes.run_id LIKE '{text}%'", _SHOWN, deleted=deleted)
    return by_id or _search(store, experiment, f"attributes.run_name = '{text}'", _SHOWN, deleted=deleted)


def ambiguous(which: str, found: tuple[Run, ...]) -> UsageError:
    """Say that a name means more than one run."""
    return UsageError(
        f"more than one run is called '{which}'",
        context=[f"{run.id}  {run.started:%Y-%m-%d %H:%M}  {run.name}" for run in found],
        hint="give more of the run's id",
    )


def logged_model(store: Store, run_id: str) -> str | None:
    """Return the id of the run's model: the one that mlx logged, else the only one that there is."""
    with talking(store, f"read the run '{run_id}' from MLflow"):
        client = connect(store)
        run = _get(client, run_id)
        usable = [] if run is None else ready_models(client, run)
    ours = [model for model in usable if MODEL in model.tags]
    if ours:
        return str(ours[-1].model_id)
    return str(usable[0].model_id) if len(usable) == 1 else None


def ready_models(client: MlflowClient, run: Any) -> list[Any]:
    """Return the complete models of a run as MLflow's entities; a run lists deleted ones too."""
    listed = run.outputs.model_outputs if run.outputs else ()
    models = [_logged_model(client, output.model_id) for output in listed]
    return [model for model in models if model is not None and str(model.status) == "READY"]


def _search(
    store: Store, experiment: str, filter_string: str, limit: int, *, deleted: bool = False
) -> tuple[Run, ...]:
    with talking(store, f"list the runs of '{experiment}' in MLflow"):
        from mlflow.entities import ViewType

        client = connect(store)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return ()
        view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
        runs = client.search_runs([found.experiment_id], filter_string, view, max_results=limit)
    return tuple(_run(run) for run in runs)


def _get(client: MlflowClient, run_id: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        # A text that can be no run id is refused by the client itself.
        if error_code(error) in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _logged_model(client: MlflowClient, model_id: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_logged_model(model_id)
    except MlflowException as error:
        if error_code(error) == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _run(run: Any) -> Run:
    info, data = run.info, run.data
    values = dict(data.metrics)
    return Run(
        id=info.run_id,
        name=info.run_name,
        started=datetime.fromtimestamp(info.start_time / 1000, UTC),
        status=info.status,
        seconds=None if info.end_time is None else (info.end_time - info.start_time) / 1000,
        commit=data.tags.get(COMMIT),
        dirty=data.tags.get(DIRTY) == "true",
        environment=data.tags.get(ENVIRONMENT),
        metrics={key: value for key, value in values.items() if not key.startswith((SECONDS, MEMORY))},
        params=dict(data.params),
        tags=dict(data.tags),
        stage_seconds=_of_stages(values, SECONDS),
        stage_memory_mb=_of_stages(values, MEMORY),
    )


def _of_stages(values: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _literal(text: str) -> str:
    return text.replace("'", "")
