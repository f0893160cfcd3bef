"""The written tree, and that it is written whole or not at all."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import yaml
from made_up import customers, write_csv

from mlxkit.errors import ToolError
from mlxkit.scaffold.project_tree import scaffold
from mlxkit.scaffold.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import TmpDir

TREE = """\
.env.example
.github/dependabot.yml
.github/workflows/ci.yml
.github/workflows/drift.yml
.github/workflows/promote.yml
.github/workflows/train.yml
.gitignore
.mlx-template.json
.pre-commit-config.yaml
Makefile
README.md
data/external/.gitkeep
data/external/new_rows.csv
data/interim/.gitkeep
data/processed/.gitkeep
data/raw/.gitkeep
data/raw/customers.csv
mlx.yaml
models/.gitkeep
notebooks/1.0-{author}-initial-data-exploration.ipynb
params.yaml
pyproject.toml
references/data_dictionary.md
reports/.gitkeep
src/churn_2/__init__.py
src/churn_2/data/__init__.py
src/churn_2/data/make_dataset.py
src/churn_2/features/__init__.py
src/churn_2/features/build_features.py
src/churn_2/models/__init__.py
src/churn_2/models/candidates.py
src/churn_2/models/choose_model.py
src/churn_2/models/cross_validation.py
src/churn_2/models/predict_model.py
src/churn_2/models/train_model.py
src/churn_2/visualization/__init__.py
src/churn_2/visualization/visualize.py
tests/conftest.py
tests/test_build_features.py
tests/test_make_dataset.py
tests/test_model.py
tests/test_pipeline.py
tests/test_raw_data.py
tests/test_train_model.py
tests/test_visualize.py
"""

MLX_YAML = """\
# yaml-language-server: $schema=references/mlx.schema.json
mlx: 1
project: churn-2
package: churn_2
task: classification
target: Churn
positive: "Yes"  # the label counted as positive
key: customerID  # identifies a row
protected: [gender]  # groups that deserve a look of their own

stages:
  prepare:
    call: churn_2.data.make_dataset:make_dataset
    inputs: {raw: data/raw/customers.csv}
    outputs: {customers: data/interim/customers.parquet}
  features:
    call: churn_2.features.build_features:split_rows
    inputs: {customers: data/interim/customers.parquet}
    outputs: {train: data/processed/train.parquet, test: data/processed/test.parquet}
    params: [split]
  choose:
    call: churn_2.models.choose_model:choose_model
    inputs: {train: data/processed/train.parquet}
    outputs: {choice: reports/model_choice.json}
    params: [choice, model]
  train:
    call: churn_2.models.train_model:train_model
    inputs: {train: data/processed/train.parquet, choice: reports/model_choice.json}
    outputs: {model: models/churn-2}
  evaluate: {}  # scores the model on the test rows, into reports/metrics.json
  figures:
    call: churn_2.visualization.visualize:draw_figures
    inputs: {customers: data/interim/customers.parquet}
    outputs: {figures: reports/figures}

promote:
  gates:  # a model is registered only when it passes all of them
    - {metric: roc_auc, min: 0.6}  # low on purpose: raise it once you know the data
    - {metric: roc_auc, beats: champion, confidence: 0.95}

drift: {max_share: 0.3}  # tolerated share of drifted columns
environments: {dev: {}, staging: {}, production: {requires: staging}}
"""

PARAMS_YAML = """\
split:
  test_share: 0.2  # share of the rows kept for testing
  seed: 0  # another seed is another split

choice:
  candidates: [linear, trees]  # from simple to complex; leave one to settle it
  in_doubt: complex  # of candidates that only chance tells apart: simple or complex
  folds: 5
  repeats: 3
  most_rows: 20000  # candidates are compared on so many rows; the chosen one is trained on all

model:
  learning_rate: 0.05
  max_iter: 200  # most trees; cross-validation finds how many do best
  max_leaf_nodes: 15  # size of one tree
  max_features: 0.5  # share of the columns that each split of a tree looks at
  l2_regularization: 1.0
  knots: 4  # of the curve through each number, in a linear model; 0 leaves straight lines
  seed: 0
"""


@pytest.fixture
def request_(tmp_dir: TmpDir) -> Request:
    write_csv(tmp_dir / "customers.csv", **customers())
    return Request(Path("churn-2"), Path("customers.csv"), target="Churn")


def test_the_tree(request_: Request) -> None:
    made = scaffold(request_)
    files = sorted(path.relative_to(made.root).as_posix() for path in made.root.rglob("*") if path.is_file())
    assert "\n".join(files) + "\n" == TREE.replace("{author}", made.answers.author)
    assert (made.root / "mlx.yaml").read_text() == MLX_YAML
    assert (made.root / "params.yaml").read_text() == PARAMS_YAML
    assert (made.raw_path, made.new_rows_path) == (
        Path("data/raw/customers.csv"),
        Path("data/external/new_rows.csv"),
    )


def test_every_row_is_in_one_of_the_two_files(request_: Request) -> None:
    made = scaffold(request_)
    raw, new_rows = (pd.read_csv(made.root / path) for path in (made.raw_path, made.new_rows_path))
    assert (len(raw), len(new_rows)) == (54, 6)
    assert sorted([*raw["customerID"], *new_rows["customerID"]]) == customers()["customerID"]
    assert (made.answers.rows, made.answers.new_rows) == (54, 6)


def test_new_rows_are_the_newest_where_there_is_a_time(request_: Request) -> None:
    days = pd.date_range("2024-01-01", periods=60).strftime("%d/%m/%Y")
    write_csv(Path("customers.csv"), **customers(signup=days))
    made = scaffold(request_)
    assert list(pd.read_csv(made.root / made.new_rows_path)["signup"]) == list(days[-6:])
    assert yaml.safe_load((made.root / "params.yaml").read_text())["split"] == {"cutoff": "2024-02-13"}
    assert "time: signup  #" in (made.root / "mlx.yaml").read_text()


def test_two_projects_from_one_file_are_equal(request_: Request) -> None:
    first, second = (
        scaffold(replace(request_, folder=Path(parent) / "churn")) for parent in _parents("a", "b")
    )
    files = [path.relative_to(first.root) for path in first.root.rglob("*") if path.is_file()]
    assert all((first.root / path).read_bytes() == (second.root / path).read_bytes() for path in files)


def _parents(*names: str) -> Iterator[str]:
    for name in names:
        Path(name).mkdir()
        yield name


def test_an_empty_folder_is_used(request_: Request) -> None:
    Path("churn-2").mkdir()
    assert (scaffold(request_).root / "mlx.yaml").is_file()


def test_nothing_stays_when_the_disk_is_full(request_: Request) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(ToolError) as caught:
            scaffold(request_)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.message == f"the project cannot be written to '{Path.cwd()}/churn-2': File too large"
    assert [path.name for path in Path.cwd().iterdir()] == ["customers.csv"]


def test_what_a_killed_call_left_is_removed(request_: Request) -> None:
    gone = Path(f".churn-2.init-{2**22 + 1}")  # more than any process id
    gone.mkdir()
    scaffold(request_)
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["churn-2", "customers.csv"]


def test_the_command_line_of_a_request() -> None:
    asked = Request(
        Path("churn"), Path("my data.csv"), target="y", task="regression", drop=("a", "b c"), time="t"
    )
    assert (
        asked.command(time=None)
        == "mlx init churn --data 'my data.csv' --target y --task regression --drop 'a,b c'"
    )
