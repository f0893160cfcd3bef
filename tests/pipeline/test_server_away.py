"""A tracking server that goes away while a model is trained, and comes back."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from tabular_project import TabularProject
from tests.mlflow_server import serving

from mlxkit.adapters import mlflow_runs
from mlxkit.adapters.mlflow_store import resolve

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["it hangs", "it is killed"])
def test_the_record_is_completed_under_the_same_id(
    trainable: TabularProject, tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is stopped goes on accepting connections, and answers none."""
    project = TabularProject(tmp_path / "patients", trainable.commit)
    shutil.copytree(trainable.root, project.root, symlinks=True)
    (tmp_path / "server").mkdir()
    with serving(tmp_path / "server") as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        # Without them, a value that is sent to a server that hangs is waited for, once, for four minutes.
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        script = project.root / "at_the_end.sh"
        script.write_text(f"kill -{number.value} -{server.process.pid}")
        away = project.mlx("train")
        assert (away.code, away.stages["train"]) == (5, "ran")
        error = away.document["error"]
        assert error["message"].endswith(" in MLflow: the MLflow server does not answer")
        assert error["context"][-1] == "the outputs are safe, and the record waits in .mlx/unrecorded"
        hint = f"run `curl {server.url}/health`; when that is mended, run `mlx runs sync`"
        assert error["hint"] == hint
        assert away.record == {"run_id": away.run_id}
        states = {stage["name"]: stage["state"] for stage in project.mlx("status").document["stages"]}
        assert states["train"] == "fresh"

        if number == signal.SIGKILL:
            server.end()
            server.start()
        else:
            server.signal(signal.SIGCONT)
        script.unlink()
        assert project.mlx("runs", "sync").document == {"synced": [away.run_id], "waiting": 0}
        store = resolve(project.root, server.url)
        (run,) = mlflow_runs.find_runs(store, "patients")
        assert (run.id, run.status) == (away.run_id, "FINISHED")
        # What it logged before the server went away is there, and once.
        client = MlflowClient(tracking_uri=server.url)
        history = client.get_metric_history(run.id, "live")
        assert [(entry.step, entry.value) for entry in history] == [(1, 0.5), (2, 0.25)]
        again = project.mlx("train")
        assert (again.code, again.run_id, set(again.stages.values())) == (0, away.run_id, {"fresh"})
