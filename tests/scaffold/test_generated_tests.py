"""The tests of a new project fail when its code or its data goes wrong, each for its own reason."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlxkit.scaffold.project_tree import scaffold
from mlxkit.scaffold.request import Request

pytestmark = pytest.mark.slow

ROWS = 240
PREDICT = "src/sick/models/predict_model.py"
TRAIN = "src/sick/models/train_model.py"
CANDIDATES = "src/sick/models/candidates.py"
DATA = "src/sick/data/make_dataset.py"
FIGURES = "src/sick/visualization/visualize.py"
CHOICE = "src/sick/models/cross_validation.py"
RETURNS = "    return probabilities\n"

# What is done to the code: file, text, what takes its place, and the test that must see it.
FAULTS = {
    "a model that ignores its inputs": (
        TRAIN,
        "train[target])",
        "train[target].sample(frac=1, random_state=0).to_numpy())",
        "test_model.py::test_knows_ten_rows_by_heart",
    ),
    "a parameter that has no effect": (
        CANDIDATES,
        "C=1 / penalty",
        "C=1",
        "test_model.py::test_the_loss_falls_as_it_learns_more",
    ),
    "a number of trees that has no effect": (
        CANDIDATES,
        "max_iter=max_iter",
        "max_iter=10",
        "test_model.py::test_the_loss_falls_as_it_learns_more",
    ),
    "predictions that are missing": (
        PREDICT,
        RETURNS,
        "    probabilities.iloc[0, 1:] = float('nan')\n" + RETURNS,
        "test_model.py::test_a_prediction_for_each_row",
    ),
    "rows without a prediction": (
        PREDICT,
        RETURNS,
        "    return probabilities.head(3)\n",
        "test_model.py::test_a_prediction_for_each_row",
    ),
    "rows whose predictions are lost by their labels": (
        PREDICT,
        "        index=rows.index,\n",
        "",
        "test_model.py::test_a_prediction_for_each_row",
    ),
    "probabilities beyond one": (
        PREDICT,
        "model.predict_proba(rows[FEATURES])",
        "2 * model.predict_proba(rows[FEATURES])",
        "test_model.py::test_a_prediction_for_each_row",
    ),
    "an unknown category that is an error": (
        "src/sick/features/build_features.py",
        'handle_unknown="use_encoded_value",\n        unknown_value=np.nan,\n',
        "",
        "test_model.py::test_a_prediction_for_what_it_has_never_seen",
    ),
    "a prediction that depends on the other rows": (
        PREDICT,
        "    probabilities = ",
        '    rows = rows.assign(size=rows["size"] - rows["size"].mean())\n    probabilities = ',
        "test_model.py::test_other_rows_do_not_matter",
    ),
    "columns by their place": (
        PREDICT,
        "predict_proba(rows[FEATURES])",
        "predict_proba(rows[[name for name in rows if name in FEATURES]].set_axis(FEATURES, axis=1))",
        "test_model.py::test_the_order_of_columns_does_not_matter",
    ),
    "a target among the features": (
        DATA,
        "FEATURES = [",
        'CATEGORIES.append("ill")\nFEATURES = [',
        "test_model.py::test_what_is_no_feature_does_not_matter",
    ),
    "answers that are turned around": (
        PREDICT,
        "model.predict_proba(rows[FEATURES])",
        "1 - model.predict_proba(rows[FEATURES])",
        "test_model.py::test_what_goes_with_a_label_makes_it_likelier",
    ),
    "a seed that is not passed on": (
        CANDIDATES,
        '"random_state": model["seed"]',
        '"random_state": None',
        "test_train_model.py::test_is_the_same_every_time",
    ),
    "rows in another order each time": (
        DATA,
        ".reset_index(drop=True)",
        ".sample(frac=1).reset_index(drop=True)",
        "test_pipeline.py",
    ),
    "folds without a seed": (CHOICE, "random_state=seed + repeat", "random_state=None", "test_pipeline.py"),
    "a stage that makes nothing": (
        FIGURES,
        "    figures.mkdir",
        "    return\n    figures.mkdir",
        "test_pipeline.py",
    ),
}
# What is done to the raw data, and the test that must see it.
SPOILED = {
    "a column that is gone": (lambda raw: raw.drop(columns="size"), "has_the_columns_in_use"),
    "a column that is empty": (
        lambda raw: raw.assign(size=raw["size"].where(raw.index % 10 > 0)),
        "no_more_is_missing_than_at_the_start",
    ),
    "blanks for values": (
        lambda raw: raw.assign(town=raw["town"].where(raw.index % 10 > 0, " ")),
        "no_more_is_missing_than_at_the_start",
    ),
    "numbers in words": (lambda raw: raw.assign(size="big"), "numbers_can_be_read"),
    "dates in another form": (lambda raw: raw.assign(born="01/1980"), "dates_can_be_read"),
    "a person twice": (lambda raw: pd.concat([raw, raw.head(1)]), "a_key_names_one_row"),
    "a new label": (
        lambda raw: raw.assign(ill=raw["ill"].where(raw.index > 5, "perhaps")),
        "labels_are_known",
    ),
    "one label": (lambda raw: raw.assign(ill="yes"), "labels_are_known"),
}


def run_tests(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose tests pass, with columns of each kind and trees that need their seed."""
    folder = tmp_path_factory.mktemp("healthy")
    random = np.random.default_rng(0)
    size, town = random.normal(size=ROWS), random.choice(["a", "b", "c"], ROWS)
    ill = np.where(size + (town == "a") + random.normal(size=ROWS) / 2 > 0.5, "yes", "no")
    born = pd.date_range("1960-01-01", periods=ROWS, freq="41D").strftime("%Y-%m-%d")
    person = [f"{number:04d}-X" for number in random.permutation(ROWS)]
    people = pd.DataFrame({"person": person, "size": size, "weight": random.normal(size=ROWS), "town": town})
    people.assign(born=random.permutation(born), ill=ill).to_csv(folder / "people.csv", index=False)
    root = scaffold(
        Request(folder / "sick", folder / "people.csv", target="ill", key="person", keep=("born",))
    ).root
    done = run_tests(root)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
    return root


@pytest.fixture
def root(healthy: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(healthy, tmp_path / "sick"))


def fails(root: Path, test: str) -> None:
    done = run_tests(root, f"tests/{test}")
    assert done.returncode == 1, done.stdout
    assert f"FAILED tests/{test}" in done.stdout


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_code_is_seen(root: Path, fault: str) -> None:
    file, text, other, test = FAULTS[fault]
    before = (root / file).read_text(encoding="utf-8")
    assert text in before
    (root / file).write_text(before.replace(text, other, 1), encoding="utf-8")
    fails(root, test)


@pytest.mark.parametrize("fault", SPOILED)
def test_a_fault_in_the_data_is_seen(root: Path, fault: str) -> None:
    spoil, test = SPOILED[fault]
    path = root / "data/raw/people.csv"
    spoil(pd.read_csv(path)).to_csv(path, index=False)
    fails(root, f"test_raw_data.py::test_{test}")


def test_without_the_raw_data_the_pipeline_runs_on_made_up_rows(root: Path) -> None:
    (root / "data/raw/people.csv").unlink()
    done = run_tests(root, "tests/test_pipeline.py", "tests/test_raw_data.py", "-rs")
    assert done.returncode == 0, done.stdout
    assert "the raw data is not here; `dvc pull` brings it" in done.stdout


def test_the_pipeline_is_tested_beside_settings_that_lead_elsewhere(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:1")
    monkeypatch.setenv("MLX_ENV", "production")
    mlx_yaml = (root / "mlx.yaml").read_text(encoding="utf-8")
    elsewhere = mlx_yaml.replace("production: {", "production: {tracking: 'http://localhost:1', ").replace(
        "dev: {}", "dev: {tracking: 'http://localhost:1'}"
    )
    assert elsewhere != mlx_yaml
    (root / "mlx.yaml").write_text(elsewhere, encoding="utf-8")
    done = run_tests(root, "tests/test_pipeline.py")
    assert done.returncode == 0, done.stdout
    assert not (root / "dvc.lock").exists()
    assert not (root / "mlflow.db").exists()
