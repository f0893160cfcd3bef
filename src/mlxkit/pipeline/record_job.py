"""The part of the record that talks to MLflow; it runs in a process of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import (
    mlflow_copy,
    mlflow_logged_model,
    mlflow_registry,
    mlflow_runs,
    mlflow_store,
    mlflow_tracking,
)
from mlxkit.adapters.mlflow_tracking import DatasetInput, StageUse
from mlxkit.adapters.process import Process
from mlxkit.errors import MlxError, ToolError, machine_explained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.adapters.mlflow_runs import Run
    from mlxkit.adapters.mlflow_store import Store

MODEL_HASH = "mlx.model_hash"
"""Tag of a run: DVC's hash of its model, which a commit's dvc.lock must hold before it may go upwards."""


def record(request: Mapping[str, Any]) -> dict[str, Any]:
    """Do one step; a failure that mlx can explain comes back as plain values."""
    actions = {
        "prepare": _prepare,
        "open": _open,
        "log_model": _log_model,
        "close": _close,
        "complete": _complete,
        "champion": _champion,
        "attach": _attach,
        "keep": _keep,
        "live": _live,
        "merge": _merge,
    }
    try:
        with machine_explained():
            root, registry = Path(request["store_root"]), request.get("registry")
            store = mlflow_store.resolve(root, request["tracking"], registry)
            return actions[request["action"]](store, request)
    except MlxError as error:
        return {"error": {"message": error.message, "context": list(error.context), "hint": error.hint}}


def _prepare(store: Store, request: Mapping[str, Any]) -> dict[str, Any]:
    """Make what the first run needs, before anybody waits for it."""
    mlflow_tracking.prepare(store, request["experiment"])
    mlflow_tracking.close_abandoned(store, request["experiment"])
    return {}


def _open(store: Store, request: Mapping[str, Any]) -> dict[str, Any]:
    return {"run_id": _create(store, request, request["tags"])}


def _create(store: Store, request: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    commit = tags.get(mlflow_tracking.COMMIT, "")
    return mlflow_tracking.open_run(
        store,
        request["experiment"],
        name=f"{request['experiment']}-{commit[:7]}" if commit else request["experiment"],
        params=request["params"],
        metrics=request["findings"],
        tags=tags,
        datasets=[DatasetInput(**dataset) for dataset in request["datasets"]],
        owner=Process(**request["owner"]),
    )


def _log_model(store: Store, request: Mapping[str, Any]) -> dict[str, Any]:
    model_id = mlflow_logged_model.log_model(store, request["run_id"], Path(request["model"]))
    return {"model_id": model_id, "model_hash": request["model_hash"]}


def _close(store: Store, request: Mapping[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="mlx-record-") as folder:
        texts = {Path(folder, name): text for name, text in request["texts"].items()}
        for file, text in texts.items():
            file.write_bytes(text.encode())
        mlflow_tracking.close_run(
            store,
            request["run_id"],
            status=request["status"],
            metrics=request["metrics"],
            artifacts=[*map(Path, [*request["artifacts"], *request["reports"]]), *texts],
            tags={
                **request.get("machine", {}),
                **_evaluated_on(request),
                **({MODEL_HASH: request["model_hash"]} if request.get("model_hash") else {}),
            },
            stages={name: StageUse(**use) for name, use in request["stages"].items()},
            model_id=request.get("model_id"),
        )
    return {"run_id": request["run_id"]}


def _evaluated_on(request: Mapping[str, Any]) -> dict[str, str]:
    digest = request.get("evaluated_on")
    return {mlflow_tracking.EVALUATED_ON: digest} if digest else {}


def _complete(store: Store, request: Mapping[str, Any]) -> dict[str, Any]:
    """Add new metrics to the run that trained the model, or make a run for a model from elsewhere."""
    waiting = mlflow_store.unrecorded(Path(request["root"]))
    mlflow_copy.sync(waiting, store, request["experiment"], request["environments"])
    completed = _completed(store, request)
    mlflow_tracking.close_abandoned(store, request["experiment"])
    return completed


def _completed(store: Store, request: Mapping[str, Any]) -> dict[str, Any]:
    known = run_of_model(store, request["experiment"], request["run_id"])
    # A training that enters the run with `with start_run()` ends it, long before its record is complete.
    if known is not None and known.status == "FINISHED" and MODEL_HASH in known.tags:
        mlflow_tracking.log_metrics(store, known.id, request["metrics"])
        mlflow_tracking.set_tags(store, known.id, _evaluated_on(request))
        mlflow_tracking.log_artifacts(store, known.id, [Path(path) for path in request["reports"]])
        return {"run_id": known.id}
    if known is not None:
        # mlx was killed, or the store failed, between the training and the end of its record.
        return _fill(store, {**request, "run_id": known.id})
    tags = {**request["tags"], mlflow_tracking.RESTORED_FROM: request["run_id"]}
    return _fill(store, {**request, "run_id": _create(store, request, tags)})


def _champion(store: Store, request: Mapping[str, Any]) -> dict[str, Any]:
    """Name the environment's champion and bring its files here; a failure is none of the record."""
    try:
        version = mlflow_registry.champion(store, request["experiment"], request["environment"])
        if version is None:
            return {"version": None}
    except ToolError:
        return {"version": None}
    found = {"version": version.version, "run_id": version.run_id, "environment": request["environment"]}
    try:
        return {**found, "directory": str(mlflow_registry.download(store, version)), "problem": None}
    except ToolError as error:
        return {**found, "directory": None, "problem": error.message}


def _attach(store: Store, request: Mapping[str, Any]) -> dict[str, Any]:
    """Add the report to a run that is complete."""
    mlflow_tracking.log_artifacts(store, request["run_id"], [Path(path) for path in request["reports"]])
    return {}


def _live(store: Store, request: Mapping[str, Any]) -> dict[str, Any]:
    """Add values that a training logs on another machine, while it does."""
    mlflow_tracking.log_values(store, request["run_id"], request["values"])
    return {}


def _merge(store: Store, request: Mapping[str, Any]) -> dict[str, Any]:
    """Add everything that a training logged on another machine, from the store that it logged to."""
    mlflow_copy.merge(mlflow_store.resolve(Path(request["logged"])), store, request["run_id"])
    return {}


def _keep(store: Store, request: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the record of a run that the project's own store does not take now, as a run of another one."""
    tags = {**request["tags"], mlflow_tracking.COMPLETES: request["run_id"]}
    return _fill(store, {**request, "run_id": _create(store, request, tags)})


def _fill(store: Store, request: Mapping[str, Any]) -> dict[str, Any]:
    logged = _log_model(store, request) if request["model"] else {}
    return _close(store, {**request, **logged})


def run_of_model(store: Store, experiment: str, recorded_id: str) -> Run | None:
    """Find the run that a model's record names: under its own id, or as one restored from it."""
    run = mlflow_runs.get_run(store, recorded_id)
    if run is not None:
        return run
    restored = mlflow_runs.find_runs(
        store, experiment, limit=1, tags={mlflow_tracking.RESTORED_FROM: recorded_id}
    )
    return restored[0] if restored else None
