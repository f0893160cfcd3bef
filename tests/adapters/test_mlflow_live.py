"""What the user's own code logs while it trains."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from pandas import DataFrame
from sklearn.linear_model import LinearRegression

from mlxkit.adapters import mlflow_live, mlflow_model, mlflow_runs
from mlxkit.adapters.mlflow_logged_model import log_model
from mlxkit.adapters.mlflow_store import Store, resolve
from mlxkit.adapters.mlflow_tracking import close_run, open_run

if TYPE_CHECKING:
    from pathlib import Path

SHIELDED = """
import os
from mlxkit.adapters import mlflow_live, mlflow_store
mlflow_live.shield(os.environ["MLFLOW_TRACKING_URI"])
import mlflow
client = mlflow.MlflowClient()
client.log_metric("a" * 32, "loss", 0.5, step=1)
client.log_metric("a" * 32, "loss", 0.25, step=2)
client.log_param("a" * 32, "depth", 3)
client.log_batch("a" * 32, params=[mlflow.entities.Param("width", "4")])
client.set_tag("a" * 32, "who", "me")
client.log_inputs("a" * 32, datasets=[])
client.set_terminated("a" * 32, "FINISHED")
print("trained")
"""
BATCHED = """
import sys
from mlxkit.adapters import mlflow_live
import mlflow
for step in range(50):
    mlflow.log_metric("loss", 1 / (step + 1), step=step)
mlflow_live.flush()
import os
os._exit(0)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return resolve(tmp_path_factory.mktemp("project"))


@pytest.fixture
def experiment() -> str:
    """An experiment of one test in the shared store."""
    return f"churn-{uuid4().hex[:8]}"


def run_script(script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )


def test_a_server_that_goes_away_stops_no_training() -> None:
    done = run_script(SHIELDED, MLFLOW_TRACKING_URI="http://127.0.0.1:9", MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "trained"), done.stderr
    lost = "mlx: the MLflow server does not answer, and what is logged from here on is lost"
    assert [line for line in done.stderr.splitlines() if line.startswith("mlx: ")] == [lost]


def test_values_that_wait_are_sent_before_a_stage_ends(store: Store, experiment: str) -> None:
    run_id = open_run(store, experiment, name="batched", params={}, tags={})
    done = run_script(
        BATCHED,
        MLFLOW_TRACKING_URI=store.uri,
        MLFLOW_RUN_ID=run_id,
        MLFLOW_ENABLE_ASYNC_LOGGING="true",
        MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS="30",
    )
    assert done.returncode == 0, done.stderr
    run = mlflow_runs.get_run(store, run_id)
    assert run is not None
    assert run.metrics["loss"] == 1 / 50


AUTOLOG = """
import sys
from pathlib import Path
import mlflow
from pandas import DataFrame
from sklearn.linear_model import LinearRegression
from mlxkit.adapters import mlflow_live, mlflow_store
store = mlflow_store.resolve(Path(sys.argv[1]))
mlflow.set_experiment(sys.argv[2])
mlflow.sklearn.autolog()
rows = DataFrame({"x": [1.0, 2.0, 3.0]})
with mlflow.start_run() as run:
    LinearRegression().fit(rows, [1.0, 2.0, 3.0])
assert len(mlflow.get_run(run.info.run_id).outputs.model_outputs) == 1
print(len(mlflow_live.drop_autologged_models(store, run.info.run_id)))
"""


def test_autologgings_own_model_is_dropped(store: Store, experiment: str, tmp_path: Path) -> None:
    rows, model = DataFrame({"x": [1.0, 2.0]}), tmp_path / "churn"
    fitted = LinearRegression().fit(rows, [1.0, 2.0])
    mlflow_model.save_model(fitted, model, example=rows, predictions=[1.0])
    run_id = open_run(store, experiment, name="autologged", params={}, tags={})
    done = run_script(
        AUTOLOG, str(store.root), experiment, MLFLOW_TRACKING_URI=store.uri, MLFLOW_RUN_ID=run_id
    )
    assert done.stdout.split()[-1:] == ["1"], done.stderr
    model_id = log_model(store, run_id, model)
    close_run(store, run_id, status="FINISHED", model_id=model_id)
    assert mlflow_runs.logged_model(store, run_id) == model_id
    run = mlflow_runs.get_run(store, run_id)
    assert run is not None
    assert "training_score" in run.metrics
    assert run.status == "FINISHED"


def test_models_are_kept_where_nothing_was_autologged(store: Store, experiment: str) -> None:
    run_id = open_run(store, experiment, name="plain", params={}, tags={})
    assert mlflow_live.drop_autologged_models(store, run_id) == ()
