"""A check of data counts for the data that it looked at."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from trials import project, trial, verdict, words

from mlxkit.pipeline.lockfile import Locked
from mlxkit.project.gates import CheckedGate
from mlxkit.project.models import Stage

RAW, TABLE = "data/raw.csv", "data/table.parquet"
PREPARE = Locked("prepare", deps={RAW: "aa", "src/prepare.py": "p"}, outs={TABLE: "bb"})
TRAIN = Locked("train", deps={TABLE: "bb"}, outs={"models/churn": "mm"})


CHECK = Stage("check", "stage", inputs={"raw": RAW, "table": TABLE, "other": "other.csv"})
OF = project(stages={"check": CHECK})


@pytest.mark.parametrize(
    ("deps", "passed", "reason"),
    [
        ({RAW: "aa"}, True, "'check' passed on data/raw.csv, as the model saw it"),
        (
            {RAW: "aa", TABLE: "bb"},
            True,
            "'check' passed on data/raw.csv, data/table.parquet, as the model saw it",
        ),
        ({RAW: "old"}, False, "'check' passed on another version of data/raw.csv: run `mlx run check`"),
        ({"other.csv": "x"}, False, "'check' looks at nothing that the model was made from"),
        ({"src/prepare.py": "p"}, False, "'check' looks at nothing that the model was made from"),
    ],
    ids=["raw data", "two", "older data", "something else", "code alone"],
)
def test_what_a_check_looked_at(deps: dict[str, str], passed: bool, reason: str) -> None:
    lock = {"prepare": PREPARE, "train": TRAIN, "check": Locked("check", deps=deps)}
    rows = pd.DataFrame({"y": words("10")})
    found = verdict(CheckedGate("check"), replace(trial(rows, words("10"), of=OF), lock=lambda: lock))
    assert (found.passed, found.reason) == (passed, reason)


def test_a_check_that_never_passed() -> None:
    rows = pd.DataFrame({"y": words("10")})
    of = trial(rows, words("10"), of=OF)
    found = verdict(CheckedGate("check"), replace(of, lock=lambda: {"train": TRAIN}))
    assert (found.passed, found.reason) == (False, "'check' did not end well before this run")
    found = verdict(CheckedGate("check"), of)
    assert (found.passed, found.reason) == (
        False,
        "cannot be judged: the run keeps no dvc.lock that could tell",
    )
