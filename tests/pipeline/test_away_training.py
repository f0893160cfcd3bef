"""A training on another machine, as MLflow here knows it: live, and whole afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tabular_project import FIT, TabularProject
from tests.box import HOST, Box, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

# MLflow and SQLAlchemy, used as the test's own eyes, warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")

LOGGED = f"""\
    import os
    import time
    from pathlib import Path

    import mlflow

    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_param("epochs_planned", 3)
    mlflow.log_text("what the training had to say", "notes/said.txt")
    mlflow.set_tag("seen", "by the training")
    while not Path(os.environ["GATE"]).exists():
        time.sleep(0.05)
    mlflow.log_metric("loss", float("nan"), step=3)
{FIT}"""


@pytest.fixture
def sent(trainable: TabularProject, box: Box, tmp_path: Path) -> Iterator[TabularProject]:
    """A project whose training goes on on the box until the file `open` is there."""
    root = tmp_path / "patients"
    shutil.copytree(trainable.root, root, symlinks=True)
    project = TabularProject(root, trainable.commit)
    project.edit("src/patients/models/train_model.py", FIT, LOGGED)
    with (root / "mlx.yaml").open("a") as file:
        file.write(
            f"targets:\n  gpu: {{ssh: {HOST}, requirements: box.txt, env: {{GATE: '{tmp_path / 'open'}'}}}}\n"
        )
    (root / "box.txt").write_text("numpy\n")
    return project


def history(project: TabularProject, run_id: str, key: str) -> list[tuple[int, float]]:
    return sorted((entry.step, entry.value) for entry in project.store.get_metric_history(run_id, key))


def test_values_arrive_while_it_trains_and_all_is_there_once_afterwards(
    sent: TabularProject, box: Box, tmp_path: Path
) -> None:
    command = ["mlx", "train", "--on", "gpu", "--json"]
    with subprocess.Popen(command, cwd=sent.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        try:
            wait_for(lambda: (sent.root / "mlflow.db").exists() and runs(sent))
            run_id = runs(sent)[0].info.run_id
            wait_for(lambda: len(history(sent, run_id, "loss")) == 3)
            assert history(sent, run_id, "loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
            assert sent.store.get_run(run_id).info.status == "RUNNING"
            box.cut()
            running.send_signal(signal.SIGINT)
            err = running.communicate(timeout=60)[1].decode()
            assert running.returncode == 130, err
        finally:
            running.kill()
    assert sent.store.get_run(run_id).info.status == "RUNNING"
    (tmp_path / "open").touch()
    done = sent.mlx("jobs", "attach")
    assert done.code == 0, (done.err, done.document.get("error"))
    assert done.run_id == run_id == done.record["run_id"]
    run = sent.store.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert [step for step, _ in history(sent, run_id, "loss")] == [0, 1, 2, 3]
    assert run.data.params["epochs_planned"] == "3"
    assert run.data.tags["seen"] == "by the training"
    assert run.data.tags["mlx.target"] == "gpu"
    assert run.data.tags["mlx.job"] == box.jobs()[0].name
    assert run.data.tags["mlx.train_host"] == os.uname().nodename
    said = sent.store.download_artifacts(run_id, "notes/said.txt", str(tmp_path))
    assert Path(said).read_text() == "what the training had to say"
    assert [model.name for model in sent.models_of(run_id)] == ["patients"]
    assert len(history(sent, run_id, "system/process_memory_usage_megabytes")) >= 1
    after = sent.mlx("run")
    assert after.code == 0, after.err
    assert (after.stages["train"], after.stages["evaluate"], after.run_id) == ("fresh", "ran", run_id)
    assert "mae" in sent.store.get_run(run_id).data.metrics
    assert len(runs(sent)) == 1


def test_a_cancelled_training_closes_its_run(sent: TabularProject, box: Box) -> None:
    command = ["mlx", "train", "--on", "gpu", "--json"]
    with subprocess.Popen(command, cwd=sent.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        try:
            wait_for(lambda: bool(box.jobs()) and box.processes() and "running" in phase(box))
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=60)
        finally:
            running.kill()
    done = subprocess.run(
        ["mlx", "jobs", "cancel"], cwd=sent.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [run.info.status for run in runs(sent)] == ["KILLED"]
    wait_for(lambda: box.processes() == [])


def phase(box: Box) -> str:
    state = box.jobs()[0] / "state.json"
    return str(json.loads(state.read_text())["phase"]) if state.exists() else ""


def runs(project: TabularProject) -> list[object]:
    experiment = project.store.get_experiment_by_name("patients")
    return list(project.store.search_runs([experiment.experiment_id])) if experiment else []
