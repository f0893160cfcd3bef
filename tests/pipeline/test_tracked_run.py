"""What MLflow knows after a run: a real model of the tabular template."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tabular_project import Answer, TabularProject

# MLflow and SQLAlchemy, used as the test's own eyes, warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")

LIVE_LINE = '    mlflow.log_metric("live", 0.25, step=2)\n'
ALL = ("prepare", "features", "choose", "train", "evaluate", "figures")


def test_everything_ran_and_was_recorded(first_run: Answer) -> None:
    assert first_run.code == 0, first_run.err
    assert first_run.stages == dict.fromkeys(ALL, "ran")
    assert first_run.record == {"run_id": first_run.run_id}
    assert first_run.err == ""


def test_the_run_is_finished_and_named_after_the_commit(tabular: TabularProject, first_run: Answer) -> None:
    run = tabular.store.get_run(first_run.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"patients-{tabular.commit[:7]}"
    assert tabular.store.get_experiment(run.info.experiment_id).name == "patients"


def test_parameters_are_those_of_the_stages(tabular: TabularProject, first_run: Answer) -> None:
    logged = tabular.store.get_run(first_run.run_id).data.params
    params = {"split.test_share": "0.2", "split.seed": "0", "model.learning_rate": "0.1", "model.seed": "0"}
    assert params.items() <= logged.items()


def test_what_an_earlier_stage_found_out_for_the_training_joins_its_run(
    tabular: TabularProject, first_run: Answer
) -> None:
    run = tabular.store.get_run(first_run.run_id).data
    choice = json.loads((tabular.root / "reports/model_choice.json").read_text())
    assert run.params["choice.model"] == choice["model"] == "trees"
    assert run.params["choice.candidates"] == '["trees"]'
    assert run.metrics["choice.explained.trees"] == choice["explained"]["trees"] > 0.2
    assert run.metrics["choice.parameters.max_iter"] == choice["parameters"]["max_iter"] <= 100


def test_metrics_are_those_of_evaluate(tabular: TabularProject, first_run: Answer) -> None:
    logged = tabular.store.get_run(first_run.run_id).data.metrics
    metrics = dict(first_run.document["metrics"])
    baseline = metrics.pop("baseline")
    assert set(metrics) == set(baseline) >= {"r2", "mae", "rmse"}
    expected = {**metrics, **{f"baseline.{name}": value for name, value in baseline.items()}}
    assert expected == {name: logged[name] for name in expected}
    assert {f"seconds/{name}" for name in ALL} <= set(logged)
    assert metrics["r2"] > 0.2 > baseline["r2"]


def test_tags_say_where_the_model_comes_from(tabular: TabularProject, first_run: Answer) -> None:
    tags = tabular.store.get_run(first_run.run_id).data.tags
    config = (
        (tabular.root / "mlx.yaml")
        .read_bytes()
        .replace(b"evaluate: {call: patients.cost:cost}", b"evaluate: {}")
    )
    expected = {
        "mlflow.source.git.commit": tabular.commit,
        "mlflow.source.git.branch": "main",
        "mlx.dirty": "true",
        "mlx.changed_files": "src/patients/models/train_model.py",
        "mlx.environment": "dev",
        "mlx.target": "local",
        "mlx.config_digest": hashlib.sha256(config).hexdigest(),
        "mlx.command": "mlx run --json",
        "mlx.model_hash": first_run.model_hash,
    }
    assert expected == {name: tags.get(name) for name in expected}
    versions = json.loads(tags["mlx.versions"])
    assert versions["scikit-learn"] == version("scikit-learn")
    assert {"mlxkit", "dvc", "mlflow", "numpy", "pandas"} <= set(versions)
    assert "mlx.restored_from" not in tags


def test_data_is_recorded_with_the_hashes_of_dvc(tabular: TabularProject, first_run: Answer) -> None:
    inputs = tabular.store.get_run(first_run.run_id).inputs.dataset_inputs
    found = {
        i.dataset.name: (i.dataset.digest, json.loads(i.dataset.source)["uri"], i.tags[0].value)
        for i in inputs
        if json.loads(i.dataset.source).get("uri")
    }
    raw, train = "data/raw/diabetes.csv", "data/processed/train.parquet"
    assert found["raw"] == (tabular.hash_of(raw), raw, "raw")
    assert found["train"] == (tabular.hash_of(train), train, "training")


def test_the_state_of_the_project_is_kept_with_the_run(tabular: TabularProject, first_run: Answer) -> None:
    names = {f.path for f in tabular.store.list_artifacts(first_run.run_id)}
    assert {"dvc.lock", "mlx.yaml", "params.yaml", "uncommitted.patch"} <= names
    patch = Path(tabular.store.download_artifacts(first_run.run_id, "uncommitted.patch")).read_text()
    assert '+    mlflow.log_metric("live", 0.5, step=1)' in patch
    lock = Path(tabular.store.download_artifacts(first_run.run_id, "dvc.lock")).read_text()
    outputs = {out["path"]: out["md5"] for out in yaml.safe_load(lock)["stages"]["train"]["outs"]}
    assert outputs["models/patients"] == first_run.model_hash


def test_the_run_lists_one_model_with_signature_and_example(
    tabular: TabularProject, first_run: Answer
) -> None:
    import mlflow

    (model,) = tabular.models_of(first_run.run_id)
    assert (str(model.status), model.name, model.source_run_id) == ("READY", "patients", first_run.run_id)
    mlflow.set_tracking_uri(f"sqlite:///{tabular.root}/mlflow.db")
    info = mlflow.models.get_model_info(model.model_uri)
    versioned = yaml.safe_load((tabular.root / "models/patients/MLmodel").read_text())
    assert info.signature is not None
    assert "age" in info.signature.inputs.input_names()
    assert "progression" not in info.signature.inputs.input_names()
    assert info.saved_input_example_info is not None
    assert (info.model_id, info.run_id) == (model.model_id, first_run.run_id)
    # The directory that DVC versions holds nothing of one run.
    assert "run_id" not in versioned
    assert "model_id" not in versioned


def test_autologging_adds_no_model_of_its_own(tabular: TabularProject, first_run: Answer) -> None:
    experiment = tabular.store.get_run(first_run.run_id).info.experiment_id
    models = tabular.store.search_logged_models([experiment], f"source_run_id = '{first_run.run_id}'")
    assert [model.name for model in models] == ["patients"]


def test_live_values_of_the_train_function_join_the_run(tabular: TabularProject, first_run: Answer) -> None:
    history = tabular.store.get_metric_history(first_run.run_id, "live")
    assert [(m.step, m.value) for m in history] == [(1, 0.5), (2, 0.25)]
    params = tabular.store.get_run(first_run.run_id).data.params
    # What autologging found joins as well.
    assert "steps" in params


def test_training_twice_gives_the_same_model(
    tabular: TabularProject, first_run: Answer, second_training: Answer
) -> None:
    assert second_training.code == 0, second_training.err
    assert second_training.stages == {
        "prepare": "fresh",
        "features": "fresh",
        "choose": "fresh",
        "train": "ran",
    }
    assert second_training.model_hash == first_run.model_hash
    assert second_training.model_hash.endswith(".dir")
    assert second_training.run_id != first_run.run_id
    assert second_training.record == {"run_id": second_training.run_id}


def test_evaluating_alone_adds_to_the_run_of_the_model(
    tabular: TabularProject, second_training: Answer, evaluation: Answer
) -> None:
    assert evaluation.code == 0, evaluation.err
    assert evaluation.stages == {
        "prepare": "fresh",
        "features": "fresh",
        "choose": "fresh",
        "train": "fresh",
        "evaluate": "ran",
        "figures": "fresh",
    }
    assert evaluation.run_id == second_training.run_id
    logged = tabular.store.get_run(evaluation.run_id).data.metrics
    assert logged["cost"] == evaluation.document["metrics"]["cost"] > 0
    assert logged["r2"] == evaluation.document["metrics"]["r2"]
    assert len(tabular.models_of(evaluation.run_id)) == 1


def test_a_model_that_dvc_trained_is_recorded_by_the_next_run(
    tabular: TabularProject, evaluation: Answer, after_repro: Answer
) -> None:
    assert after_repro.code == 0, after_repro.err
    assert after_repro.stages == dict.fromkeys(ALL, "fresh")
    assert after_repro.record["run_id"].startswith("unrecorded-")
    assert after_repro.run_id not in (evaluation.run_id, after_repro.record["run_id"])
    run = tabular.store.get_run(after_repro.run_id)
    assert run.data.tags["mlx.restored_from"] == after_repro.record["run_id"]
    assert run.data.tags["mlx.model_hash"] == after_repro.model_hash != evaluation.model_hash
    assert run.data.params["model.max_iter"] == "20"
    assert run.data.metrics["cost"] == after_repro.document["metrics"]["cost"]
    assert len(tabular.models_of(after_repro.run_id)) == 1
    assert run.info.status == "FINISHED"


def test_a_run_with_nothing_to_do_records_nothing(tabular: TabularProject, after_repro: Answer) -> None:
    experiment = tabular.store.get_run(after_repro.run_id).info.experiment_id
    before = len(tabular.store.search_runs([experiment]))
    again = tabular.mlx("run")
    assert again.stages == dict.fromkeys(ALL, "fresh")
    assert again.run_id == after_repro.run_id
    assert again.document["metrics"] == after_repro.document["metrics"]
    assert len(tabular.store.search_runs([experiment])) == before


NOWHERE = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
WAITS = "the outputs are safe, and the record waits in .mlx/unrecorded"


def test_a_store_that_cannot_be_reached_stops_no_stage(tabular: TabularProject, after_repro: Answer) -> None:
    answer = tabular.mlx("train", "--force", env=NOWHERE)
    assert answer.code == 5
    assert answer.stages["train"] == "ran"
    assert answer.model_hash == after_repro.model_hash
    error = answer.document["error"]
    assert error["kind"] == "tool"
    assert error["message"] == "cannot record the run in MLflow: the MLflow server does not answer"
    assert (error["context"][0], error["context"][-1]) == ("store: http://127.0.0.1:9", WAITS)
    assert error["hint"] == "run `curl http://127.0.0.1:9/health`; when that is mended, run `mlx runs sync`"


def test_what_the_store_did_not_take_waits_and_is_carried_over(
    tabular: TabularProject, after_repro: Answer
) -> None:
    waiting = tabular.mlx("runs").document["waiting"]
    before = {run["id"] for run in tabular.mlx("runs").document["runs"]}
    away = tabular.mlx("run", "--set", "model.max_iter=7", env=NOWHERE)
    assert (away.code, away.stages["evaluate"]) == (5, "ran")

    listed = subprocess.run(["mlx", "runs"], cwd=tabular.root, capture_output=True, text=True, check=True)
    said = f"{waiting + 1} run{'s wait' if waiting else ' waits'}"
    assert listed.stdout.splitlines()[-1] == (
        f"{said} to be recorded, since the store did not answer: mlx runs sync"
    )
    synced = tabular.mlx("runs", "sync").document
    assert (len(synced["synced"]), synced["waiting"]) == (waiting + 1, 0)
    assert not (tabular.root / ".mlx/unrecorded").exists()

    runs = {run["id"]: run for run in tabular.mlx("runs").document["runs"]}
    assert set(runs) - before == set(synced["synced"])
    (carried,) = [run for run in runs.values() if run["tags"].get("mlx.restored_from") == away.run_id]
    assert carried["status"] == "FINISHED"
    assert carried["params"]["model.max_iter"] == "7"
    assert carried["metrics"]["r2"] == away.document["metrics"]["r2"]
    assert set(carried["stage_seconds"]) == {"choose", "train", "evaluate"}
    # Live values keep their history, and the run its model, data and files.
    history = tabular.store.get_metric_history(carried["id"], "live")
    assert [(entry.step, entry.value) for entry in history] == [(1, 0.5), (2, 0.25)]
    assert [model.name for model in tabular.models_of(carried["id"])] == ["patients"]
    run = tabular.store.get_run(carried["id"])
    assert run.info.start_time < run.info.end_time
    assert {entry.dataset.name for entry in run.inputs.dataset_inputs} >= {"raw", "train"}
    assert {file.path for file in tabular.store.list_artifacts(carried["id"])} >= {"dvc.lock", "mlx.yaml"}

    assert tabular.mlx("runs", "sync").document == {"synced": [], "waiting": 0}
    # The next run finds the model's record, and needs no other one.
    again = tabular.mlx("run")
    assert (again.run_id, set(again.stages.values())) == (carried["id"], {"fresh"})
    assert tabular.mlx("promote", "--dry-run").document["run_id"] == carried["id"]
    tabular.mlx("run", "--set", "model.max_iter=20")


def test_a_store_that_may_not_be_written(tabular: TabularProject, after_repro: Answer) -> None:
    database = tabular.root / "mlflow.db"
    database.chmod(0o444)
    try:
        if os.access(database, os.W_OK):
            pytest.skip("root may write every file")
        answer = tabular.mlx("train", "--force")
    finally:
        database.chmod(0o644)
    assert (answer.code, answer.stages["train"]) == (5, "ran")
    assert answer.document["error"]["message"].endswith(": the database is read-only")
    hint = f"run `chmod u+w '{database}'`; when that is mended, run `mlx runs sync`"
    assert answer.document["error"]["hint"] == hint
    assert len(tabular.mlx("runs", "sync").document["synced"]) == 1


def test_a_training_that_fails_leaves_a_failed_run(tabular: TabularProject, after_repro: Answer) -> None:
    before = tabular.mlx("run").run_id
    tabular.edit(
        "src/patients/models/train_model.py", LIVE_LINE, f"{LIVE_LINE}    raise ValueError('no luck')\n"
    )
    answer = tabular.mlx("train")
    tabular.edit("src/patients/models/train_model.py", "    raise ValueError('no luck')\n", "")
    assert answer.code == 1
    assert answer.run_id == "None"
    experiment = tabular.store.get_run(before).info.experiment_id
    (latest,) = tabular.store.search_runs(
        [experiment], order_by=["attributes.start_time DESC"], max_results=1
    )
    assert latest.info.status == "FAILED"
    assert latest.data.metrics["live"] == 0.25
    assert latest.outputs.model_outputs == []
    # With the edit gone, the model of before is current again, and so is its run.
    assert tabular.mlx("run").run_id == before
