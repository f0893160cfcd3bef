"""Evaluations to draw: real ones of small models, and one written by hand for the exact text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from mlxkit.evaluation.describe import Subject, describe
from mlxkit.evaluation.predictions import predict

if TYPE_CHECKING:
    from mlxkit.evaluation.facts import Evaluation

ODD_NAME = "<b>odd</b> & \"quoted\" | 'column' `x`"
ODD_VALUE = "</td><script>alert(1)</script>"


def rows_of(count: int = 400) -> pd.DataFrame:
    """Rows with a name and values that would break a page that does not escape them."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            ODD_NAME: generator.normal(size=count),
            "group": generator.choice([ODD_VALUE, "größer", "x" * 200], count),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(count), unit="D"),
        }
    )
    frame["number"] = 3 * frame[ODD_NAME] + generator.normal(size=count)
    frame["label"] = np.where(frame["number"] > 0, ODD_VALUE, "no & none")
    frame["third"] = pd.cut(frame["number"], [-np.inf, -2, 2, np.inf], labels=["low", "mid", "high"]).astype(
        str
    )
    return frame


def described(kind: str, rows: pd.DataFrame | None = None) -> Evaluation:
    """Evaluate a small model: `binary`, `several` or `regression`."""
    train, rows = rows_of(), rows_of() if rows is None else rows
    target = {"binary": "label", "several": "third", "regression": "number"}[kind]
    model: Any = LinearRegression() if kind == "regression" else LogisticRegression()
    model.fit(train[[ODD_NAME]], train[target])
    task: Any = "regression" if kind == "regression" else "classification"
    found = predict(model, rows, task, target=target)
    return describe(
        Subject(
            task,
            target,
            rows,
            found,
            model,
            training=train[target],
            positive=ODD_VALUE if kind == "binary" else None,
            time="day",
            protected=("group",),
            costs={"false_positive": 1, "false_negative": 5} if kind == "binary" else None,
            own={"my <own>": 0.25},
        )
    )


@pytest.fixture(scope="session", params=["binary", "several", "regression"])
def found(request: pytest.FixtureRequest) -> Evaluation:
    """An evaluation of each kind."""
    return described(request.param)
