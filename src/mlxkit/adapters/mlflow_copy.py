"""Runs carried from one store to another: what a store did not take while it was away."""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import mlflow_registry, mlflow_runs, mlflow_store
from mlxkit.adapters.mlflow_logged_model import log_model
from mlxkit.adapters.mlflow_moved import ARTIFACTS
from mlxkit.adapters.mlflow_store import Store, connect, talking
from mlxkit.adapters.mlflow_tracking import (
    COMPLETES,
    ENVIRONMENT,
    RESTORED_FROM,
    close_abandoned,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mlflow import MlflowClient

_BATCH = 1000
"""Metrics that MLflow takes at once."""


def count(source: Store) -> int:
    """Return how many runs wait in a store, without making it."""
    if source.database is None or not source.database.exists():
        return 0
    with talking(source, "read the runs that wait to be recorded"):
        return len(_runs(connect(source)))


def sync(source: Store, target: Store, experiment: str, environments: Collection[str]) -> tuple[str, ...]:
    """Carry the ended runs of some environments from `source` to `target`, and return their ids there.

    What was carried is gone from `source`. Killed in the middle, it begins that run anew the next time.
    """
    if source.uri == target.uri or not count(source):
        return ()
    close_abandoned(source, experiment)
    carried = []
    with talking(target, "record runs in MLflow"):
        ours, theirs = connect(source), connect(target)
        experiment_id = mlflow_store.experiment_id(theirs, target, experiment)
        for run in _runs(ours):
            if run.info.status == "RUNNING" or run.data.tags.get(ENVIRONMENT) not in environments:
                continue
            known = _carried_before(theirs, run, experiment_id)
            carried.append(known or _carry(source, run, target, experiment_id))
            ours.delete_run(run.info.run_id)
        left = len(_runs(ours))
    if not left:
        shutil.rmtree(source.root, ignore_errors=True)
    return tuple(carried)


def _runs(client: MlflowClient) -> list[Any]:
    experiments = [found.experiment_id for found in client.search_experiments()]
    return list(client.search_runs(experiments, order_by=["attributes.start_time ASC"]))


def carry(source: Store, target: Store, experiment: str, run_id: str) -> str:
    """Carry one ended run, with its model, to another store, and return its id there; the source keeps it.

    What was carried before is not carried again.
    """
    with talking(target, f"carry the run '{run_id}' from {source}"):
        theirs = connect(target)
        experiment_id = mlflow_store.experiment_id(theirs, target, experiment)
        run = connect(source).get_run(run_id)
        return _carried_before(theirs, run, experiment_id) or _carry(source, run, target, experiment_id)


def _carry(source: Store, run: Any, target: Store, experiment_id: str) -> str:
    """Carry one run; it completes the run that it names, where the target has that one."""
    ours, theirs = connect(source), connect(target)
    run_id = _begin(theirs, run, target, experiment_id)
    _log(theirs, run_id, params=run.data.params, tags=_own_tags(run))
    _log_history(ours, run, theirs, run_id, of_model=_carry_models(source, run, target, run_id))
    if run.inputs.dataset_inputs:
        theirs.log_inputs(run_id, datasets=run.inputs.dataset_inputs)
    _log_artifacts(ours, run, theirs, run_id)
    theirs.set_terminated(run_id, run.info.status, run.info.end_time)
    return run_id


def _log(theirs: MlflowClient, run_id: str, *, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
    from mlflow.entities import Param, RunTag

    theirs.log_batch(
        run_id,
        params=[Param(key, value) for key, value in params.items()],
        tags=[RunTag(key, value) for key, value in tags.items()],
        synchronous=True,
    )


def _log_history(
    ours: MlflowClient,
    run: Any,
    theirs: MlflowClient,
    run_id: str,
    *,
    of_model: Mapping[tuple[Any, ...], str],
) -> None:
    """Log all values of a run; `of_model` tells to which model one belongs."""
    from mlflow.entities import Metric

    metrics = [
        Metric(entry.key, entry.value, entry.timestamp, entry.step, model_id=of_model.get(_identity(entry)))
        for key in run.data.metrics
        for entry in ours.get_metric_history(run.info.run_id, key)
    ]
    for start in range(0, len(metrics), _BATCH):
        theirs.log_batch(run_id, metrics=metrics[start : start + _BATCH], synchronous=True)


def _log_artifacts(ours: MlflowClient, run: Any, theirs: MlflowClient, run_id: str) -> None:
    with tempfile.TemporaryDirectory(prefix="mlx-carry-") as folder:
        if ours.list_artifacts(run.info.run_id):
            theirs.log_artifacts(run_id, ours.download_artifacts(run.info.run_id, "", folder))


def merge(source: Store, target: Store, run_id: str) -> None:
    """Add what stands in `source`, where a training logged elsewhere, to a run of `target`.

    What that has already is not added again, so it may be done twice.
    """
    with talking(target, "record what the training logged in MLflow"):
        from mlflow import MlflowClient

        # Not `connect`, which would refuse a store that was moved: this one was, and only its table is read.
        ours, theirs = MlflowClient(tracking_uri=source.uri), connect(target)
        for run in _runs(ours):
            known = theirs.get_run(run_id).data.params
            tags = run.data.tags.items()
            own = {key: value for key, value in tags if not key.startswith(("mlflow.", "mlx."))}
            _log(
                theirs, run_id, params={k: v for k, v in run.data.params.items() if k not in known}, tags=own
            )
            _log_history(ours, run, theirs, run_id, of_model={})
            if run.inputs.dataset_inputs:
                theirs.log_inputs(run_id, datasets=run.inputs.dataset_inputs)
            # The paths in that store are those of the machine that it was made on.
            for folder in source.root.glob(f"{ARTIFACTS}/*/{run.info.run_id}/artifacts"):
                if any(folder.iterdir()):
                    theirs.log_artifacts(run_id, str(folder))


def _carried_before(theirs: MlflowClient, run: Any, experiment_id: str) -> str | None:
    """Return the copy of a run that was whole, and only not yet gone from here, when an earlier try ended."""
    whole = (one for one in _twins(theirs, run, experiment_id) if one.info.status != "RUNNING")
    return next((str(one.info.run_id) for one in whole), None)


def _twins(theirs: MlflowClient, run: Any, experiment_id: str) -> list[Any]:
    """Find the copies of a run, half or whole; a model restored from it elsewhere began at another time."""
    found = theirs.search_runs([experiment_id], f"tags.`{RESTORED_FROM}` = '{_origin(run)}'")
    return [one for one in found if one.info.start_time == run.info.start_time]


def _begin(theirs: MlflowClient, run: Any, target: Store, experiment_id: str) -> str:
    """Return the run to write to; one that an earlier try left half-written is removed."""
    completed = run.data.tags.get(COMPLETES, "")
    if completed and mlflow_runs.run_exists(target, completed):
        return str(completed)
    for one in _twins(theirs, run, experiment_id):
        theirs.delete_run(one.info.run_id)
    made = theirs.create_run(
        experiment_id,
        start_time=run.info.start_time,
        tags={RESTORED_FROM: _origin(run)},
        run_name=run.info.run_name,
    )
    return str(made.info.run_id)


def _origin(run: Any) -> str:
    """Return the id of the run that trained: a run that was carried here may go on to a third store."""
    return str(run.data.tags.get(RESTORED_FROM) or run.info.run_id)


def _own_tags(run: Any) -> dict[str, str]:
    return {key: value for key, value in run.data.tags.items() if key not in (COMPLETES, "mlflow.runName")}


def _carry_models(source: Store, run: Any, target: Store, run_id: str) -> dict[tuple[Any, ...], str]:
    """Carry the models of a run; returns for each metric of a model the model's new id."""
    of_model: dict[tuple[Any, ...], str] = {}
    for model in mlflow_runs.ready_models(connect(source), run):
        folder = mlflow_registry.download_model(source, model.model_id)
        model_id = log_model(target, run_id, folder, name=model.name)
        of_model |= {_identity(entry): model_id for entry in model.metrics or ()}
    return of_model


def _identity(entry: Any) -> tuple[Any, ...]:
    return entry.key, entry.value, entry.timestamp, entry.step
