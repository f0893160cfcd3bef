"""One project for each kind of model, from the first run to plain MLflow in production."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from .conftest import call, good

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MLX_YAML = """\
mlx: 1
project: cells
package: cells
task: classification
target: target
positive: 1
stages:
  split:
    call: cells.rows:split
    outputs: {train: data/train.parquet, test: data/test.parquet}
  train:
    call: cells.train:train
    inputs: {train: data/train.parquet}
    outputs: {model: models/cells}
  evaluate: {}
promote:
  gates:
    - {metric: accuracy, min: 0.7}
"""
ROWS = """
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split


def split() -> dict:
    rows = load_breast_cancer(as_frame=True).frame
    train, test = train_test_split(rows, random_state=0)
    return {"train": train, "test": test}
"""
TRAIN = {
    "sklearn": """
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def train(train, target):
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return model.fit(train.drop(columns=target), train[target])
""",
    "lightgbm": """
from lightgbm import LGBMClassifier


def train(train, target):
    model = LGBMClassifier(n_estimators=20, verbose=-1)
    return model.fit(train.drop(columns=target), train[target])
""",
    "xgboost": """
import xgboost


def train(train, target):
    data = xgboost.DMatrix(train.drop(columns=target), train[target])
    return xgboost.train({"objective": "binary:logistic"}, data, 20)
""",
    "torch": """
import torch


class Net(torch.nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.BatchNorm1d(inputs), torch.nn.Linear(inputs, 1), torch.nn.Sigmoid()
        )

    def forward(self, x):
        return self.layers(x)


def train(train, target):
    torch.manual_seed(0)
    x = torch.tensor(train.drop(columns=target).to_numpy(), dtype=torch.float32)
    y = torch.tensor(train[[target]].to_numpy(), dtype=torch.float32)
    net = Net(x.shape[1])
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(50):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy(net(x), y).backward()
        optimizer.step()
    return net
""",
    "mlflow": """
import mlflow.pyfunc


class Rule(mlflow.pyfunc.PythonModel):
    def __init__(self, limit):
        self.limit = limit

    def predict(self, context, model_input, params=None):
        return (model_input["mean radius"] < self.limit).astype(int).to_numpy()


def train(train, target):
    return Rule(train["mean radius"].quantile(0.65))
""",
}
# Run by somebody who has MLflow and the project's model, and knows nothing of mlx.
SERVE = """
import json, logging, warnings
warnings.simplefilter("ignore")
import mlflow, numpy as np, pandas as pd
logging.disable()
model = mlflow.pyfunc.load_model("models:/cells@dev")
rows = pd.read_csv("raw.csv")
answers = np.asarray(model.predict(rows)).ravel()
print(json.dumps({"accuracy": float(np.mean((answers > 0.5) == rows["target"]))}))
"""


@pytest.fixture(scope="module")
def empty_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("frameworks") / "cells"
    (root / "src/cells").mkdir(parents=True)
    (root / "src/cells/__init__.py").touch()
    (root / "src/cells/rows.py").write_text(ROWS)
    (root / "mlx.yaml").write_text(MLX_YAML)
    (root / ".gitignore").write_text("/.mlx\n/mlruns\n/mlflow.db\n/data\n/models\n/raw.csv\n__pycache__\n")
    for words in ("git init -q .", "dvc init -q", "dvc config core.autostage false"):
        good(root, *words.split())
    return root


def model_hash(root: Path) -> str:
    outputs = yaml.safe_load((root / "dvc.lock").read_text())["stages"]["train"]["outs"]
    return str(next(out["md5"] for out in outputs if out["path"] == "models/cells"))


@pytest.mark.slow
@pytest.mark.parametrize("library", TRAIN)
def test_a_model_runs_is_promoted_and_predicts_through_plain_mlflow(
    empty_project: Path, tmp_path: Path, need: Callable[[str], None], library: str
) -> None:
    need(library)
    root = tmp_path / "cells"
    shutil.copytree(empty_project, root)
    (root / "src/cells/train.py").write_text(TRAIN[library])
    metrics: dict[str, Any] = good(root, "mlx", "run", "--json").json["metrics"]
    assert metrics["accuracy"] > 0.8 > metrics["baseline"]["accuracy"]
    assert ("roc_auc" in metrics) is (library != "mlflow")

    assert good(root, "mlx", "promote", "--json").json["promoted"] is True

    first = model_hash(root)
    good(root, "mlx", "train", "--force", "--json")
    assert model_hash(root) == first
    with (root / "mlx.yaml").open("a") as file:
        file.write("    - {metric: accuracy, beats: champion}\n")
    # An equal model of another run is no better than the champion.
    refused = call(root, "mlx", "promote", "--json")
    assert refused.code == 3, refused.err
    assert [gate["passed"] for gate in refused.json["gates"]] == [True, False]

    import pandas as pd

    pd.read_parquet(root / "data/test.parquet").to_csv(root / "raw.csv", index=False)
    served = good(root, sys.executable, "-c", SERVE, MLFLOW_TRACKING_URI=f"sqlite:///{root}/mlflow.db").json
    assert served["accuracy"] == pytest.approx(metrics["accuracy"])
