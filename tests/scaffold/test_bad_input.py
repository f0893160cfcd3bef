"""What cannot be used: each case with the exact error."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from made_up import customers, write_csv

from mlxkit.errors import DataError, MlxError, UsageError
from mlxkit.scaffold.project_tree import scaffold
from mlxkit.scaffold.request import Request

if TYPE_CHECKING:
    from conftest import TmpDir


def refused(data: str | None = "c.csv", folder: str = "churn", **options: Any) -> MlxError:
    with pytest.raises(MlxError) as caught:
        scaffold(Request(Path(folder), Path(data) if data else None, **options))
    return caught.value


FILES = {
    "missing.csv": (None, "there is no file 'missing.csv'", "run `ls .`"),
    "folder.csv": (
        {},
        "'folder.csv' is a folder",
        "name one file with a table in it, or say `--template torch` for a folder of images",
    ),
    "empty.csv": ("", "'empty.csv' is empty", "use a file with a header row and data rows"),
    "blank.csv": ("\n \n", "'blank.csv' is empty", "use a file with a header row and data rows"),
    "header.csv": ("a,b\n", "'header.csv' has a header but no rows", "use a file with at least 20 rows"),
    "one.csv": ("a,b\n1,2\n", "'one.csv' has one row", "use a file with at least 20 rows"),
    "few.csv": ("a,b\n1,2\n3,4\n", "'few.csv' has 2 rows", "use a file with at least 20 rows"),
    "repeated.csv": (
        "a,b\n" + "1,2\n3,4\n" * 30,
        "'repeated.csv' has 2 different rows, which the others repeat",
        "use a file with at least 20 different rows",
    ),
    "my folder/missing.csv": (None, "there is no file 'my folder/missing.csv'", "run `ls 'my folder'`"),
    "binary.csv": (
        b"a,b\n1,\0\x81\n",
        "'binary.csv' is no text: byte 0x00 in line 2",
        "run `file binary.csv`",
    ),
    "ragged.csv": (
        "a,b\n1,2\n1,2,3\n",
        "'ragged.csv' is no regular CSV: Expected 2 fields in line 3, saw 3",
        "quote values that hold a separator or a line break",
    ),
    "nameless.csv": (
        "a,b\n" + "1,2,3\n" * 30,
        "'nameless.csv' is no regular CSV: its rows have more values than its header has names",
        "add the missing column name to the first line",
    ),
    "single.csv": (
        "a\n1\n2\n",
        "'single.csv' has one column, 'a'",
        "a model needs a target and something to learn from",
    ),
    "short.csv.gz": (
        gzip.compress(b"a,b\n" + b"1,2\n" * 99)[:-12],
        "'short.csv.gz' cannot be read: Compressed file ended before the end-of-stream marker was reached",
        "run `file short.csv.gz`",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_dir: TmpDir, name: str) -> None:
    content, message, hint = FILES[name]
    if content is not None:
        (tmp_dir / name).mkdir() if content == {} else tmp_dir.gen(name, content)
    error = refused(name, target="b")
    assert (type(error), error.message, error.hint) == (DataError, message, hint)
    assert not (tmp_dir / "churn").exists()


BASE = "mlx init churn --data c.csv --target"
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "no such column": (
        {},
        {"target": "churned"},
        "'c.csv' has no column 'churned', did you mean 'Churn'?",
        f"run `{BASE} Churn`",
    ),
    "no column at all like it": (
        {},
        {"target": "Churn", "key": "zzz"},
        "'c.csv' has no column 'zzz'",
        "name another column after --key",
    ),
    "drop": (
        {},
        {"target": "Churn", "drop": ("tenure", "Gender")},
        "'c.csv' has no column 'Gender', did you mean 'gender'?",
        f"run `{BASE} Churn --drop tenure,gender`",
    ),
    "two parts": (
        {},
        {"target": "Churn", "drop": ("Churn",)},
        "column 'Churn' is given to both --target and --drop",
        "leave one of the two options away",
    ),
    "no values": (
        {"Churn": None},
        {"target": "Churn"},
        "target 'Churn' has no values",
        "name another column after --target",
    ),
    "constant": (
        {"Churn": "No"},
        {"target": "Churn"},
        "target 'Churn' is constant: always 'No'",
        "name another column after --target",
    ),
    "text that is never twice the same": (
        {},
        {"target": "customerID"},
        "target 'customerID' holds text that differs in every row",
        "name another column after --target",
    ),
    "numbers that are never twice the same": (
        {"Churn": range(60)},
        {"target": "Churn", "task": "classification"},
        "target 'Churn' has a different value in every row: there are no classes",
        f"run `{BASE} Churn --task regression`",
    ),
    "dates": (
        {"Churn": pd.date_range("2024-01-01", periods=60)},
        {"target": "Churn"},
        "target 'Churn' holds dates",
        "name another column after --target",
    ),
    "regression of text": (
        {},
        {"target": "Churn", "task": "regression"},
        "target 'Churn' holds text, and regression needs numbers",
        f"run `{BASE} Churn --task classification`",
    ),
    "classes with one row": (
        {"Churn": ["a", "b", "c", "d", *["No", "Yes"] * 28]},
        {"target": "Churn"},
        "target 'Churn' has classes with one row only: 'a', 'b', 'c' and 1 more",
        "remove these rows, or give them a class with more rows",
    ),
    "whole numbers with one row": (
        {"Churn": [7, *[1, 2, 3] * 19, 1, 2]},
        {"target": "Churn"},
        "target 'Churn' has classes with one row only: 7",
        f"run `{BASE} Churn --task regression`",
    ),
    "positive": (
        {},
        {"target": "Churn", "positive": "maybe"},
        "'maybe' is not a value of target 'Churn', which holds 'No' and 'Yes'",
        f"run `{BASE} Churn --positive Yes`",
    ),
    "positive of numbers": (
        {},
        {"target": "tenure", "positive": "1"},
        "a positive label needs a target with two classes, and 'tenure' has numbers",
        f"run `{BASE} tenure`",
    ),
    "time of text": (
        {},
        {"target": "Churn", "time": "gender"},
        "column 'gender' holds neither dates nor numbers",
        f"run `{BASE} Churn`",
    ),
    "too few times": (
        {"year": [2023, 2024] * 30},
        {"target": "Churn", "time": "year"},
        "column 'year' has 2 different times, and a split by time needs 10",
        f"run `{BASE} Churn`",
    ),
    "one class in the future": (
        {"day": range(60), "Churn": ["Yes", "No"] * 15 + ["No"] * 30},
        {"target": "Churn", "time": "day"},
        "column 'day' leaves a single class from 43, where a split by time would fall",
        f"run `{BASE} Churn`",
    ),
    "nothing left to learn from": (
        {},
        {"target": "Churn", "drop": ("gender", "tenure", "TotalCharges")},
        "'c.csv' has no column left to learn 'Churn' from",
        "use a file with more columns, or fewer columns after --drop",
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_columns_and_options(tmp_dir: TmpDir, case: str) -> None:
    columns, options, message, hint = OPTIONS[case]
    write_csv(tmp_dir / "c.csv", **customers(**columns))
    error = refused(**options)
    assert (type(error), error.message, error.hint) == (DataError, message, hint)
    assert not (tmp_dir / "churn").exists()


@pytest.mark.parametrize(
    ("columns", "guess"),
    [
        ({}, "Churn"),
        ({"last": 1}, "Churn"),
        ({"Churn": 1, "label": 2}, "label"),
        ({"Target": 3, "last": 1}, "Target"),
    ],
)
def test_no_target(tmp_dir: TmpDir, columns: dict[str, Any], guess: str) -> None:
    write_csv(tmp_dir / "c.csv", **customers(**columns))
    error = refused()
    assert type(error) is UsageError
    assert error.message == "which column of 'c.csv' is to be predicted?"
    assert error.hint == f"run `mlx init churn --data c.csv --target {guess}`"
    assert error.context == (f"columns: {', '.join(customers(**columns))}",)


RULE = "it takes a letter first, then letters, digits, '-' and '_'"
LIBRARY = "would hide the installed library of that name"
NAMES = {
    "2churn": (f"'2churn' cannot be a project's name: {RULE}", "churn-2"),
    "a/my data": (f"'my data' cannot be a project's name: {RULE}", "a/my-data"),
    "churn-": (f"'churn-' cannot be a project's name: {RULE}", "churn"),
    "Größe": (f"'Größe' cannot be a project's name: {RULE}", "groe"),
    "x" * 33: (
        f"'{'x' * 33}' cannot be a project's name: it has 33 characters, and 32 is the most",
        "x" * 32,
    ),
    "class": ("'class' cannot be a project's name: 'class' is a word of the Python language", "class-model"),
    "test": (
        "'test' cannot be a project's name: its package 'test' would hide a module that Python or mlx needs",
        "test-model",
    ),
    "JSON": (
        "'JSON' cannot be a project's name: its package 'json' would hide a module that Python or mlx needs",
        "json-model",
    ),
    "pandas": (
        f"'pandas' cannot be a project's name: its package 'pandas' {LIBRARY}",
        "pandas-model",
    ),
    "mlflow": (
        f"'mlflow' cannot be a project's name: its package 'mlflow' {LIBRARY}",
        "mlflow-model",
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_project_names(tmp_dir: TmpDir, name: str) -> None:
    message, suggested = NAMES[name]
    error = refused(None, name)
    assert (type(error), error.message, error.hint) == (UsageError, message, f"run `mlx init {suggested}`")
    assert list(tmp_dir.iterdir()) == []


def test_folder_that_is_not_empty(tmp_dir: TmpDir) -> None:
    tmp_dir.gen("churn/notes.txt", "mine")
    error = refused(None)
    assert error.message == "folder 'churn' exists and is not empty"
    assert (
        error.hint == "run `mlx init churn-2`, or `mlx init --adopt churn` to make a project of what is in it"
    )
    assert (tmp_dir / "churn/notes.txt").read_text() == "mine"


def test_folder_that_is_a_file(tmp_dir: TmpDir) -> None:
    tmp_dir.gen("churn", "mine")
    error = refused("c.csv", target="y")
    assert error.message == "'churn' exists and is no folder"
    assert error.hint == "run `mlx init churn-2 --data c.csv --target y`"


def test_folder_without_a_parent(tmp_dir: TmpDir) -> None:
    error = refused(None, "models/churn")
    assert (error.message, error.hint) == ("there is no folder 'models'", "run `mkdir -p models`")


def test_the_current_folder(tmp_dir: TmpDir) -> None:
    (tmp_dir / "churn").mkdir()
    with contextlib.chdir("churn"):
        error = refused(None, ".")
    assert error.message == "a project gets a new folder, and this is the current one"
    assert error.hint == "run `cd .. && mlx init churn-2`"


def test_unknown_template(tmp_dir: TmpDir) -> None:
    error = refused(None, template="tabluar")
    assert (error.message, error.context) == (
        "there is no template 'tabluar'",
        ("templates: tabular, torch",),
    )
    assert error.hint == "run `mlx init churn`"


@pytest.mark.parametrize("option", ["target", "time", "key", "positive"])
def test_column_options_without_a_file(tmp_dir: TmpDir, option: str) -> None:
    error = refused(None, **{option: "x"})
    assert error.message == f"'--{option}' goes with '--data'; the starter data has its own"
    assert error.hint == f"run `mlx init churn --data FILE --{option} x`"
