"""How a generated project chooses its model, and what its parameters begin with."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import yaml

from mlxkit.scaffold.answers import first_choice, first_model
from mlxkit.scaffold.project_tree import scaffold
from mlxkit.scaffold.request import Request

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import TmpDir


def project(folder: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Any:
    """Generate a project; return its module of the choice, and what params.yaml gives to it."""
    frame.to_csv(f"{folder.name}.csv", index=False)
    made = scaffold(Request(folder, folder.parent / f"{folder.name}.csv", target="target", **more))
    monkeypatch.syspath_prepend(str(made.root / "src"))
    params = yaml.safe_load((made.root / "params.yaml").read_text(encoding="utf-8"))
    module = importlib.import_module(f"{made.answers.package}.models.choose_model")
    return SimpleNamespace(module=module, params={**params["choice"], "model": params["model"]})


def product(rows: int) -> pd.DataFrame:
    """Make a target that no sum of columns explains."""
    random = np.random.default_rng(0)
    one, other = random.normal(size=rows), random.normal(size=rows)
    target = one * other + random.normal(size=rows) / 4
    return pd.DataFrame({"one": one, "other": other, "target": target})


def test_folds_end_when_the_choice_is_beyond_doubt(tmp_dir: TmpDir, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = product(6000)
    made = project(tmp_dir / "product", rows, monkeypatch)
    assert made.params["folds"] == 5
    found = made.module.choose_model(rows, "target", **made.params)
    assert (found["model"], found["folds"]) == ("trees", 2)
    few = made.module.choose_model(rows.head(1000), "target", **made.params)
    assert (few["model"], few["folds"]) == ("trees", 5)
    alone = made.module.choose_model(rows, "target", **{**made.params, "candidates": ["trees"]})
    assert alone["folds"] == 5


def test_rows_of_one_key_make_no_choice_surer(tmp_dir: TmpDir, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    rows = product(400).assign(person=random.integers(0, 80, 400))
    made = project(tmp_dir / "persons", rows, monkeypatch, key="person")
    columns = pd.MultiIndex.from_tuples([("linear", 1.0), ("trees", 10)])
    losses = pd.DataFrame(random.exponential([1.0, 1.2], (80, 2)), columns=columns)
    repeated = losses.loc[np.repeat(losses.index, 5)]
    once, often = (
        made.module.decide(each, "simple", made.params["model"], 1.0) for each in (losses, repeated)
    )
    assert often["margin_error"] == pytest.approx(once["margin_error"], rel=1e-4)
    gap = losses["trees", 10] - losses["linear", 1.0]
    assert once["margin_error"] == pytest.approx(gap.sem(ddof=0), rel=1e-4)


@pytest.mark.parametrize(
    ("class_counts", "found"),
    [
        ((2940, 60), (0.05, 200, 15, 0.5)),
        ((2750, 250), (0.1, 200, 31, 1.0)),
        ((300, 250), (0.1, 200, 15, 1.0)),
        ((180,) * 10, (0.1, 100, 8, 0.5)),
        ((1000,) * 5, (0.1, 100, 31, 1.0)),
        ((), (0.1, 300, 15, 1.0)),
    ],
)
def test_first_parameters(class_counts: tuple[int, ...], found: tuple[float, ...]) -> None:
    task = "classification" if class_counts else "regression"
    made = first_model(task, sum(class_counts) or 3000, class_counts=class_counts, numbers=20)
    assert (made.learning_rate, made.max_iter, made.max_leaf_nodes, made.max_features) == found


@pytest.mark.parametrize(
    ("rows", "class_counts", "folds", "in_doubt"),
    [
        (5000, (4900, 100), 5, "complex"),
        (5000, (3000, 2000), 5, "simple"),
        (20_000, (), 3, "simple"),
        (1800, (180,) * 10, 3, "simple"),
    ],
)
def test_first_choice(rows: int, class_counts: tuple[int, ...], folds: int, in_doubt: str) -> None:
    found = first_choice(rows, class_counts=class_counts, by_time=False, may_log_target=False)
    assert (found.folds, found.in_doubt) == (folds, in_doubt)
    assert first_choice(rows, class_counts=class_counts, by_time=True, may_log_target=False).folds == 5


def test_in_doubt_the_simple_or_the_complex_one(tmp_dir: TmpDir, monkeypatch: pytest.MonkeyPatch) -> None:
    made = project(tmp_dir / "doubtful", product(300), monkeypatch)
    columns = pd.MultiIndex.from_tuples([("linear", 1.0), ("trees", 10)])
    noise = np.random.default_rng(2).normal(size=(2, 400))
    noise -= noise.mean(axis=1, keepdims=True)

    def chosen(in_doubt: str, advantage: float) -> str:
        """Choose where trees lose so many standard errors more than a linear model."""
        error = (noise[1] - noise[0]).std() / 20
        losses = pd.DataFrame(np.array([noise[0], noise[1] + advantage * error]).T, columns=columns)
        return str(made.module.decide(losses, in_doubt, made.params["model"], 1.0)["model"])

    assert [chosen("complex", by) for by in (-2.0, 0.8, 1.2)] == ["trees", "trees", "linear"]
    assert [chosen("simple", by) for by in (-2.0, -0.8, 0.8)] == ["trees", "trees", "linear"]
