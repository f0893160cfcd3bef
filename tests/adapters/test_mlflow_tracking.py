"""Runs: opened, filled, closed, found again."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pandas import DataFrame
from sklearn.linear_model import LinearRegression

from mlxkit.adapters import mlflow_model, mlflow_runs, mlflow_store, mlflow_tracking, process
from mlxkit.adapters.mlflow_logged_model import log_model
from mlxkit.adapters.mlflow_store import Store, resolve
from mlxkit.adapters.mlflow_tracking import (
    COMMIT,
    DIRTY,
    ENVIRONMENT,
    DatasetInput,
    StageUse,
    close_run,
    open_run,
)
from mlxkit.errors import UsageError

MD5 = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return resolve(tmp_path_factory.mktemp("project"))


@pytest.fixture
def experiment() -> str:
    """An experiment of one test in the shared store."""
    return f"e{uuid4().hex}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "churn"
    rows = DataFrame({"x": [1.0, 2.0]})
    fitted = LinearRegression().fit(rows, [1.0, 2.0])
    mlflow_model.save_model(
        fitted, directory, example=rows, predictions=[1.0], extra_files={"deep.json": b"{}"}
    )
    for path in directory.rglob("*"):
        path.chmod(0o444)  # as DVC leaves what it links
    return directory


def entity(store: Store, run_id: str) -> Any:
    with mlflow_store.talking(store, "look"):
        return mlflow_store.connect(store).get_run(run_id)


def opened(store: Store, experiment: str, **more: Any) -> str:
    return open_run(store, experiment, **{"name": "a run", "params": {}, "tags": {}, **more})


def test_a_run_holds_parameters_tags_and_data(store: Store, experiment: str) -> None:
    run_id = opened(
        store,
        experiment,
        params={"model": {"learning_rate": 0.1, "layers": [1, 2], "deep": {"on": True}}, "seed": 7},
        tags={COMMIT: "abc", DIRTY: "true", ENVIRONMENT: "dev"},
        datasets=[DatasetInput("train", "data/train", f"{MD5}.dir", 12)],
    )
    run = mlflow_runs.get_run(store, run_id)
    assert run is not None
    assert (run.name, run.status, run.seconds, run.commit, run.dirty, run.environment) == (
        "a run",
        "RUNNING",
        None,
        "abc",
        True,
        "dev",
    )
    assert run.params == {
        "model.learning_rate": "0.1",
        "model.layers": "[1, 2]",
        "model.deep.on": "true",
        "seed": "7",
    }
    (data,) = entity(store, run_id).inputs.dataset_inputs
    assert data.to_dictionary() == {
        "dataset": {
            "name": "train",
            "digest": f"{MD5}.dir",
            "source_type": "local",
            "source": '{"uri": "data/train"}',
            "schema": None,
            "profile": '{"bytes": 12}',
        },
        "tags": {"mlflow.data.context": "training"},
    }


def test_long_and_odd_values_are_fitted(store: Store, experiment: str) -> None:
    run_id = opened(store, experiment, params={"text": "x" * 9000, "a:b#c": 1}, tags={"mlx.diff": "y" * 9000})
    run = mlflow_runs.get_run(store, run_id)
    assert run is not None
    assert len(run.params["text"]) == 6000
    assert run.params["text"].endswith("x…")
    assert run.params["a_b_c"] == "1"
    assert len(run.tags["mlx.diff"]) == 8000


def test_many_parameters_fit(store: Store, experiment: str) -> None:
    run_id = opened(store, experiment, params={f"p{n}": n for n in range(250)})
    assert len(entity(store, run_id).data.params) == 250


def test_a_closed_run_holds_metrics_and_files(store: Store, experiment: str, tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/roc.txt").write_text("roc")
    (tmp_path / "metrics.json").write_text("{}")
    run_id = opened(store, experiment)
    metrics = {"roc_auc": 0.9, "baseline": {"roc_auc": 0.5}, "none": None, "nan": float("nan"), "text": "x"}
    close_run(
        store,
        run_id,
        status="FINISHED",
        metrics=metrics,
        artifacts=[tmp_path / "figures", tmp_path / "metrics.json"],
        stages={"train": StageUse(1.5, 3 * 2**20), "clean": StageUse(0.5, 0)},
    )
    run = mlflow_runs.get_run(store, run_id)
    assert run is not None
    assert run.metrics == {"roc_auc": 0.9, "baseline.roc_auc": 0.5}
    assert run.stage_seconds == {"train": 1.5, "clean": 0.5}
    assert run.stage_memory_mb == {"train": 3.0}
    assert run.status == "FINISHED"
    assert run.seconds is not None
    files = Path(entity(store, run_id).info.artifact_uri)
    assert sorted(str(p.relative_to(files)) for p in files.rglob("*.*")) == [
        "figures/roc.txt",
        "metrics.json",
    ]


def test_the_run_lists_its_model(store: Store, experiment: str, model: Path) -> None:
    run_id = opened(store, experiment)
    model_id = log_model(store, run_id, model)
    close_run(store, run_id, status="FINISHED", metrics={"r2": 0.5}, model_id=model_id)
    assert mlflow_runs.logged_model(store, run_id) == model_id
    assert [output.model_id for output in entity(store, run_id).outputs.model_outputs] == [model_id]
    with mlflow_store.talking(store, "look"):
        logged = mlflow_store.connect(store).get_logged_model(model_id)
    assert (logged.name, str(logged.status), logged.source_run_id) == ("churn", "READY", run_id)
    assert [(metric.key, metric.value) for metric in logged.metrics] == [("r2", 0.5)]

    copy = Path(logged.artifact_location)
    own = {"model_id": model_id, "run_id": run_id}
    assert mlflow_model.read_mlmodel(copy) == {**mlflow_model.read_mlmodel(model), **own}
    for path in model.iterdir():
        assert path.name == "MLmodel" or (copy / path.name).read_bytes() == path.read_bytes()
        assert not (copy / path.name).is_symlink()


def test_a_model_that_cannot_be_logged_is_marked(store: Store, experiment: str, tmp_path: Path) -> None:
    run_id = opened(store, experiment)
    with pytest.raises(UsageError, match="there is no model in"):
        log_model(store, run_id, tmp_path)
    assert mlflow_runs.logged_model(store, run_id) is None
    run = mlflow_runs.get_run(store, run_id)
    assert run is not None
    assert run.status == "RUNNING"


def test_a_model_that_was_logged_before_a_kill_is_taken_as_it_is(
    store: Store, experiment: str, model: Path
) -> None:
    run_id = opened(store, experiment)
    with mlflow_store.talking(store, "be killed while it logs a model"):
        client = mlflow_store.connect(store)
        number = entity(store, run_id).info.experiment_id
        names = {"name": "churn", "source_run_id": run_id, "tags": {mlflow_tracking.MODEL: "true"}}
        half = client.create_logged_model(number, **names)
        whole = client.create_logged_model(number, **names)
        client.finalize_logged_model(whole.model_id, "READY")
    for _ in range(2):
        model_id = log_model(store, run_id, model)
        assert model_id == whole.model_id
    assert mlflow_runs.logged_model(store, run_id) == model_id
    assert [output.model_id for output in entity(store, run_id).outputs.model_outputs] == [model_id]
    with mlflow_store.talking(store, "look"):
        left = mlflow_store.connect(store).search_logged_models([number])
    assert [found.model_id for found in left] == [model_id]
    assert half.model_id != model_id


def test_runs_are_listed_newest_first(store: Store, experiment: str) -> None:
    first = opened(store, experiment, name="first", tags={ENVIRONMENT: "dev"})
    second = opened(store, experiment, name="second", tags={ENVIRONMENT: "it's"})
    assert [run.id for run in mlflow_runs.find_runs(store, experiment)] == [second, first]
    assert [run.id for run in mlflow_runs.find_runs(store, experiment, limit=1)] == [second]
    assert [run.id for run in mlflow_runs.find_runs(store, experiment, tags={ENVIRONMENT: "dev"})] == [first]
    assert mlflow_runs.find_runs(store, "no such experiment") == ()


def test_a_run_is_found_by_what_people_type(store: Store, experiment: str) -> None:
    run_id = opened(store, experiment, name="brave-fox")
    for which in (run_id, run_id[:8], "brave-fox"):
        assert mlflow_runs.find_run(store, experiment, which).id == run_id
    opened(store, experiment, name="brave-fox")
    with pytest.raises(UsageError, match="more than one run is called 'brave-fox'"):
        mlflow_runs.find_run(store, experiment, "brave-fox")


@pytest.mark.parametrize("which", ["0" * 32, "no such run", "../x", "a'b"])
def test_an_unknown_run(store: Store, experiment: str, which: str) -> None:
    opened(store, experiment)
    assert not mlflow_runs.run_exists(store, which)
    assert mlflow_runs.logged_model(store, which) is None
    with pytest.raises(UsageError) as raised:
        mlflow_runs.find_run(store, experiment, which)
    assert raised.value.message == f"there is no run '{which}'"
    assert raised.value.hint == "run `mlx runs`"


SAME = {
    "changed characters": ({"a:b": 1, "a#b": 2}, {"a_b": "2", "a_b_07d94a06": "1"}),
    "an unchanged name": ({"a:b": 1, "a_b": 2}, {"a_b": "2", "a_b_07d94a06": "1"}),
    "a dot": ({"a.b": 1, "a": {"b": 2}}, {"a.b": "2", "a.b_68a4364b": "1"}),
    "long ones": ({"x" * 260: 1, "x" * 250: 2}, {"x" * 250: "2", "x" * 241 + "_c0d656dc": "1"}),
    "slashes": ({"a//b": 1, "/a/b": 2, "a/b": 3}, {"a/b": "3", "a/b_66f6f27c": "2", "a/b_e140c6f4": "1"}),
}


@pytest.mark.parametrize(("given", "expected"), SAME.values(), ids=SAME)
def test_names_that_are_the_same_to_mlflow_are_all_recorded(
    store: Store, experiment: str, given: dict[str, Any], expected: dict[str, str]
) -> None:
    for values in (given, dict(reversed(given.items()))):
        run_id = opened(store, experiment, params=values)
        mlflow_tracking.log_metrics(store, run_id, values)
        data = entity(store, run_id).data
        assert data.params == expected
        assert data.metrics == {name: float(value) for name, value in data.params.items()}


@pytest.mark.parametrize(
    "key", ["..", "../a", "..a", ".", "", "/", "a/../b", "a/./b", "a/", "x" * 249 + "/y"]
)
def test_every_name_is_taken(store: Store, experiment: str, key: str) -> None:
    assert list(entity(store, opened(store, experiment, params={key: 1})).data.params.values()) == ["1"]


def test_a_deleted_run_is_unknown(store: Store, experiment: str) -> None:
    run_id = opened(store, experiment)
    with mlflow_store.talking(store, "delete"):
        mlflow_store.connect(store).delete_run(run_id)
    assert not mlflow_runs.run_exists(store, run_id)


def test_metrics_and_tags_are_added(store: Store, experiment: str) -> None:
    run_id = opened(store, experiment)
    mlflow_tracking.log_metrics(store, run_id, {"loss": 1, "slices": {"a/b": 0.5}})
    mlflow_tracking.set_tags(store, run_id, {"mlx.restored_from": "abc"})
    run = mlflow_runs.get_run(store, run_id)
    assert run is not None
    assert run.metrics == {"loss": 1.0, "slices.a/b": 0.5}
    assert run.tags["mlx.restored_from"] == "abc"


def test_runs_of_dead_processes_are_closed(store: Store, experiment: str) -> None:
    code = (
        "import sys; from pathlib import Path; from mlxkit.adapters import mlflow_store, mlflow_tracking;"
        "store = mlflow_store.resolve(Path(sys.argv[1]));"
        "print(mlflow_tracking.open_run(store, sys.argv[2], name='x', params={}, tags={}))"
    )
    command = [sys.executable, "-c", code, str(store.root), experiment]
    dead = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    mine = opened(store, experiment)
    with mlflow_store.talking(store, "open a run as MLflow does"):
        client = mlflow_store.connect(store)
        foreign = client.create_run(client.get_run(mine).info.experiment_id).info.run_id

    assert mlflow_tracking.close_abandoned(store, experiment) == (dead,)
    states = {run.id: run.status for run in mlflow_runs.find_runs(store, experiment)}
    assert states == {dead: "KILLED", mine: "RUNNING", foreign: "RUNNING"}
    assert mlflow_tracking.close_abandoned(store, experiment) == ()
    assert mlflow_tracking.close_abandoned(store, "no such experiment") == ()


def test_processes_are_told_apart() -> None:
    mine = process.this_process()
    assert process.is_alive(mine)
    assert not process.is_alive(process.Process(mine.host, os.getpid(), "another start"))
    assert process.is_alive(process.Process("another machine", 1, "any"))
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert not process.is_alive(process.Process(mine.host, done.pid, mine.started))


def in_a_container(code: str) -> str:
    """Run Python where processes are numbered anew, under the same host name, and return what it prints."""
    command = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "unshare" in done.stderr:
        pytest.skip("this machine lets nobody number processes anew")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("unshare") is None, reason="namespaces are of Linux")
def test_what_runs_in_another_container_of_the_same_name_is_not_judged() -> None:
    read = "import json; from mlxkit.adapters import process;"
    there = in_a_container(f"{read} print(json.dumps(vars(process.this_process())))")
    theirs, mine = process.Process(**json.loads(there)), process.this_process()
    assert (theirs.host, theirs.pid) == (mine.host, 1)
    assert process.is_alive(theirs)
    judged = f"{read} print(process.is_alive(process.Process(**{vars(mine)})))"
    assert in_a_container(judged) == "True\n"
    old = dataclasses.replace(mine, namespace="")
    assert process.is_alive(old)
    assert not process.is_alive(dataclasses.replace(old, started="another start"))


@pytest.mark.skipif(not Path("/proc/self/ns/pid").is_symlink(), reason="namespaces are of Linux")
def test_a_reboot_ends_what_ran_on_the_machine_and_not_in_a_container(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine = process.this_process()
    (tmp_path / "boot").write_text("another boot")
    monkeypatch.setattr(process, "_FIRST_NAMESPACE", str(Path("/proc/self/ns/pid").readlink()))
    on_the_machine = process.this_process()
    monkeypatch.setattr(process, "_BOOT", str(tmp_path / "boot"))
    assert not process.is_alive(on_the_machine)
    monkeypatch.setattr(process, "_FIRST_NAMESPACE", "pid:[1]")
    assert process.is_alive(dataclasses.replace(mine, namespace="a boot/pid:[2]"))
