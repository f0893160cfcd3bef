"""What a promotion takes from the workspace: evaluation rows, and metrics of the user's own."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from mlxkit.adapters import dvc
from mlxkit.errors import ConfigError, Refused
from mlxkit.evaluation.predictions import Predictions
from mlxkit.pipeline.own_metrics import own_metric
from mlxkit.project.load import load
from mlxkit.project.models import Environment
from mlxkit.registry.workspace import evaluation_of, promote_from_workspace

if TYPE_CHECKING:
    from pathlib import Path

MLX_YAML = """\
mlx: 1
project: demo
package: demo
task: regression
target: y
stages:
  train:
    call: demo.steps:train
    inputs: {train: rows.csv}
    outputs: {model: models/demo}
  evaluate:
    call: demo.steps:judge
    inputs: {test: rows.csv}
    outputs: {errors: reports/errors.json}
"""
TRAIN = "def train(train):\n    return train\n\n\n"
JUDGE = """\
def judge(model, test, target, errors: "Path"):
    import os, subprocess
    print("judging")
    subprocess.run(["echo", "a child"], check=True)
    errors.write_text("made on a sample")
    os.chdir("/")
    return {"bias": float((model.predict(test) - test[target]).mean())}
"""


@dataclass
class Demo:
    """A project with an evaluate function of its own."""

    root: Path

    def judge(self, source: str, name: str = "bias") -> float:
        """Compute a metric of this function for predictions that are all 1 too high."""
        (self.root / "src/demo/steps.py").write_text(TRAIN + source)
        rows = pd.read_csv(self.root / "rows.csv")
        measure = own_metric(load(self.root), name, lambda: rows)
        sample = rows.iloc[[0, 0, 2]]
        predicted = sample["y"].to_numpy() + 1.0
        return measure(sample["y"], Predictions(np.asarray(predicted), None, None))


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    for folder in ("src/demo", "reports", "models"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "mlx.yaml").write_text(MLX_YAML)
    (tmp_path / "src/demo/__init__.py").write_text("")
    (tmp_path / "src/demo/steps.py").write_text(TRAIN + JUDGE)
    (tmp_path / "rows.csv").write_text("x,y\n1,2.0\n2,3.0\n3,4.0\n")
    (tmp_path / "reports/errors.json").write_text("those of the run")
    monkeypatch.chdir(tmp_path)
    for module in ("demo", "demo.steps"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return Demo(tmp_path)


def test_the_users_metric_on_a_sample_leaves_everything_as_it_is(
    demo: Demo, capfd: pytest.CaptureFixture[str]
) -> None:
    assert demo.judge(JUDGE) == 1.0
    assert (demo.root / "reports/errors.json").read_text() == "those of the run"
    assert os.getcwd() == str(demo.root)  # noqa: PTH109 - the function went elsewhere
    said = capfd.readouterr()
    assert said.out == ""
    assert sorted(said.err.splitlines()) == ["a child", "judging"]


def test_a_metric_that_the_function_does_not_return(demo: Demo) -> None:
    with pytest.raises(
        ConfigError, match=r"names the metric 'cost', which 'demo\.steps:judge' does not return"
    ):
        demo.judge(JUDGE, "cost")


@pytest.mark.parametrize("name", ["model", "test"])
def test_a_function_that_wants_paths_cannot_be_asked_about_samples(demo: Demo, name: str) -> None:
    source = JUDGE.replace(f"{name},", f'{name}: "Path",').replace(
        "def", "from pathlib import Path\n\n\ndef", 1
    )
    with pytest.raises(ConfigError) as caught:
        demo.judge(source)
    assert caught.value.message == (
        f"'demo.steps:judge' takes '{name}' as a path, so no gate can compare its metrics"
    )


def test_evaluation_rows_that_are_nowhere(demo: Demo) -> None:
    dvc.init(demo.root, subdir=False, scm=False)
    (demo.root / "rows.csv").unlink()
    with pytest.raises(Refused) as caught:
        evaluation_of(load(demo.root), Environment("dev")).rows()
    assert (caught.value.message, caught.value.hint) == (
        "the evaluation rows are not here",
        "run `mlx run evaluate`",
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # DVC calls what pygtrie deprecates
def test_evaluation_rows_that_dvc_tracks_come_back(demo: Demo) -> None:
    dvc.init(demo.root, subdir=False, scm=False)
    repository = dvc.Dvc(demo.root)
    repository.add("rows.csv")
    repository.close()
    (demo.root / "rows.csv").unlink()
    assert len(evaluation_of(load(demo.root), Environment("dev")).rows()) == 3


def test_without_a_run_there_is_nothing_to_promote(demo: Demo) -> None:
    with pytest.raises(Refused, match="there is nothing to promote"):
        promote_from_workspace(load(demo.root))
