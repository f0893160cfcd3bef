"""The report of a real project: made by its stage, with the champion by a run, and in MLflow."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from mlxkit.adapters import mlflow_store
from mlxkit.evaluation.facts_json import read_evaluation

if TYPE_CHECKING:
    from conftest import Mlx

DATA = """\
from sklearn.datasets import load_breast_cancer

frame = load_breast_cancer(as_frame=True).frame[["mean radius", "mean texture", "mean area", "target"]]
frame["site"] = ["north" if i % 3 else "south" for i in range(len(frame))]
frame["sick"] = frame.pop("target").map({0: "yes", 1: "no"})
frame.to_csv("data/cells.csv", index=False)
"""
STAGES = '''\
"""The stages."""

from typing import NamedTuple

import pandas as pd


class Split(NamedTuple):
    train: pd.DataFrame
    test: pd.DataFrame


def split(cells: pd.DataFrame) -> Split:
    return Split(cells.iloc[::2], cells.iloc[1::2])
'''
TRAIN = '''\
"""The training."""

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ["mean radius", "mean texture"]


def train(train: pd.DataFrame, strength: float, target: str):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength))
    return model.fit(train[FEATURES], train[target])
'''
MLX_YAML: dict[str, Any] = {
    "mlx": 1,
    "project": "cells",
    "package": "cells",
    "task": "classification",
    "target": "sick",
    "positive": "yes",
    "protected": ["site"],
    "costs": {"false_positive": 1, "false_negative": 3},
    "stages": {
        "split": {
            "call": "cells.stages:split",
            "inputs": {"cells": "data/cells.csv"},
            "outputs": {"train": "data/train.parquet", "test": "data/test.parquet"},
        },
        "train": {
            "call": "cells.train:train",
            "inputs": {"train": "data/train.parquet"},
            "outputs": {"model": "models/cells"},
            "params": ["model"],
        },
        "evaluate": {},
    },
    "promote": {"gates": [{"metric": "roc_auc", "min": 0.5}]},
}
REPORTS = ["evaluation.html", "evaluation.json", "evaluation.md"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project with a model, in git, which the tests below run one after the other."""
    root = tmp_path_factory.mktemp("cells") / "cells"
    files = {
        "mlx.yaml": yaml.safe_dump(MLX_YAML, sort_keys=False),
        "params.yaml": "model: {strength: 1.0}\n",
        "src/cells/__init__.py": "",
        "src/cells/stages.py": STAGES,
        "src/cells/train.py": TRAIN,
        ".gitignore": "/data\n/models\n/mlruns\n/mlflow.db\n/.mlx\n/reports/evaluation.*\n__pycache__\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "data").mkdir()
    script = [
        f"python -c {shlex.quote(DATA)}",
        "git init -q .",
        "git config user.name a && git config user.email a@b",
        "dvc init -q",
        "mlx check --fix",
        "git add -A && git commit -qm start",
    ]
    subprocess.run(" && ".join(script), shell=True, cwd=root, check=True, capture_output=True)
    return root


def run(root: Path, *arguments: str) -> Any:
    done = subprocess.run(
        ["mlx", *arguments, "--json"], cwd=root, env=os.environ, capture_output=True, text=True, check=False
    )
    document = json.loads(done.stdout)
    assert done.returncode == 0, document
    return document


@pytest.fixture(scope="module")
def first(root: Path) -> Any:
    return run(root, "run")


@pytest.fixture(scope="module")
def second(root: Path, first: Any) -> Any:
    """After the first model was promoted, a much weaker one."""
    assert run(root, "promote")["promoted"]
    return run(root, "run", "--set", "model.strength=0.00001")


def artifacts(root: Path, run_id: str) -> dict[str, str]:
    """Return the texts of the report's files that a run has in MLflow."""
    store = mlflow_store.resolve(root)
    with mlflow_store.talking(store, "read the artifacts"):
        client = mlflow_store.connect(store)
        names = [a.path for a in client.list_artifacts(run_id) if a.path in REPORTS]
        return {name: Path(client.download_artifacts(run_id, name)).read_text() for name in names}


def test_a_run_leaves_the_report_and_says_where(root: Path, first: Any) -> None:
    assert first["report"] == "reports/evaluation.html"
    assert first["champion"] is None
    assert sorted(p.name for p in (root / "reports").glob("evaluation.*")) == REPORTS
    low, high = first["intervals"]["roc_auc"]
    assert low <= first["metrics"]["roc_auc"] <= high
    facts = read_evaluation((root / "reports/evaluation.json").read_text())
    assert {m.name: pytest.approx(m.model.value, rel=1e-5) for m in facts.metrics} == {
        name: value for name, value in first["metrics"].items() if name != "baseline"
    }
    assert [p.column for p in facts.protected] == ["site"]
    assert facts.classification is not None
    assert facts.classification.thresholds is not None
    assert facts.classification.thresholds.advised == 0.25
    assert facts.gaps == ()
    assert "the champion" not in (root / "reports/evaluation.md").read_text()


def test_the_facts_are_an_output_and_the_page_is_none(root: Path, first: Any) -> None:
    stage = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]["evaluate"]
    assert stage["outs"] == ["reports/evaluation.json"]
    status = subprocess.run(["dvc", "status", "--json"], cwd=root, capture_output=True, text=True, check=True)
    assert json.loads(status.stdout) == {}
    git = subprocess.run(["git", "status", "--short"], cwd=root, capture_output=True, text=True, check=True)
    assert "evaluation" not in git.stdout


def test_the_run_in_mlflow_has_all_three(root: Path, first: Any) -> None:
    found = artifacts(root, first["run_id"])
    assert sorted(found) == REPORTS
    assert "How well does the model predict sick?" in found["evaluation.html"]


def test_a_second_evaluation_gives_the_same_bytes(root: Path, first: Any) -> None:
    before = (root / "reports/evaluation.json").read_bytes()
    assert run(root, "run", "evaluate", "--force")["stages"][-1]["status"] == "ran"
    assert (root / "reports/evaluation.json").read_bytes() == before


def test_the_champion_is_scored_on_the_same_rows(root: Path, first: Any, second: Any) -> None:
    champion = second["champion"]
    assert (champion["version"], champion["environment"]) == ("1", "dev")
    assert (champion["same"], champion["problem"]) == (False, None)
    found = champion["metrics"]["log_loss"]
    assert found["champion"] == pytest.approx(first["metrics"]["log_loss"])
    assert found["difference"] == pytest.approx(found["champion"] - second["metrics"]["log_loss"])
    assert found["interval"][1] < 0
    for name in ("evaluation.html", "evaluation.md"):
        said = (root / "reports" / name).read_text()
        assert "version 1, the champion of dev" in said
        assert artifacts(root, second["run_id"])[name] == said


def test_a_champion_that_cannot_be_scored_is_named(root: Path, second: Any) -> None:
    path = root / "data/test.parquet"
    import pandas as pd

    rows = pd.read_parquet(path)
    model = root / "src/cells/train.py"
    model.write_text(TRAIN.replace('["mean radius", "mean texture"]', '["mean area"]'))
    stages = root / "src/cells/stages.py"
    stages.write_text(
        STAGES.replace("return Split", 'cells = cells.drop(columns="mean radius")\n    return Split')
    )
    assert "mean radius" in rows.columns
    document = run(root, "run")
    assert document["champion"]["problem"] == "the rows lack columns that the model needs: 'mean radius'"
    assert document["champion"]["metrics"] == {}


def test_the_champion_itself_is_told(root: Path, second: Any) -> None:
    assert run(root, "promote")["promoted"]
    document = run(root, "run", "evaluate", "--force")
    assert document["champion"]["same"]
    assert "This model is version 2, the champion of dev." in (root / "reports/evaluation.md").read_text()


def test_exec_writes_the_page_without_a_champion(
    root: Path, second: Any, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    command = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]["evaluate"]["cmd"]
    result = mlx(*shlex.split(command)[1:])
    assert (result.code, result.out) == (0, "")
    assert "the champion" not in (root / "reports/evaluation.md").read_text()


def test_facts_from_the_cache_are_drawn_anew(root: Path, second: Any) -> None:
    (root / "reports/evaluation.json").unlink()
    (root / "reports/evaluation.html").write_text("another page")
    document = run(root, "run", "evaluate")
    assert document["stages"][-1]["status"] == "restored"
    assert "How well does the model predict sick?" in (root / "reports/evaluation.html").read_text()
