"""What is inferred about columns, target and task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from made_up import customers, write_csv

from mlxkit.scaffold.reading import read_data
from mlxkit.scaffold.request import Request
from mlxkit.scaffold.roles import Roles, assign_roles

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import TmpDir

ROWS = 200
RANDOM = np.random.default_rng(0)
DAYS = pd.date_range("2024-01-01", periods=ROWS)


def roles_of(folder: Path, columns: dict[str, Any], **options: Any) -> Roles:
    path = write_csv(folder / "c.csv", **columns)
    return assign_roles(read_data(path), Request(folder / "churn", path, **({"target": "Churn"} | options)))


def test_a_small_churn_table(tmp_dir: TmpDir) -> None:
    roles = roles_of(tmp_dir, customers(SeniorCitizen=[0, 1] * 30))
    assert [(c.name, c.role, c.kind, c.why) for c in roles.columns] == [
        ("customerID", "key", "text", "an identifier: no value twice"),
        ("gender", "feature", "text", "text, 2 values"),
        ("tenure", "feature", "number", "numbers"),
        ("TotalCharges", "feature", "number as text", "text that holds numbers"),
        ("Churn", "target", "boolean", "2 classes; 'Yes' is the positive one"),
        ("SeniorCitizen", "feature", "boolean", "0 or 1"),
    ]
    assert (roles.target.task, roles.target.positive) == ("classification", "Yes")
    assert roles.protected == ("gender", "SeniorCitizen")
    assert roles.columns[3].missing == pytest.approx(1 / 60)
    assert roles.warnings == ("class 'Yes' of 'Churn' has 15 rows only",)


COLUMNS: dict[str, tuple[Any, tuple[str, str, str]]] = {
    "order_id": (range(7000, 7000 + ROWS), ("key", "number", "an identifier: no value twice")),
    "instant": (range(1, ROWS + 1), ("key", "number", "an identifier: no value twice")),
    "income": (RANDOM.permutation(10 * ROWS)[:ROWS], ("feature", "number", "numbers")),
    "Unnamed: 0": (range(ROWS), ("dropped", "number", "row numbers")),
    "store_id": (np.arange(ROWS) // 2, ("dropped", "number", "an identifier that repeats: 100 values")),
    "region_id": (np.arange(ROWS) % 5, ("feature", "number", "numbers")),
    "flag": (np.arange(ROWS) % 3 == 0, ("feature", "boolean", "true or false")),
    "constant": ("x", ("dropped", "constant", "constant: always 'x'")),
    "nothing": (None, ("dropped", "empty", "no values")),
    "blanks": (" ", ("dropped", "empty", "no values")),
    "name": (
        [f"Mr {number // 2} Smith" for number in range(ROWS)],
        ("feature", "text", "text, 100 values"),
    ),
    "note": (
        [f"number {number} called again" for number in range(ROWS)],
        ("dropped", "text", "text that differs in most rows: 200 values"),
    ),
    "essay": ([f"{number % 60} {'long ' * 20}" for number in range(ROWS)], ("dropped", "text", "free text")),
    "amount": (
        ["odd", *(f"{number / 7:.3f}" for number in range(ROWS - 1))],
        ("feature", "number as text", "text that holds numbers; 'odd' and the like become missing"),
    ),
    "day": (DAYS, ("time", "date", "the only column of dates; the rows are split by it")),
    "us_day": (
        DAYS.strftime("%m/%d/%Y"),
        ("time", "date", "the only column of dates like %m/%d/%Y; the rows are split by it"),
    ),
    "eu_time": (
        DAYS.strftime("%d.%m.%Y 12:30"),
        ("time", "date", "the only column of dates like %d.%m.%Y %H:%M; the rows are split by it"),
    ),
    "date_of_birth": (DAYS, ("feature", "date", "dates")),
    "version": ([f"1.{number % 9}.0" for number in range(ROWS)], ("feature", "text", "text, 9 values")),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_one_column(tmp_dir: TmpDir, name: str) -> None:
    values, expected = COLUMNS[name]
    columns = {name: values, "x": RANDOM.normal(size=ROWS), "Churn": ["No", "Yes"] * (ROWS // 2)}
    column = roles_of(tmp_dir, columns).columns[0]
    assert (column.role, column.kind, column.why) == expected


TARGETS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "text": (["b", "a", "b", "c"] * 50, ("classification", ("b", "a", "c"), None)),
    "yes and no": (["no", "yes"] * 100, ("classification", ("no", "yes"), "yes")),
    "the rarer one": (["good", "bad", "good", "good"] * 50, ("classification", ("good", "bad"), "bad")),
    "booleans": ([True, True, True, False] * 50, ("classification", (True, False), True)),
    "0 and 1": ([1, 1, 1, 0] * 50, ("classification", (1, 0), 1)),
    "0 and 1 with gaps": ([1, None, 1, 0] * 50, ("classification", (1, 0), 1)),
    "few whole numbers": ([3, 4, 5, 4] * 50, ("classification", (4, 3, 5), None)),
    "few fractions": ([0.5, 1.5] * 100, ("regression", (), None)),
    "many numbers": (range(200), ("regression", (), None)),
    "numbers as text": ([" ", *map(str, range(199))], ("regression", (), None)),
}


@pytest.mark.parametrize("case", TARGETS)
def test_task_classes_and_positive_label(tmp_dir: TmpDir, case: str) -> None:
    values, expected = TARGETS[case]
    target = roles_of(tmp_dir, {"x": RANDOM.normal(size=ROWS), "Churn": values}).target
    assert (target.task, target.classes, target.positive) == expected


def test_options_come_before_what_is_inferred(tmp_dir: TmpDir) -> None:
    columns = {"a": DAYS, "b": DAYS, "code": np.arange(ROWS) // 2, "x": 1.5, "Churn": range(ROWS)}
    roles = roles_of(tmp_dir, columns, time="b", key="code", drop=("a",), task="regression")
    assert {c.name: (c.role, c.why) for c in roles.columns if c.role in {"time", "key"}} == {
        "b": ("time", "given by --time; the rows are split by it"),
        "code": ("key", "given by --key"),
    }
    assert roles.columns[0].why == "left out by --drop"
    assert roles.warnings == ("key 'code' repeats in 100 rows; these stay together in the split",)


def test_positive_is_found_by_its_text(tmp_dir: TmpDir) -> None:
    columns = customers(Churn=[True, False] * 30)
    assert roles_of(tmp_dir, columns, positive="false").target.positive is False


def test_warnings(tmp_dir: TmpDir) -> None:
    columns = {
        "a": DAYS,
        "b": DAYS,
        "x": 0.5,
        "Churn": [None, "rare", "rare", *["No", "Yes", "Yes"] * 65, "No", "Yes"],
    }
    frame = pd.DataFrame(columns).iloc[[*range(ROWS), 5]]
    assert roles_of(tmp_dir, dict(frame.items())).warnings == (
        "class 'rare' of 'Churn' has 2 rows only",
        "one row has no 'Churn' and is left out",
        "several columns hold dates ('a', 'b'); name one after --time to split the rows by it",
        "one row repeats another row and is left out",
    )


def test_dates_that_cannot_split_the_rows(tmp_dir: TmpDir) -> None:
    roles = roles_of(tmp_dir, customers(opened=["2023-01-01", "2024-01-01"] * 30))
    reason = "'opened' has 2 different times, and a split by time needs 10"
    assert roles.warnings[-1] == f"rows are not split by time: {reason}"
    assert roles.column("time") is None
