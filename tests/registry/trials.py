"""Trials made by hand: what a model answers is written down, and no model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlxkit.evaluation.predictions import Predictions
from mlxkit.project.models import Environment, Project
from mlxkit.registry.contest import Contender, Rows
from mlxkit.registry.gates.judge import judge
from mlxkit.registry.gates.trial import Champion, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from mlxkit.project.gates import Gate
    from mlxkit.registry.gates.verdict import GateVerdict

DEV = Environment("dev")


def project(root: Path = Path("/nowhere"), **more: Any) -> Project:
    settings: dict[str, Any] = {"task": "classification", "target": "y", "positive": "Yes", "stages": {}}
    return Project(root=root, name="churn", package="churn", **{**settings, **more})


def trial(
    frame: pd.DataFrame,
    predicted: Sequence[Any],
    *,
    scores: Sequence[float] | None = None,
    champion: Champion | None = None,
    recorded: Mapping[str, float] | None = None,
    own: Mapping[str, Any] | None = None,
    of: Project | None = None,
) -> Trial:
    """A model that answers `predicted` on the rows, with `scores` for the class Yes."""
    given = None
    if scores is not None:
        ones = np.asarray(scores, dtype=float)
        given = np.column_stack([1 - ones, ones])
    answers = Predictions(np.asarray(predicted), given, ("No", "Yes") if given is not None else ())
    challenger = Contender(Path("/nowhere"), recorded or {}, answers)
    return Trial(of or project(), DEV, challenger, Rows(frame, own or {}), champion)


def verdict(gate: Gate, of: Trial) -> GateVerdict:
    (found,) = judge([gate], of)
    assert found.gate == str(gate)
    return found


def words(marks: str) -> list[str]:
    """`1` is Yes, `0` is No."""
    return ["Yes" if mark == "1" else "No" for mark in marks]
