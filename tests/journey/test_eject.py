"""`mlx eject`, and then the project where mlx cannot be imported: DVC and MLflow alone find the same."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.journey.conftest import Done, call, good

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.slow

IDENTITY = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
BLOCKER = """\
import sys


class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mlxkit":
            raise ImportError("mlxkit is gone")


sys.meta_path.insert(0, Gone())
"""
TOOLS = ("python", "dvc", "dotenv", "mlflow", "mypy", "pytest", "ruff")

COST = '''\
"""What errors cost."""

import pandas as pd
from sklearn.pipeline import Pipeline


def cost(model: Pipeline, test: pd.DataFrame, target: str) -> dict[str, float]:
    """Count what is predicted too high."""
    return {"cost": float((model.predict(test) - test[target]).clip(0).mean())}
'''
OWN_RUN = """\
    with mlflow.start_run():
        mlflow.log_metric("live", 0.5)
    pipeline = make_model"""

STEPS = '''\
"""The stages."""

import os
from pathlib import Path
from typing import NamedTuple

import pandas as pd


class Parts(NamedTuple):
    """Two results."""

    low: pd.DataFrame
    note: str


def clean(raw: dict, scale):
    return {"n": raw["n"] * scale}


def part(cleaned: dict, scale: int) -> Parts:
    """Read a variable, and return two things."""
    return Parts(pd.DataFrame({"n": [cleaned["n"], scale]}), os.environ["NOTE"])


def join(low: pd.DataFrame, note: str, joined: Path) -> None:
    """Write a folder."""
    joined.mkdir()
    (joined / "größe.txt").write_text(f"{len(low)} {note}")
'''
STAGES: Mapping[str, Any] = {
    "clean": {
        "call": "demo.steps:clean",
        "inputs": {"raw": "data/raw.json"},
        "outputs": {"cleaned": "build/clean.json"},
        "params": ["cleaning"],
    },
    "part": {
        "call": "demo.steps:part",
        "inputs": {"cleaned": "build/clean.json"},
        "outputs": {"low": "build/low.csv.gz", "note": "build/note.txt"},
        "params": ["cleaning"],
        "env": {"NOTE": "say ${WORD}!", "OMP_NUM_THREADS": "1"},
    },
    "shell": {
        "cmd": 'echo "$QUOTED ${WORD}" > build/shell.txt\npython -V > build/version.txt',
        "env": {"QUOTED": "it's"},
        "inputs": ["build/note.txt"],
        "outputs": ["build/shell.txt", "build/version.txt"],
    },
    "join": {
        "call": "demo.steps:join",
        "inputs": {"low": "build/low.csv.gz", "note": "build/note.txt"},
        "outputs": {"joined": "build/joined"},
    },
}

TRAINING = '''\
"""A model of {kind}."""

import mlflow.pyfunc
import numpy as np
import pandas as pd
from sklearn.svm import LinearSVC


class Rule(mlflow.pyfunc.PythonModel):
    """Compare two columns."""

    def predict(self, context, model_input, params=None):
        return np.where(model_input["a"] > model_input["b"], 1, 0)


def prepare(raw: pd.DataFrame, test_rows: int) -> dict[str, pd.DataFrame]:
    """Cut the rows in two."""
    return {{"train": raw.iloc[test_rows:], "test": raw.iloc[:test_rows]}}


def train(rows: pd.DataFrame, target: str):
    """Train."""
    return {model}
'''


@dataclass(frozen=True)
class Left:
    """A project before and after mlx.

    Attributes:
        before: content of every output of the last `mlx run`; `after` likewise of `dvc repro`.
    """

    root: Path
    document: Any
    before: dict[str, bytes]
    after: dict[str, bytes]
    environment: dict[str, str]

    def good(self, *words: str) -> Done:
        """Run a command where there is no mlx."""
        return good(self.root, *words, **self.environment)

    @property
    def metrics(self) -> tuple[Any, Any]:
        """The metrics that mlx wrote and that the script wrote."""
        return json.loads(self.before["reports/metrics.json"]), json.loads(self.after["reports/metrics.json"])


@pytest.fixture(scope="module")
def without_mlx(folder: Path) -> dict[str, str]:
    """Variables of an environment that has every tool but mlx, and the package nowhere."""
    site, tools = folder / "site", folder / "tools"
    site.mkdir()
    tools.mkdir()
    (site / "sitecustomize.py").write_text(BLOCKER)
    for name in TOOLS:
        script = tools / name
        script.write_text(f'#!/bin/sh\nexec "{Path(sys.executable).parent / name}" "$@"\n')
        script.chmod(0o755)
    others = [p for p in os.environ["PATH"].split(os.pathsep) if not Path(p, "mlx").exists()]
    path = os.pathsep.join([str(tools), *others])
    assert shutil.which("mlx", path=path) is None
    environment = {"PATH": path, "PYTHONPATH": f"{site}:src", "PYTHONDONTWRITEBYTECODE": ""}
    assert call(folder, "python", "-c", "import mlxkit", **environment).err.endswith("mlxkit is gone\n")
    return environment


def leave(root: Path, environment: dict[str, str]) -> Left:
    """Run with mlx, eject, and run with DVC where there is no mlx."""
    commit(root)
    good(root, "mlx", "run", "-q")
    commit(root)
    before = outputs(root)
    document = good(root, "mlx", "eject", "--yes", "--json").json
    good(root, "dvc", "repro", "-q", **environment)
    return Left(root, document, before, outputs(root), environment)


def commit(root: Path) -> None:
    good(root, "git", "add", "-A")
    good(root, "git", "commit", "-q", "--allow-empty", "-m", "work", **IDENTITY)


def outputs(root: Path) -> dict[str, bytes]:
    stages = yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8"))["stages"].values()
    paths = [root / out["path"] for stage in stages for out in stage.get("outs", ())]
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files if file.is_file()}


@pytest.fixture(scope="module", params=["classification", "regression"])
def tabular(request: pytest.FixtureRequest, folder: Path, without_mlx: dict[str, str]) -> Left:
    """A generated project; that of the regression has a metric and an MLflow run of its own."""
    root = folder / f"left-{request.param}"
    good(folder, "mlx", "init", root.name, "--task", request.param, "-q")
    if request.param == "regression":
        package = root / "src/left_regression"
        (package / "cost.py").write_text(COST)
        replace(root / "mlx.yaml", "evaluate: {}", "evaluate: {call: left_regression.cost:cost}")
        replace(package / "models/train_model.py", "    pipeline = make_model", OWN_RUN)
        replace(package / "models/train_model.py", "import pandas", "import mlflow\nimport pandas")
    return leave(root, without_mlx)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_numbers_are_those_of_mlx_to_the_last_digit(tabular: Left) -> None:
    before, after = tabular.metrics
    baseline = before.pop("baseline")
    # The mean of the training rows stands in the model's profile with twelve digits.
    assert after.pop("baseline") == pytest.approx(baseline, rel=1e-9)
    assert after == before
    assert set(baseline) <= set(before)
    assert ("cost" in before) == ("regression" in tabular.root.name)


def test_every_output_but_the_model_and_the_report_is_the_same_file(tabular: Left) -> None:
    def others(files: dict[str, bytes]) -> dict[str, str]:
        return {
            name: hashlib.md5(content).hexdigest()
            for name, content in files.items()
            if not name.startswith(("models/", "reports/metrics.json", "reports/evaluation.json"))
        }

    assert others(tabular.after) == others(tabular.before)
    assert {Path(name).suffix for name in others(tabular.after)} == {".json", ".parquet", ".png"}


def test_dvc_then_finds_nothing_to_do(tabular: Left) -> None:
    assert tabular.good("dvc", "status").out == "Data and pipelines are up to date.\n"


def test_the_model_is_logged_and_takes_raw_rows(tabular: Left) -> None:
    script = """
import json, mlflow, pandas as pd
run_id = json.load(open("models/NAME.run.json"))["run_id"]
client = mlflow.MlflowClient()
run = client.get_run(run_id)
model = mlflow.pyfunc.load_model(f"runs:/{run_id}/NAME")
new = mlflow.pyfunc.load_model("models/NAME")
rows = pd.read_csv("data/external/new_rows.csv")
numbers = rows.select_dtypes("number").columns[:1]
print(json.dumps({
    "experiment": client.get_experiment(run.info.experiment_id).name,
    "status": run.info.status,
    "params": run.data.params,
    "metrics": run.data.metrics,
    "models": [client.get_logged_model(o.model_id).name for o in run.outputs.model_outputs],
    "example": model.metadata.saved_input_example_info is not None,
    "requirements": open("models/NAME/requirements.txt").read().split(),
    "rows": len(model.predict(rows)),
    "whole": len(new.predict(rows.assign(**{n: rows[n].round().astype(int) for n in numbers}))),
    "gaps": len(new.predict(rows.assign(**{n: None for n in numbers}))),
    "expected": len(rows),
}))
""".replace("NAME", tabular.root.name)
    found = json.loads(tabular.good("python", "-W", "ignore", "-c", script).out)
    assert found["experiment"] == tabular.root.name
    assert found["status"] == "FINISHED"
    assert {"split.test_share": "0.2", "model.seed": "0"}.items() <= found["params"].items()
    metrics = dict(tabular.metrics[1])
    baseline = metrics.pop("baseline")
    named = {**metrics, **{f"baseline.{name}": value for name, value in baseline.items()}}
    assert named == {name: found["metrics"][name] for name in named}
    assert found["metrics"].get("live") == (0.5 if "regression" in tabular.root.name else None)
    assert found["models"] == [tabular.root.name]
    assert found["example"]
    assert [line.partition("==")[0] for line in found["requirements"]] == [
        "mlflow", "numpy", "pandas", "scikit-learn", "skops",
    ]  # fmt: skip
    assert found["rows"] == found["whole"] == found["gaps"] == found["expected"]


def test_a_model_can_be_registered(tabular: Left) -> None:
    name = tabular.root.name
    said = tabular.good("python", "-W", "ignore", "pipeline/register.py", "staging").out
    assert said == f"{name}@staging is now version 1\n"


def test_the_project_passes_its_own_checks(tabular: Left) -> None:
    tabular.good("ruff", "check", "--no-cache", ".")
    tabular.good("ruff", "format", "--no-cache", "--check", ".")
    tabular.good("mypy")
    assert " passed" in tabular.good("pytest", "-q", "-p", "no:cacheprovider").out
    tabular.good("dvc", "dag")


def test_nothing_mentions_mlx_any_more(tabular: Left) -> None:
    found = call(tabular.root, "git", "grep", "-nwE", "--untracked", "mlx|mlxkit", "--", ".", ":!dvc.lock")
    assert found.out == ".gitignore:13:/.mlx/\n"
    assert tabular.document["left"] == []


@pytest.fixture(scope="module")
def small(folder: Path, without_mlx: dict[str, str]) -> Left:
    """Commands, variables, several outputs, a folder; no model, no pyproject.toml, no folder kept by git."""
    root = folder / "small"
    config = {"mlx": 1, "project": "demo", "package": "demo", "task": "regression", "target": "y"}
    write(
        root,
        {
            "src/demo/__init__.py": "",
            "src/demo/steps.py": STEPS,
            "data/raw.json": '{"n": 5}',
            "params.yaml": "cleaning: {scale: 3}\nother: {free: 1}\n",
            "mlx.yaml": yaml.safe_dump({**config, "stages": dict(STAGES)}, sort_keys=False),
            ".gitignore": "/build\n/.mlx\n.env\n",
            ".env": "WORD=hello world\n",
        },
    )
    good(root, "git", "init", "-q")
    good(root, "dvc", "init", "-q")
    return leave(root, without_mlx)


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def test_commands_variables_and_folders_give_the_same_files(small: Left) -> None:
    assert small.after == small.before
    assert small.after["build/note.txt"] == b"say hello world!"
    assert small.after["build/shell.txt"] == b"it's hello world\n"
    assert small.after["build/joined/größe.txt"] == b"2 say hello world!"


def test_scripts_of_a_project_without_settings_are_formatted(small: Left) -> None:
    small.good("ruff", "check", "--no-cache", "pipeline")
    small.good("ruff", "format", "--no-cache", "--check", "pipeline")


MODELS = {
    "svc": ('LinearSVC(random_state=0).fit(rows[["a", "b"]], rows[target])', 3),
    "rule": ("Rule()", 2),
}


@pytest.fixture(scope="module", params=list(MODELS))
def modelled(request: pytest.FixtureRequest, folder: Path, without_mlx: dict[str, str]) -> Left:
    """Models without probabilities: scikit-learn with three classes, and MLflow's own base class."""
    model, classes = MODELS[request.param]
    root = folder / request.param
    rows = [f"{i},{(i * 7) % 10},{(i * 3) % 10},{i % classes}" for i in range(60)]
    write(
        root,
        {
            "src/kinds/__init__.py": "",
            "src/kinds/steps.py": TRAINING.format(kind=request.param, model=model),
            "data/raw.csv": "\n".join(["id,a,b,y", *rows, ""]),
            "params.yaml": "cut: {test_rows: 20}\nunused: {x: 1}\n",
            "mlx.yaml": """\
mlx: 1
project: kinds
package: kinds
task: classification
target: y
key: id
stages:
  prepare:
    call: kinds.steps:prepare
    inputs: {raw: data/raw.csv}
    outputs: {train: data/train.parquet, test: data/test.csv}
    params: [cut]
  train:
    call: kinds.steps:train
    inputs: {rows: data/train.parquet}
    outputs: {model: models/kinds}
  evaluate: {}
""",
            ".gitignore": "/data/*.parquet\n/data/test.csv\n/models\n/mlruns\n/mlflow.db*\n/.mlx\n",
        },
    )
    good(root, "git", "init", "-q")
    good(root, "dvc", "init", "-q")
    return leave(root, without_mlx)


def test_models_without_probabilities_are_scored_the_same(modelled: Left) -> None:
    before, after = modelled.metrics
    assert after == before
    assert "roc_auc" not in before
    assert before["baseline"]["roc_auc"] == 0.5
