from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from mlxkit.errors import DataError
from mlxkit.evaluation.training_rows import TRAINING_ROWS_FILE, fingerprint
from mlxkit.monitoring import champion

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Mlx, TmpDir

ROWS = pd.DataFrame({"charges": ["1.5", " ", "x"], "senior": [0, 1, 0], "plan": ["a", "b", "a"]})


def test_a_file_with_new_rows_that_cannot_be_used(mlx: Mlx, tmp_dir: TmpDir) -> None:
    files = {
        "new/rows.txt": "a",
        "empty.csv": "",
        "header.csv": "a,b\n",
        "bad.parquet": "a",
        "here.csv.dvc": "",
    }
    tmp_dir.gen({"mlx.yaml": PROJECT, **files})
    hint = "hint: give a CSV, Parquet or JSON file with the columns of the raw data\n"
    messages = {
        "new": "error: 'new' is a folder\nhint: name one file with new rows in it\n",
        "new/nope.csv": "error: there is no file 'new/nope.csv'\nhint: run `ls new`\n",
        "here.csv": "error: there is no file 'here.csv'\nhint: run `dvc pull here.csv`\n",
        "new/rows.txt": "error: 'new/rows.txt' is no table: its suffix must be one of .csv, .csv.gz, .tsv, "
        f".tsv.gz, .parquet, .json, .jsonl\n{hint}",
        "empty.csv": "error: 'empty.csv' cannot be read as a table: No columns to parse from file\n" + hint,
        "header.csv": "error: 'header.csv' has no rows\nhint: name a file with new rows\n",
    }
    for name, message in messages.items():
        done = mlx("drift", "--data", name)
        assert (done.code, done.out, done.err) == (2, "", message)
    assert mlx("drift", "--data", "bad.parquet").err.endswith(hint)


PROJECT = """\
mlx: 1
project: churn
package: churn
task: classification
target: churn
stages:
  first: {cmd: touch out.txt, outputs: [out.txt]}
"""


def test_columns_are_drawn_as_they_were_profiled() -> None:
    kinds = {"charges": "numeric", "senior": "categorical", "gone": "numeric"}
    drawn = champion._as_profiled(ROWS, kinds)
    assert list(drawn.columns) == ["charges", "senior"]
    assert drawn["charges"].tolist()[0] == 1.5
    assert drawn["charges"].isna().tolist() == [False, True, True]
    assert drawn["senior"].tolist() == ["0", "1", "0"]


@pytest.mark.parametrize(
    ("rows", "same"),
    [
        (ROWS, True),
        (ROWS[::-1], True),
        (ROWS[:2], False),
        (ROWS.assign(senior=1), False),
        (ROWS[["plan"]], False),
    ],
)
def test_whether_these_are_the_champions_training_rows(
    tmp_path: Path, rows: pd.DataFrame, same: bool
) -> None:
    seen = fingerprint(ROWS, columns=list(ROWS.columns))
    (tmp_path / TRAINING_ROWS_FILE).write_bytes(seen.to_json())
    assert champion._trained_on(tmp_path, rows) is same


def test_a_damaged_fingerprint_is_said(tmp_path: Path) -> None:
    (tmp_path / TRAINING_ROWS_FILE).write_text("{}")
    with pytest.raises(DataError, match="is no record of training rows"):
        champion._trained_on(tmp_path, ROWS)
