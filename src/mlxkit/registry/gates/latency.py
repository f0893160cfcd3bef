"""How long predictions take, measured here: the model alone, without what a server adds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from mlxkit.registry.gates.verdict import within

if TYPE_CHECKING:
    import pandas as pd

    from mlxkit.project.gates import LatencyGate
    from mlxkit.registry.gates.trial import Trial
    from mlxkit.registry.gates.verdict import GateVerdict

_WARM_UPS, _CALLS = 20, 200
_WARM_UP_SECONDS, _SECONDS, _FEWEST = 3.0, 15.0, 10
"""A slow model gets fewer calls, but never fewer than ten."""


def judge_latency(gate: LatencyGate, trial: Trial) -> GateVerdict:
    """Judge a percentile of the time that `predict` takes, once it is warm.

    Rows are taken from the evaluation rows in turn; one more call takes the next ones.

    Raises:
        DataError: there are no evaluation rows.
    """
    taken = milliseconds(trial, gate.rows)
    value = float(np.percentile(taken, gate.percentile))
    what = "one row" if gate.rows == 1 else f"{gate.rows:,} rows"
    title = f"p{gate.percentile} of {len(taken)} predictions of {what}"
    return within(gate, value, minimum=None, maximum=gate.limit, title=title, unit="ms")


def milliseconds(trial: Trial, rows: int) -> list[float]:
    """Return how long each call took; two gates on as many rows share what was measured."""
    if rows not in trial.timed:
        model, inputs = trial.model, trial.inputs
        _calls(model, inputs, rows, calls=_WARM_UPS, seconds=_WARM_UP_SECONDS, fewest=1)
        trial.timed[rows] = _calls(model, inputs, rows, calls=_CALLS, seconds=_SECONDS, fewest=_FEWEST)
    return trial.timed[rows]


def _calls(
    model: object, inputs: pd.DataFrame, rows: int, *, calls: int, seconds: float, fewest: int
) -> list[float]:
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while len(taken) < calls and (len(taken) < fewest or time.perf_counter() < until):
        start = len(taken) * rows
        part = inputs.take(np.arange(start, start + rows) % len(inputs)).reset_index(drop=True)
        began = time.perf_counter()
        model.predict(part)  # type: ignore[attr-defined]
        taken.append((time.perf_counter() - began) * 1000)
    return taken
