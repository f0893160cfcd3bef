"""Generated projects do their work and pass their own checks; nothing here needs mlx to run them."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import balanced_accuracy_score, r2_score, roc_auc_score

from mlxkit.scaffold.project_tree import Scaffolded, scaffold
from mlxkit.scaffold.request import Request

if TYPE_CHECKING:
    from conftest import TmpDir

ROWS = 900


@pytest.fixture
def odd(tmp_dir: TmpDir) -> pd.DataFrame:
    """Three classes, and column names and values that are hard on quoting."""
    random = np.random.default_rng(1)
    classes = random.integers(0, 3, ROWS)
    frame = pd.DataFrame(
        {
            "Größe (cm)": classes + random.normal(size=ROWS),
            'say "hi"': random.choice(["x", "y, z", 'q"u', "new\nline"], ROWS),
            "it's $x_{$": random.normal(size=ROWS),
            "2nd column": random.choice([f"value {number}" for number in range(300)], ROWS),
            "both ' and \" \\": classes * 2 + random.normal(size=ROWS),
            "{{ jinja }} {% if %}": random.choice([True, False], ROWS),
            "yes": random.choice(["no", "on"], ROWS),
            "class": np.array(["ä b", "2", "no: x"])[classes],
        }
    )
    return frame.mask(random.random(frame.shape) < 0.05).assign(**{"class": frame["class"]})


def work(made: Scaffolded, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, pd.DataFrame, pd.DataFrame]:
    """Run the project's functions in turn, tables on disk between them; return model, test and new rows."""
    answers = made.answers
    monkeypatch.syspath_prepend(str(made.root / "src"))
    parts = (
        "data.make_dataset",
        "features.build_features",
        "models.choose_model",
        "models.train_model",
        "visualization.visualize",
    )
    data, features, choosing, models, figures = (
        importlib.import_module(f"{answers.package}.{part}") for part in parts
    )
    params = yaml.safe_load((made.root / "params.yaml").read_text(encoding="utf-8"))

    rows = _through_parquet(data.make_dataset(_read(made.root / made.raw_path), answers.target))
    split = features.split_rows(rows, **params["split"])
    train = _through_parquet(split.train)
    choice = choosing.choose_model(train, answers.target, **params["choice"], model=params["model"])
    model = models.train_model(train, answers.target, json.loads(json.dumps(choice)))
    figures.draw_figures(rows, answers.target, made.root / "reports/figures")

    assert list(model.feature_names_in_) == data.FEATURES
    assert 0.1 < len(split.test) / len(rows) < 0.3
    assert (made.root / "reports/figures/target.png").is_file()
    new_rows = data.make_dataset(_read(made.root / made.new_rows_path), answers.target)
    return model, split.test, new_rows


def _read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def _through_parquet(rows: pd.DataFrame) -> pd.DataFrame:
    rows.to_parquet("between.parquet")
    return pd.read_parquet("between.parquet")


def check(root: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=root, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def check_style(root: Path) -> None:
    check(root, "ruff", "check", "--no-cache", ".")
    check(root, "ruff", "format", "--no-cache", "--diff", ".")


def test_starter_of_classification(tmp_dir: TmpDir, monkeypatch: pytest.MonkeyPatch) -> None:
    made = scaffold(Request(tmp_dir / "starter-cancer"))
    model, *both = work(made, monkeypatch)
    assert (made.answers.target, made.answers.positive) == ("diagnosis", "malignant")
    for rows in both:
        assert list(model.classes_) == ["benign", "malignant"]
        assert roc_auc_score(rows["diagnosis"] == "malignant", model.predict_proba(rows)[:, 1]) > 0.95
    check_style(made.root)


def test_starter_of_regression(tmp_dir: TmpDir, monkeypatch: pytest.MonkeyPatch) -> None:
    made = scaffold(Request(tmp_dir / "starter-diabetes", task="regression"))
    model, test, _ = work(made, monkeypatch)
    assert made.answers.target == "progression"
    assert r2_score(test["progression"], model.predict(test)) > 0.3
    check_style(made.root)


@pytest.mark.parametrize("file", ["2020 Ödd data.csv", "odd.csv.gz", "train.parquet"])
def test_odd_names(tmp_dir: TmpDir, monkeypatch: pytest.MonkeyPatch, odd: pd.DataFrame, file: str) -> None:
    if file.endswith(".parquet"):
        nested: list[list[int]] = [[1, 2]] * ROWS
        odd.assign(nested=nested, cat=pd.Categorical(odd["yes"])).to_parquet(file)
    else:
        odd.to_csv(file, index=False)
    made = scaffold(Request(tmp_dir / f"odd-{file.split('.')[-1]}", Path(file), target="class"))
    model, test, new_rows = work(made, monkeypatch)
    for rows in (test, new_rows):
        assert balanced_accuracy_score(rows["class"], model.predict(rows)) > 0.6
    check_style(made.root)


def test_own_tests_and_types_of_a_project_with_a_key(tmp_dir: TmpDir, odd: pd.DataFrame) -> None:
    born = pd.date_range("1980-01-01", periods=ROWS)
    odd.assign(person_id=range(ROWS), born=born.strftime("%d %b %Y")).to_csv("people.csv", index=False)
    made = scaffold(Request(tmp_dir / "people", Path("people.csv"), target="class"))
    assert (made.answers.key, dict(made.answers.dates)) == ("person_id", {"born": "%d %b %Y"})
    check_style(made.root)
    check(made.root, "mypy")
    check(made.root, "pytest", "-q", "-p", "no:cacheprovider")


def test_own_tests_and_types_of_a_project_split_by_time(
    tmp_dir: TmpDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    hours = pd.date_range("2024-01-01", periods=2000, freq="h")
    count = 50 + 30 * np.sin(hours.hour / 24 * 2 * np.pi) + random.normal(size=2000)
    pd.DataFrame(
        {"when": hours.strftime("%m/%d/%Y %H:%M"), "noise": random.normal(size=2000), "count": count}
    ).to_csv("hours.csv", index=False)
    made = scaffold(Request(tmp_dir / "hourly", Path("hours.csv"), target="count"))
    model, test, new_rows = work(made, monkeypatch)
    for rows in (test, new_rows):
        assert r2_score(rows["count"], model.predict(rows)) > 0.9
    check_style(made.root)
    check(made.root, "mypy")
    check(made.root, "pytest", "-q", "-p", "no:cacheprovider")


@pytest.fixture
def sales(tmp_dir: TmpDir) -> Path:
    """Prices, a few of them high, that are a product of two things."""
    random = np.random.default_rng(0)
    person, size, care = random.integers(0, 60, ROWS), random.normal(size=ROWS), random.normal(size=ROWS)
    price = 10 * np.exp(size + care + random.normal(size=ROWS) / 4)
    frame = pd.DataFrame({"person": person, "size": size, "care": care, "step": range(ROWS), "price": price})
    frame.assign(dear=np.where(price > 10, "yes", "no")).to_csv("sales.csv", index=False)
    return Path("sales.csv")


def test_own_tests_and_types_of_a_project_with_a_repeated_key_and_a_skewed_target(
    tmp_dir: TmpDir, monkeypatch: pytest.MonkeyPatch, sales: Path
) -> None:
    made = scaffold(Request(tmp_dir / "sales", sales, target="price", key="person", drop=("dear", "step")))
    assert made.answers.choice.candidates == ("linear", "log_linear", "trees", "log_trees")
    model, test, _ = work(made, monkeypatch)
    # Only the logarithm of a product is a sum.
    assert "TransformedTargetRegressor" in repr(model)
    assert (model.predict(test) >= -1).all()
    check_style(made.root)
    check(made.root, "mypy")
    check(made.root, "pytest", "-q", "-p", "no:cacheprovider", "tests/test_train_model.py")


def test_own_tests_and_types_of_classes_split_by_a_number_of_time(tmp_dir: TmpDir, sales: Path) -> None:
    made = scaffold(Request(tmp_dir / "steps", sales, target="dear", time="step", drop=("price", "person")))
    assert made.answers.choice.folds == 5
    check_style(made.root)
    check(made.root, "mypy")
    check(made.root, "pytest", "-q", "-p", "no:cacheprovider", "tests/test_train_model.py")


@pytest.mark.parametrize("time", [None, "step", "born"])
def test_style_and_types_of_a_project_with_the_longest_name(tmp_dir: TmpDir, time: str | None) -> None:
    """Columns of every kind, so that each import is as long as it can be."""
    random = np.random.default_rng(0)
    born = random.permutation(pd.date_range("1960-01-01", periods=300, freq="41D").strftime("%d.%m.%Y"))
    pd.DataFrame(
        {
            "person": [f"{number:05d}-x" for number in range(300)],
            "step": range(300),
            "size": random.normal(size=300),
            "price": [f"{value:.2f} EUR" for value in random.normal(size=300)],
            "member": random.choice(["yes", "no"], 300),
            "town": random.choice(list("abc"), 300),
            "born": born,
            "group": random.choice(["a", "b"], 300),
        }
    ).to_csv("people.csv", index=False)
    keep = tuple(name for name in ("born", "step") if name != time)
    name = tmp_dir / "a-project-with-the-longest-name0"
    made = scaffold(Request(name, Path("people.csv"), target="group", key="person", time=time, keep=keep))
    assert made.answers.flags
    assert made.answers.written
    check_style(made.root)
    check(made.root, "mypy")


def test_a_project_of_categories_alone(
    tmp_dir: TmpDir, monkeypatch: pytest.MonkeyPatch, odd: pd.DataFrame
) -> None:
    words = odd[["yes", 'say "hi"', "2nd column"]].fillna("no").assign(won=odd["yes"].fillna("no"))
    words.to_csv("words.csv", index=False)
    made = scaffold(Request(tmp_dir / "words", Path("words.csv"), target="won", keep=("yes",)))
    model, test, _ = work(made, monkeypatch)
    assert (model.predict(test) == test["won"]).mean() > 0.9
    assert "knots" not in (made.root / "params.yaml").read_text(encoding="utf-8")
    check_style(made.root)
    check(made.root, "mypy")


def test_a_prediction_needs_nothing_but_raw_columns(
    tmp_dir: TmpDir, monkeypatch: pytest.MonkeyPatch, odd: pd.DataFrame
) -> None:
    odd.to_csv("odd.csv", index=False)
    model, test, _ = work(
        scaffold(Request(tmp_dir / "odd-raw", Path("odd.csv"), target="class")), monkeypatch
    )
    one = pd.DataFrame([dict.fromkeys(test.columns)])
    assert len(model.predict(one)) == 1
