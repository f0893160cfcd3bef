"""What a run asks to be recorded, and how the record survives an end in the middle."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from mlxkit.adapters import git, mlflow_runs, mlflow_store
from mlxkit.adapters.process import this_process
from mlxkit.errors import ToolError
from mlxkit.pipeline.record import Recorder
from mlxkit.pipeline.record_job import record
from mlxkit.pipeline.staleness import Staleness
from mlxkit.project.load import load
from mlxkit.targets.base import Job, Outcome, Running

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from small_project import SmallProject

TRAIN = {
    "call": "demo.steps:train",
    "inputs": {"train": "build/clean.json"},
    "outputs": {"model": "models/demo"},
}


ENDED = Outcome(exit_code=0, signal=None, timed_out=False, seconds=0.1, max_memory=0, result={"run_id": "r1"})


@dataclass
class Begun:
    """A job that has ended already."""

    job: Job


@dataclass
class Listener:
    """A target that only listens: every job is over at once, and answers with one run."""

    requests: list[dict[str, Any]] = field(default_factory=list)

    def request(self, action: str) -> dict[str, Any]:
        """Tell what a step was asked for."""
        (found,) = (request for request in self.requests if request["action"] == action)
        return found

    def start(self, job: Job) -> Running:
        """Take a job over."""
        self.requests.append(dict(job.arguments))
        return Begun(job)

    def wait(self, running: Sequence[Running], *, seconds: float) -> list[tuple[Running, Outcome]]:
        """Tell that all have ended."""
        del seconds
        return [(one, ENDED) for one in running]

    def cancel(self, running: Running) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def trained(ran: SmallProject) -> SmallProject:
    """A project with a train stage of two inputs that share a name with another stage's."""
    ran.write({"src/demo/steps.py": ran.text("src/demo/steps.py") + "\n\ndef train(train):\n    return 1\n"})
    ran.write({"data/other.json": {"n": 2}})
    ran.change_stage("train", **TRAIN)
    return ran.change_stage(
        "right", inputs={"raw": "data/other.json"}, cmd="cp data/other.json build/right.txt"
    )


def recorder(project: SmallProject, tracking: str | None = None) -> tuple[Recorder, Listener, Staleness]:
    if tracking is not None:
        config = project.text("mlx.yaml")
        project.write({"mlx.yaml": f"{config}environments: {{dev: {{tracking: '{tracking}'}}}}\n"})
    loaded = load(project.root)
    listener = Listener()
    state = git.state(project.root)
    return Recorder(loaded, loaded.environments["dev"], state, listener), listener, Staleness(loaded)


def opened(recorder: Recorder, staleness: Staleness) -> dict[str, str]:
    """Open the run of a training, and return the variables for its process."""
    recorder.open(staleness.dependency_hashes("train"), staleness)
    while (variables := recorder.variables()) is None:
        recorder.wait(1.0)
    return variables


def test_raw_files_of_one_name_are_all_recorded(trained: SmallProject) -> None:
    ours, listener, staleness = recorder(trained)
    ours.open(staleness.dependency_hashes("train"), staleness)
    ours.wait(0)
    asked = listener.request("open")
    datasets = {dataset["path"]: (dataset["name"], dataset["context"]) for dataset in asked["datasets"]}
    assert datasets == {
        "data/raw.json": ("raw", "raw"),
        "data/other.json": ("raw", "raw"),
        "build/clean.json": ("train", "training"),
    }
    assert all(dataset["digest"] for dataset in asked["datasets"])


def test_a_secret_in_the_address_of_the_store_is_not_written(
    trained: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKING_TOKEN", "s3cr3t-value")
    ours, listener, staleness = recorder(trained, "https://me:${TRACKING_TOKEN}@mlflow.example.org")
    variables = opened(ours, staleness)
    assert variables["MLFLOW_TRACKING_URI"] == "https://me:s3cr3t-value@mlflow.example.org"
    assert ours.close({}, staleness, {}, True, None) == "r1"
    actions = [request["action"] for request in listener.requests]
    assert actions == ["prepare", "open", "log_model", "close"]
    written = [path for path in (trained.root / ".mlx").rglob("*") if path.is_file()]
    assert trained.root / ".mlx/recorded.json" in written
    assert not any(b"s3cr3t-value" in path.read_bytes() for path in written)


def test_what_is_recorded_already_asks_nobody(trained: SmallProject) -> None:
    first, _, staleness = recorder(trained)
    opened(first, staleness)
    first.close({}, staleness, {}, True, None)
    (trained.root / "mlflow.db").touch()
    again, listener, staleness = recorder(trained)
    assert again.close({}, staleness, {}, True, None) == "r1"
    assert (listener.requests, again.recorded) == ([], False)


def test_a_run_without_the_evaluation_asks_nobody_either(trained: SmallProject) -> None:
    """`mlx train` after `mlx run`, with nothing to do, must not ask MLflow, nor make the next run ask."""
    trained.change_stage("evaluate", inputs={"test": "build/clean.json"})
    lock = yaml.safe_load(trained.text("dvc.lock"))
    evaluated = {"path": "reports/metrics.json", "hash": "md5", "md5": "0" * 32}
    lock["stages"]["evaluate"] = {"cmd": "mlx exec evaluate", "outs": [evaluated]}
    (trained.root / "dvc.lock").write_text(yaml.safe_dump(lock))
    first, _, staleness = recorder(trained)
    opened(first, staleness)
    first.close({}, staleness, {"r2": 0.5}, True, None)
    (trained.root / "mlflow.db").touch()
    for metrics in ({}, {"r2": 0.5}, {}):
        again, listener, staleness = recorder(trained)
        assert again.close({}, staleness, metrics, True, None) == "r1"
        assert listener.requests == []


def test_what_is_edited_after_a_training_began_is_not_in_its_record(trained: SmallProject) -> None:
    trained.git("init", "-q")
    trained.write({".gitignore": "/build\n/.mlx\n/.dvc\n__pycache__\n", "src/demo/extra.py": "A = 1\n"})
    trained.git("add", "-A")
    trained.git("commit", "-q", "-m", "one")
    params, config = trained.text("params.yaml"), trained.text("mlx.yaml")
    trained.write({"src/demo/extra.py": "A = 2\n"})
    ours, listener, staleness = recorder(trained)
    opened(ours, staleness)
    trained.write({"params.yaml": params + "more: {a: 1}\n", "mlx.yaml": config + "# later\n"})
    trained.write({"src/demo/extra.py": "A = 3\n"})
    trained.git("commit", "-q", "-a", "-m", "two")
    ours.close({}, staleness, {}, True, None)
    texts = listener.request("close")["texts"]
    assert (texts["params.yaml"], texts["mlx.yaml"]) == (params, config)
    assert texts["uncommitted.patch"].splitlines()[-2:] == ["-A = 1", "+A = 2"]


def test_parameters_of_what_ran_before_the_training_are_those_that_it_ran_with(trained: SmallProject) -> None:
    trained.change_stage("train", params=["shifting"])
    params = {"cleaning": {"scale": 9}, "shifting": {"shift": 8}, "other": {"free": 1}}
    trained.write({"params.yaml": params})
    ours, listener, staleness = recorder(trained)
    opened(ours, staleness)
    assert listener.request("open")["params"] == {"cleaning": {"scale": 3}, "shifting": {"shift": 8}}


def test_data_that_is_not_here_is_recorded_with_the_hash_that_dvc_knows(trained: SmallProject) -> None:
    known = {"outs": [{"md5": "1" * 32, "size": 7, "hash": "md5", "path": "other.json"}]}
    trained.write({"data/other.json.dvc": yaml.safe_dump(known)})
    trained.remove("data/other.json")
    ours, listener, staleness = recorder(trained)
    opened(ours, staleness)
    digests = {data["path"]: data["digest"] for data in listener.request("open")["datasets"]}
    assert digests["data/other.json"] == "1" * 32


def test_what_cannot_be_remembered_is_recorded_all_the_same(trained: SmallProject) -> None:
    (trained.root / ".mlx/recorded.json").mkdir(parents=True)
    ours, _, staleness = recorder(trained)
    opened(ours, staleness)
    assert ours.close({}, staleness, {}, True, None) == "r1"


def test_a_step_that_cannot_even_write_its_log(trained: SmallProject) -> None:
    class Full(Listener):
        def start(self, job: Job) -> Running:
            raise OSError(errno.ENOSPC, "No space left on device", str(job.log))

    loaded = load(trained.root)
    ours = Recorder(loaded, loaded.environments["dev"], git.state(trained.root), Full())
    staleness = Staleness(loaded)
    assert "MLFLOW_RUN_ID" not in opened(ours, staleness)
    with pytest.raises(ToolError) as caught:
        ours.close({}, staleness, {}, True, None)
    assert caught.value.message == "there is no space left on the disk"
    assert caught.value.context == ("the outputs are safe, and not recorded",)


def test_what_is_recorded_in_a_store_that_is_gone_is_recorded_again(trained: SmallProject) -> None:
    first, _, staleness = recorder(trained)
    first.open(staleness.dependency_hashes("train"), staleness)
    first.close({}, staleness, {}, True, None)
    again, listener, staleness = recorder(trained)
    again.close({}, staleness, {}, True, None)
    assert [request["action"] for request in listener.requests] == ["complete"]


def test_what_is_recorded_elsewhere_is_recorded_here(
    trained: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, staleness = recorder(trained)
    first.open(staleness.dependency_hashes("train"), staleness)
    first.close({}, staleness, {}, True, None)
    (trained.root / "mlflow.db").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://another")
    again, listener, staleness = recorder(trained)
    again.close({}, staleness, {}, True, None)
    assert [request["action"] for request in listener.requests] == ["complete"]


def test_an_evaluation_that_came_later_is_recorded(trained: SmallProject) -> None:
    trained.change_stage("evaluate", inputs={"test": "build/clean.json"})
    first, _, staleness = recorder(trained)
    opened(first, staleness)
    first.close({}, staleness, {}, True, None)
    lock = yaml.safe_load(trained.text("dvc.lock"))
    evaluated = {"path": "reports/metrics.json", "hash": "md5", "md5": "0" * 32}
    lock["stages"]["evaluate"] = {"cmd": "mlx exec evaluate", "outs": [evaluated]}
    (trained.root / "dvc.lock").write_text(yaml.safe_dump(lock))
    later, listener, staleness = recorder(trained)
    assert later.close({}, staleness, {"r2": 0.5}, True, None) == "r1"
    assert listener.requests[0]["metrics"] == {"r2": 0.5}
    assert later.recorded


REQUEST: dict[str, Any] = {
    "tracking": None,
    "experiment": "demo",
    "environments": ["dev"],
    "params": {"model": {"depth": 3}},
    "findings": {},
    "tags": {},
    "datasets": [],
    "metrics": {"r2": 0.5},
    "artifacts": [],
    "reports": [],
    "stages": {"train": {"seconds": 1.5, "max_memory": 0}},
    "status": "FINISHED",
    "model_hash": "abc.dir",
    "texts": {"params.yaml": "größe: 1\n"},
    "model": None,
}


def of(root: Path) -> dict[str, Any]:
    """Return what names a store, and who records in it."""
    return {"root": str(root), "store_root": str(root), "owner": vars(this_process())}


def test_a_record_that_was_cut_off_is_completed(tmp_path: Path) -> None:
    request = {**REQUEST, **of(tmp_path)}
    run_id = record({**request, "action": "open"})["run_id"]
    store = mlflow_store.resolve(tmp_path)
    assert mlflow_runs.get_run(store, run_id).status == "RUNNING"

    assert record({**request, "action": "complete", "run_id": run_id})["run_id"] == run_id
    completed = mlflow_runs.get_run(store, run_id)
    assert (completed.status, completed.metrics["r2"]) == ("FINISHED", 0.5)
    assert completed.tags["mlx.model_hash"] == "abc.dir"
    assert (tmp_path / "mlruns/demo" / run_id / "artifacts/params.yaml").read_text() == "größe: 1\n"

    # Once it is complete, only metrics are added.
    more = {**request, "action": "complete", "run_id": run_id, "metrics": {"cost": 2.0}}
    assert record(more)["run_id"] == run_id
    assert mlflow_runs.get_run(store, run_id).metrics["cost"] == 2.0


def test_a_run_that_the_training_itself_ended_is_completed_too(tmp_path: Path) -> None:
    """A `with mlflow.start_run()` in the user's code ends the run before mlx has logged the model."""
    run_id = record({**REQUEST, **of(tmp_path), "action": "open"})["run_id"]
    mlflow_store.connect(mlflow_store.resolve(tmp_path)).set_terminated(run_id, "FINISHED")
    request = {**REQUEST, **of(tmp_path), "action": "complete", "run_id": run_id}
    assert record(request)["run_id"] == run_id
    completed = mlflow_runs.get_run(mlflow_store.resolve(tmp_path), run_id)
    assert completed is not None
    assert completed.tags["mlx.model_hash"] == "abc.dir"
    assert (tmp_path / "mlruns/demo" / run_id / "artifacts/params.yaml").is_file()


def test_a_failure_comes_back_as_plain_values(tmp_path: Path) -> None:
    answer = record({"action": "open", "store_root": str(tmp_path), "tracking": "nonsense://x"})
    assert set(answer["error"]) == {"message", "context", "hint"}
    json.dumps(answer)
