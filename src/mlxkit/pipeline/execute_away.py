"""One stage, executed on another machine: as here, but what it logs goes into a store of its own.

That store lies beside the job's folder. Its values are told while the job runs, and all of it is merged into
the run here afterwards, so that no line that breaks can stop a training, or lose what it logged.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.pipeline.execute import RUN_ID, execute_job
from mlxkit.targets.box.places import TRACKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def execute_job_away(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Execute a stage in the folder of a job; see `execute_job`.

    `arguments` holds the stage's `command`, and of a training `run_id` and `experiment` of its run here.
    """
    if arguments["run_id"] is not None:
        _log_beside(arguments["experiment"], arguments["run_id"])
    return execute_job(arguments["command"])


def _log_beside(experiment: str, run_id: str) -> None:
    """Let this process log into a run of a store beside its folder, which stands for the one of that id."""
    from mlxkit.adapters import mlflow_store, mlflow_tracking

    folder = Path.cwd().parent / TRACKING
    folder.mkdir(exist_ok=True)
    os.environ.pop(mlflow_store.TRACKING_VARIABLE, None)
    store = mlflow_store.resolve(folder)
    own = mlflow_tracking.open_run(store, experiment, name=run_id, params={}, tags={})
    os.environ.update(
        {
            mlflow_store.TRACKING_VARIABLE: store.uri,
            "MLFLOW_EXPERIMENT_NAME": experiment,
            "MLFLOW_RUN_ID": own,
            RUN_ID: run_id,
        }
    )
