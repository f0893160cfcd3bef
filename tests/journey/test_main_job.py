"""The user's first ten minutes, with the installed command: init, run, promote, drift, and a second round."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.request
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from tests.journey.conftest import Done, call, good

if TYPE_CHECKING:
    from pathlib import Path

STAGES = ["prepare", "features", "figures", "choose", "train", "evaluate"]
ERROR_KEYS = {"kind", "message", "context", "hint"}

Journey = dict[str, Done]


@pytest.fixture(scope="module")
def project(folder: Path) -> Path:
    good(folder, "mlx", "init", "cells", "--json")
    return folder / "cells"


@pytest.fixture(scope="module")
def journey(project: Path, folder: Path) -> Journey:
    """Walk the whole way once; the tests look at what each step said."""
    identity = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org"}
    identity |= {"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org"}

    def commit() -> None:
        good(project, "git", "add", "-A", **identity)
        good(project, "git", "commit", "-qm", "work", **identity)

    new_rows = project / "data/external/new_rows.csv"
    steps: Journey = {}
    steps["nothing to promote"] = call(project, "mlx", "promote", "--json")
    steps["no champion"] = call(project, "mlx", "drift", "--data", str(new_rows))
    steps["status before"] = call(project, "mlx", "status", "--check", "--json")
    steps["run"] = call(project, "mlx", "run", "--json")
    steps["dvc status"] = call(project, "dvc", "status")
    steps["dvc repro"] = call(project, "dvc", "repro")
    steps["again"] = call(project, "mlx", "run", "--json")
    steps["dry promotion"] = call(project, "mlx", "promote", "--dry-run", "--json")
    steps["models before"] = call(project, "mlx", "models", "--json")
    steps["promotion"] = call(project, "mlx", "promote", "--json")
    steps["promotion again"] = call(project, "mlx", "promote")
    report = ("--report", "drift.html")
    steps["drift"] = call(project, "mlx", "drift", "--data", str(new_rows), *report, "--json")
    moved = folder / "moved.csv"
    moved.write_text(_multiplied(new_rows.read_text(encoding="utf-8")), encoding="utf-8")
    steps["drifted"] = call(project, "mlx", "drift", "--data", str(moved), "--json")
    report = ("--report", "src")
    steps["report fails"] = call(project, "mlx", "drift", "--data", str(new_rows), *report, "--json")
    steps["staging, not committed"] = call(project, "mlx", "promote", "--to", "staging", "--json")
    commit()
    steps["production too early"] = call(project, "mlx", "promote", "--to", "production")
    steps["staging"] = call(project, "mlx", "promote", "--to", "staging", "--json")
    steps["production"] = call(project, "mlx", "promote", "--to", "production", "--json")
    settings = ("--set", "choice.candidates=[trees]", "--set", "model.max_iter=1")
    steps["worse"] = call(project, "mlx", "run", *settings, "--json")
    steps["refusal"] = call(project, "mlx", "promote", "--json")
    steps["refusal in words"] = call(project, "mlx", "promote")
    steps["staging, dirty"] = call(project, "mlx", "promote", "--to", "staging")
    steps["models"] = call(project, "mlx", "models", "--json")
    steps["runs"] = call(project, "mlx", "runs", "--json")
    steps["push"] = _push(project)
    return steps


def _multiplied(text: str) -> str:
    header, *rows = text.splitlines()
    changed = [",".join([*(str(float(x) * 3 + 1) for x in row.split(",")[:-1]), "benign"]) for row in rows]
    return "\n".join([header, *changed, ""])


def _push(project: Path) -> Done:
    good(project, "dvc", "remote", "add", "-d", "store", "../remote")
    return call(project, "dvc", "push")


def test_a_run_reports_what_it_did(journey: Journey) -> None:
    document = journey["run"].json
    assert journey["run"].code == 0
    assert list(document) == [
        "run_id", "git_commit", "dirty", "environment", "stages", "metrics", "intervals", "champion",
        "report", "seconds", "saved_seconds",
    ]  # fmt: skip
    assert [stage["name"] for stage in document["stages"]] == STAGES
    assert {stage["status"] for stage in document["stages"]} == {"ran"}
    assert document["dirty"] is False
    assert document["environment"] == "dev"
    assert document["metrics"]["roc_auc"] > 0.9 > document["metrics"]["baseline"]["roc_auc"]


def test_dvc_agrees_with_the_run(journey: Journey) -> None:
    assert journey["dvc status"].out == "Data and pipelines are up to date.\n"
    assert "Running stage" not in journey["dvc repro"].out


def test_a_second_run_does_nothing(journey: Journey) -> None:
    document = journey["again"].json
    assert {stage["status"] for stage in document["stages"]} == {"fresh"}
    assert document["run_id"] == journey["run"].json["run_id"]
    assert journey["again"].err == ""


def test_before_the_first_run_everything_is_stale(journey: Journey) -> None:
    assert journey["status before"].code == 3
    assert {stage["state"] for stage in journey["status before"].json["stages"]} == {"never"}


def test_without_a_model_there_is_nothing_to_promote(journey: Journey) -> None:
    done = journey["nothing to promote"]
    assert done.code == 3
    assert set(done.json["error"]) == ERROR_KEYS
    assert done.json["error"]["message"] == "there is nothing to promote"


def test_without_a_champion_there_is_nothing_to_compare_with(journey: Journey) -> None:
    done = journey["no champion"]
    assert done.code == 2
    assert "error: 'dev' has no champion yet to compare with\n" in done.err


def test_a_dry_promotion_registers_nothing(journey: Journey) -> None:
    assert journey["dry promotion"].code == 0
    assert journey["dry promotion"].json["promoted"] is False
    assert journey["models before"].json["versions"] == []


def test_the_first_promotion_has_no_champion_to_beat(journey: Journey) -> None:
    document = journey["promotion"].json
    assert document["promoted"] is True
    assert document["version"] == "1"
    assert document["environment"] == "dev"
    assert document["champion"] is None
    assert [set(gate) for gate in document["gates"]] == 2 * [
        {"gate", "passed", "observed", "required", "reason"}
    ]
    assert document["gates"][1]["reason"] == "there is no champion yet, so there is nothing to beat"


def test_promoting_the_champion_again_changes_nothing(journey: Journey) -> None:
    assert journey["promotion again"].code == 0
    assert journey["promotion again"].out == "version 1 is the champion of 'dev' already\n"


def test_rows_held_out_at_init_do_not_drift(journey: Journey, project: Path) -> None:
    document = journey["drift"].json
    assert journey["drift"].code == 0
    assert document["verdict"] == "none"
    assert document["model_version"] == "1"
    assert {"column", "kind", "measure", "score", "threshold", "drifted"} <= set(document["columns"][0])
    assert "<html" in (project / "drift.html").read_text(encoding="utf-8").lower()


def test_other_rows_drift(journey: Journey) -> None:
    assert journey["drifted"].code == 3
    assert journey["drifted"].json["verdict"] == "drift"
    assert journey["drifted"].json["share"] == 1.0
    assert journey["drifted"].json["error"]["kind"] == "refused"


def test_a_report_that_fails_does_not_hide_the_verdict(journey: Journey) -> None:
    assert journey["report fails"].code == 5
    document = journey["report fails"].json
    assert document["verdict"] == "none"
    assert document["error"]["kind"] == "tool"


def test_upwards_only_a_committed_model_that_was_below(journey: Journey) -> None:
    uncommitted = journey["staging, not committed"]
    assert uncommitted.code == 3
    assert uncommitted.json["error"]["message"] == "'staging' takes only models that the commit holds"
    early = journey["production too early"]
    assert early.code == 3
    assert "'production' takes only the model that 'staging' has now" in early.err
    assert journey["staging"].json["promoted"] is True
    assert journey["production"].json["version"] == "1"


def test_a_worse_model_is_refused_in_words(journey: Journey) -> None:
    done = journey["refusal"]
    assert done.code == 3
    assert done.json["promoted"] is False
    assert done.json["version"] is None
    assert done.json["champion"] == {"version": "1", "run_id": journey["run"].json["run_id"]}
    assert done.json["gates"][1]["passed"] is False
    assert done.json["error"]["message"] == "1 of 2 gates refused"
    words = " ".join(journey["refusal in words"].out.split())
    assert "of version 1: worse by" in words
    assert words.endswith("not promoted: 1 of 2 gates refused; cells@dev stays as it is")


def test_changed_parameters_make_the_run_dirty(journey: Journey) -> None:
    assert journey["worse"].json["dirty"] is True
    assert journey["worse"].json["stages"][3]["reasons"] == [
        "choice.candidates: ['linear', 'trees'] -> ['trees']",
        "model.max_iter: 200 -> 1",
    ]
    assert journey["staging, dirty"].code == 3
    assert "error: 'staging' takes no model from uncommitted work\n" in journey["staging, dirty"].err


def test_the_registry_names_each_environment(journey: Journey) -> None:
    versions = journey["models"].json["versions"]
    assert [(v["version"], sorted(v["aliases"])) for v in versions] == [
        ("1", ["dev", "production", "staging"])
    ]


def test_every_training_is_one_run(journey: Journey) -> None:
    runs = journey["runs"].json["runs"]
    assert [run["id"] for run in runs] == [journey["worse"].json["run_id"], journey["run"].json["run_id"]]
    assert {run["status"] for run in runs} == {"FINISHED"}


def test_plain_dvc_push_takes_everything(journey: Journey) -> None:
    assert journey["push"].code == 0, journey["push"].err
    assert "files pushed" in journey["push"].out


def test_a_colleagues_clone_gets_the_rows_held_out(journey: Journey, project: Path, folder: Path) -> None:
    assert journey["push"].code == 0
    good(folder, "git", "clone", "-q", str(project), "clone")
    clone = folder / "clone"
    missing = call(clone, "mlx", "drift", "--data", "data/external/new_rows.csv")
    assert missing.err.splitlines()[-1] == "hint: run `dvc pull data/external/new_rows.csv`"
    good(clone, "dvc", "remote", "add", "-f", "-d", "store", "../remote")
    good(clone, "dvc", "pull", "data/external/new_rows.csv")
    ours, theirs = (root / "data/external/new_rows.csv" for root in (project, clone))
    assert theirs.read_bytes() == ours.read_bytes()


def test_plain_mlflow_loads_the_champion(journey: Journey, project: Path) -> None:
    script = (
        "import mlflow, pandas as pd; mlflow.set_tracking_uri('sqlite:///mlflow.db');"
        "m = mlflow.pyfunc.load_model('models:/cells@production');"
        "print(len(m.predict(pd.read_csv('data/external/new_rows.csv').drop(columns='diagnosis'))))"
    )
    assert journey["production"].code == 0
    assert good(project, "python", "-c", script, PYTHONWARNINGS="ignore").out.strip() == "57"


def test_a_moved_project_is_mended(journey: Journey, project: Path, folder: Path) -> None:
    assert journey["promotion"].code == 0
    copy = folder / "moved" / "cells"
    shutil.copytree(project, copy, symlinks=True)
    found = call(copy, "mlx", "doctor", "--json")
    checks: dict[str, Any] = {check["name"]: check for check in found.json["checks"]}
    assert found.code == 3
    assert checks["store"]["text"] == f"the project was moved here from {project}"
    assert checks["store"]["remedy"] == "mlx doctor --fix"
    assert good(copy, "mlx", "doctor", "--fix", "--json").json["healthy"] is True
    drift = call(copy, "mlx", "drift", "--data", "data/external/new_rows.csv", "--json")
    assert drift.json["verdict"] == "none"


def test_a_taken_port_is_named(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = call(project, "mlx", "ui", "--port", str(port))
    assert done.code == 5
    assert f"error: port {port} is taken\n" in done.err


def test_the_address_of_the_interface_is_said_once_it_answers(journey: Journey, project: Path) -> None:
    assert journey["run"].code == 0
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ui = subprocess.Popen(
        ["mlx", "ui", "--port", str(port), "--json"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert ui.stdout is not None
        url = f"http://127.0.0.1:{port}"
        assert json.loads("".join(ui.stdout.readline() for _ in range(3))) == {"url": url}
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.status == HTTPStatus.OK
    finally:
        os.killpg(ui.pid, signal.SIGKILL)
        rest, _ = ui.communicate()
    assert rest == ""


def test_the_record_answers_for_the_model(journey: Journey, project: Path) -> None:
    run_id = journey["run"].json["run_id"]
    script = f"""
import json, yaml, mlflow
client = mlflow.MlflowClient("sqlite:///mlflow.db")
run = client.get_run("{run_id}")
models = [o.model_id for o in run.outputs.model_outputs]
print(json.dumps({{
    "params": run.data.params,
    "tags": run.data.tags,
    "metrics": run.data.metrics,
    "inputs": {{i.dataset.name: i.dataset.digest for i in run.inputs.dataset_inputs}},
    "artifacts": sorted(f.path for f in client.list_artifacts("{run_id}")),
    "models": len(models),
    "raw": yaml.safe_load(open("data/raw/breast_cancer.csv.dvc"))["outs"][0]["md5"],
    "signature": mlflow.models.get_model_info("models:/" + models[0]).signature is not None,
}}))
"""
    variables = {"PYTHONWARNINGS": "ignore", "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    record = good(project, "python", "-c", script, **variables).json
    assert record["params"]["model.max_iter"] == "200"
    assert record["params"]["split.seed"] == "0"
    tags = record["tags"]
    assert tags["mlflow.source.git.commit"] == journey["run"].json["git_commit"]
    assert (tags["mlflow.source.git.branch"], tags["mlx.dirty"]) == ("main", "false")
    assert (tags["mlx.environment"], tags["mlx.target"]) == ("dev", "local")
    assert len(tags["mlx.config_digest"]) == 64
    assert tags["mlx.model_hash"].endswith(".dir")
    assert "scikit-learn" in tags["mlx.versions"]
    assert record["metrics"]["roc_auc"] == pytest.approx(journey["run"].json["metrics"]["roc_auc"])
    assert record["metrics"]["baseline.roc_auc"] == 0.5
    assert "seconds/train" in record["metrics"]
    assert record["inputs"]["raw"] == record["raw"]
    assert set(record["inputs"]) == {"choice", "raw", "train"}
    reports = ["evaluation.html", "evaluation.json", "evaluation.md"]
    assert record["artifacts"] == ["dvc.lock", *reports, "mlx.yaml", "params.yaml", "promotions"]
    assert record["models"] == 1
    assert record["signature"] is True


def test_the_report_for_who_merges(journey: Journey, project: Path, tmp_path: Path) -> None:
    document = good(project, "mlx", "report", "--json").json
    assert (document["environment"], document["url"], document["not_judged"]) == ("dev", None, None)
    assert document["passed"] is all(gate["passed"] for gate in document["gates"])
    assert "dev" in document["comparison"]["first"]["aliases"]
    text = good(project, "mlx", "report", "--markdown").out
    assert text.startswith("## cells: ")
    assert "| ROC AUC |" in text
    good(project, "mlx", "report", "--no-gates", "-o", str(tmp_path / "report.md"))
    assert "The gates were not asked." in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_report_that_cannot_be_posted(journey: Journey, project: Path) -> None:
    for option in (("--comment",), ("--pull-request", "topic")):
        done = call(project, "mlx", "report", *option)
        assert (done.code, done.err) == (
            2,
            "error: this is no job of GitHub Actions or GitLab CI\n"
            "hint: leave --comment, --pull-request or --issue away\n",
        )
    both = call(project, "mlx", "report", "--comment", "--pull-request", "topic")
    assert (both.code, both.err.splitlines()[0]) == (
        2,
        "error: --comment and --pull-request exclude each other",
    )
