"""Runs as they are written: opened, filled, closed, with their data."""

from __future__ import annotations

import getpass
import json
import math
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlxkit.adapters import mlflow_store
from mlxkit.adapters.mlflow_names import name_of, named
from mlxkit.adapters.mlflow_store import Store, connect, talking
from mlxkit.adapters.process import Process, is_alive, this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mlflow import MlflowClient

Status = Literal["FINISHED", "FAILED", "KILLED"]

COMMIT = "mlflow.source.git.commit"
BRANCH = "mlflow.source.git.branch"
DIRTY = "mlx.dirty"
ENVIRONMENT = "mlx.environment"
RESTORED_FROM = "mlx.restored_from"
COMPLETES = "mlx.completes"
MODEL = "mlx.model"
EVALUATED_ON = "mlx.evaluation_data"
"""Hash of the rows that a run's metrics are from, as DVC counts it."""
TARGET, LOCAL = "mlx.target", "local"
SECONDS, MEMORY = "seconds/", "max_memory_mb/"

_PID, _HOST, _STARTED, _NAMESPACE = "mlx.pid", "mlx.host", "mlx.process", "mlx.pid_namespace"
_MAX_PARAM, _MAX_TAG, _BATCH = 6000, 8000, 1000


@dataclass(frozen=True)
class DatasetInput:
    """Data that a run read, named by what DVC knows of it; the data itself is not looked at.

    Attributes:
        path: relative to the project's root.
        digest: DVC's hash: md5, with `.dir` for a folder.
        size: in bytes.
    """

    name: str
    path: str
    digest: str
    size: int | None = None
    context: str = "training"


@dataclass(frozen=True)
class StageUse:
    """What a stage took: wall time in seconds, and its largest resident set in bytes."""

    seconds: float
    max_memory: int


def prepare(store: Store, experiment: str) -> None:
    """Make the store and the experiment, where they do not exist yet."""
    with talking(store, "record the run in MLflow"):
        mlflow_store.experiment_id(connect(store), store, experiment)


def open_run(
    store: Store,
    experiment: str,
    *,
    name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    metrics: Mapping[str, Any] | None = None,
    datasets: Sequence[DatasetInput] = (),
    owner: Process | None = None,
) -> str:
    """Create a run of status RUNNING that belongs to `owner`, by default this process, and return its id.

    One whose tags name another machine belongs to no process here.
    `params` holds the groups of params.yaml; nested keys are joined by dots, here and in `metrics`, which are
    known before the run begins. Texts that are too long for MLflow are cut.
    """
    flat = {name: _cut(value, _MAX_PARAM) for name, value in named(params).items()}
    with talking(store, "record the run in MLflow"):
        from mlflow.entities import Param

        client = connect(store)
        experiment_id = mlflow_store.experiment_id(client, store, experiment)
        standard = _standard_tags(None if tags.get(TARGET, LOCAL) != LOCAL else owner or this_process())
        run = client.create_run(experiment_id, tags={**standard, **_tags(tags)}, run_name=name)
        run_id = str(run.info.run_id)
        client.log_batch(run_id, params=[Param(key, value) for key, value in flat.items()], synchronous=True)
        if metrics:
            _log_metrics(client, run_id, dict(_numbers(metrics)), None)
        if datasets:
            client.log_inputs(run_id, datasets=[_dataset(dataset) for dataset in datasets])
    return run_id


def close_run(
    store: Store,
    run_id: str,
    *,
    status: Status,
    metrics: Mapping[str, Any] | None = None,
    artifacts: Sequence[Path] = (),
    stages: Mapping[str, StageUse] | None = None,
    model_id: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log what the run made, and end it.

    Nested metrics become `baseline.roc_auc`, and belong to the model too; what a stage took becomes
    `seconds/STAGE` and `max_memory_mb/STAGE`. `tags` come last: they say that all of it is there.
    """
    values = _numbers(metrics or {})
    with talking(store, f"record the run '{run_id}' in MLflow"):
        client = connect(store)
        _log_metrics(client, run_id, values, model_id)
        _log_metrics(client, run_id, dict(_used(stages or {})), None)
        for path in artifacts:
            if path.is_dir():
                client.log_artifacts(run_id, str(path), artifact_path=path.name)
            else:
                client.log_artifact(run_id, str(path))
        if tags:
            set_tags(store, run_id, tags)
        client.set_terminated(run_id, status)


def log_metrics(store: Store, run_id: str, metrics: Mapping[str, Any]) -> None:
    """Add metrics to a run."""
    with talking(store, f"record metrics of the run '{run_id}' in MLflow"):
        _log_metrics(connect(store), run_id, _numbers(metrics), None)


def log_values(store: Store, run_id: str, values: Sequence[tuple[str, float | None, int, int]]) -> None:
    """Add values that were logged elsewhere: key, value (None for NaN), milliseconds since the epoch, step.

    What the run has already is not added again.
    """
    from mlflow.entities import Metric

    entries = [Metric(key, math.nan if value is None else value, at, step) for key, value, at, step in values]
    with talking(store, f"record values of the run '{run_id}' in MLflow"):
        client = connect(store)
        for start in range(0, len(entries), _BATCH):
            client.log_batch(run_id, metrics=entries[start : start + _BATCH], synchronous=True)


def log_artifacts(store: Store, run_id: str, paths: Sequence[Path]) -> None:
    """Add files to a run, in place of those of the same name."""
    with talking(store, f"add files to the run '{run_id}' in MLflow"):
        client = connect(store)
        for path in paths:
            client.log_artifact(run_id, str(path))


def log_text(store: Store, run_id: str, text: str, path: str) -> None:
    """Write a text among a run's artifacts."""
    with talking(store, f"write '{path}' to the run '{run_id}'"):
        connect(store).log_text(run_id, text, path)


def set_tags(store: Store, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run; values beyond 8000 characters are cut."""
    with talking(store, f"tag the run '{run_id}' in MLflow"):
        from mlflow.entities import RunTag

        entries = [RunTag(key, value) for key, value in _tags(tags).items()]
        connect(store).log_batch(run_id, tags=entries, synchronous=True)


def close_abandoned(
    store: Store, experiment: str, alive: Callable[[Process], bool] = is_alive
) -> tuple[str, ...]:
    """Close as KILLED the RUNNING runs whose process is gone, and return their ids."""
    with talking(store, "close abandoned runs in MLflow"):
        client = connect(store)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return ()
        running = client.search_runs(
            [found.experiment_id], f"attributes.status = 'RUNNING' AND tags.`{_PID}` LIKE '%'"
        )
        dead = [run.info.run_id for run in running if not alive(_owner(run.data.tags))]
        for run_id in dead:
            client.set_terminated(run_id, "KILLED")
    return tuple(dead)


def _log_metrics(
    client: MlflowClient, run_id: str, metrics: Mapping[str, float], model_id: str | None
) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    entries = [Metric(key, value, now, 0, model_id=model_id) for key, value in metrics.items()]
    client.log_batch(run_id, metrics=entries, synchronous=True)


def _dataset(dataset: DatasetInput) -> Any:
    from mlflow import entities

    profile = None if dataset.size is None else json.dumps({"bytes": dataset.size})
    return entities.DatasetInput(
        entities.Dataset(
            name=dataset.name,
            digest=dataset.digest[:36],
            source_type="local",
            source=json.dumps({"uri": dataset.path}),
            profile=profile,
        ),
        tags=[entities.InputTag("mlflow.data.context", dataset.context)],
    )


def _standard_tags(process: Process | None) -> dict[str, str]:
    tags = {"mlflow.user": user_name(), "mlflow.source.name": "mlx run", "mlflow.source.type": "LOCAL"}
    if process is None:
        return tags
    return {
        **tags,
        _HOST: process.host,
        _PID: str(process.pid),
        _STARTED: process.started,
        _NAMESPACE: process.namespace,
    }


def user_name() -> str:
    """Return who runs this process: the name, else the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that no name belongs to
        return str(os.getuid())


def _owner(tags: Mapping[str, str]) -> Process:
    started, namespace = tags.get(_STARTED, ""), tags.get(_NAMESPACE, "")
    return Process(tags.get(_HOST, ""), int(tags[_PID]), started, namespace)


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in named(metrics).items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _used(stages: Mapping[str, StageUse]) -> Iterator[tuple[str, float]]:
    for name, use in stages.items():
        yield name_of(f"{SECONDS}{name}"), use.seconds
        if use.max_memory:
            yield name_of(f"{MEMORY}{name}"), round(use.max_memory / 2**20, 1)


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {name_of(key): _cut(value, _MAX_TAG) for key, value in tags.items()}


def _cut(value: object, length: int) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= length else f"{text[: length - 1]}…"
