"""The model of a run, as MLflow keeps it: logged once, also when mlx is killed meanwhile."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.adapters.mlflow_model import MLMODEL, read_mlmodel, write_mlmodel
from mlxkit.adapters.mlflow_store import Store, connect, talking
from mlxkit.adapters.mlflow_tracking import MODEL

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def log_model(store: Store, run_id: str, directory: Path, *, name: str | None = None) -> str:
    """Give a run its model, from a model directory, and return the id of the logged model.

    `name` is that of the model in the run; by default the directory's.
    """
    with talking(store, f"record the model of the run '{run_id}' in MLflow"):
        return _log_model(connect(store), run_id, directory, name or directory.name)


def _log_model(client: MlflowClient, run_id: str, directory: Path, name: str) -> str:
    from mlflow.entities import LoggedModelOutput

    run = client.get_run(run_id)
    known = _known_model(client, run)
    if known is not None:
        return known
    model = client.create_logged_model(
        run.info.experiment_id, name=name, source_run_id=run_id, tags={MODEL: "true"}
    )
    model_id = str(model.model_id)
    try:
        with tempfile.TemporaryDirectory(prefix="mlx-model-") as folder:
            _mirror(directory, Path(folder))
            write_mlmodel(Path(folder), {**read_mlmodel(directory), "model_id": model_id, "run_id": run_id})
            client.log_model_artifacts(model_id, folder)
    except BaseException:
        client.finalize_logged_model(model_id, "FAILED")
        raise
    client.finalize_logged_model(model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])
    return model_id


def _known_model(client: MlflowClient, run: Run) -> str | None:
    """Return the model that was logged for a run before mlx was killed; a half one is deleted."""
    from mlflow.entities import LoggedModelOutput

    ready = None
    for model in client.search_logged_models(
        [run.info.experiment_id],
        filter_string=f"source_run_id = '{run.info.run_id}' AND tags.`{MODEL}` = 'true'",
    ):
        if ready is None and str(model.status) == "READY":
            ready = str(model.model_id)
        else:
            client.delete_logged_model(model.model_id)
    listed = [output.model_id for output in run.outputs.model_outputs] if run.outputs else []
    if ready is not None and ready not in listed:
        client.log_outputs(run.info.run_id, [LoggedModelOutput(ready, 0)])
    return ready


def _mirror(directory: Path, copy: Path) -> None:
    """Fill `copy` with links to every file but `MLmodel`: the store copies what they point to, once."""
    for path in directory.rglob("*"):
        twin = copy / path.relative_to(directory)
        if path.is_dir():
            twin.mkdir(parents=True, exist_ok=True)
        elif path != directory / MLMODEL:
            twin.parent.mkdir(parents=True, exist_ok=True)
            twin.symlink_to(path.resolve())
