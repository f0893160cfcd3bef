"""Gates on a metric of all evaluation rows: a bound, or better than the champion or the baseline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlxkit.errors import DataError
from mlxkit.project.metrics import direction_of
from mlxkit.registry.contest import compared, training_overlap
from mlxkit.registry.gates.verdict import GateVerdict, shown, title_of, within

if TYPE_CHECKING:
    from mlxkit.evaluation.comparison import Comparison
    from mlxkit.evaluation.training_rows import Overlap
    from mlxkit.project.gates import MetricGate
    from mlxkit.registry.gates.trial import Trial

TOLERATED_SHARE = 0.01
"""Share of the evaluation rows that a champion may know: without a key, new rows can repeat old ones."""
_GUESSING = "guessing"


def judge_metric(gate: MetricGate, trial: Trial) -> GateVerdict:
    """Judge a metric of the model.

    Raises:
        DataError: there is no such metric, or it cannot be compared.
    """
    value = trial.value_of(gate.metric)
    if value is None or not math.isfinite(value):
        bound = gate.minimum if gate.minimum is not None else gate.maximum
        reason = f"{title_of(gate.metric)} cannot be computed for this model on the evaluation rows"
        return GateVerdict(str(gate), False, None, bound, reason)
    if gate.beats is None:
        return within(gate, value, minimum=gate.minimum, maximum=gate.maximum, title=title_of(gate.metric))
    direction = gate.direction or direction_of(gate.metric)
    if direction is None:
        way = "write `direction: higher` or `direction: lower`"
        raise DataError(f"mlx does not know which way '{gate.metric}' is better; {way}")
    if gate.beats == "champion" and trial.champion is None:
        reason = "there is no champion yet, so there is nothing to beat"
        return GateVerdict(str(gate), True, value, None, reason)
    name = _GUESSING if trial.champion is None or gate.beats == "baseline" else trial.champion.name
    known = _overlap(gate, trial)
    if known is not None and (known.share or 0) > TOLERATED_SHARE:
        return GateVerdict(str(gate), False, value, None, unfair(name, known))
    try:
        other = trial.baseline if gate.beats == "baseline" else trial.rival
        comparison = compared(
            trial.project, trial.challenger, other, trial.rows, gate=gate, direction=direction
        )
    except DataError as error:
        reason = f"no comparison with {name}: {error.message}"
        return GateVerdict(str(gate), False, value, None, reason)
    data = trial.rows.data if trial.rows is not None else ""
    return GateVerdict(
        str(gate),
        comparison.better,
        comparison.challenger,
        comparison.champion,
        against(comparison, name, data),
    )


def _overlap(gate: MetricGate, trial: Trial) -> Overlap | None:
    if trial.champion is None or gate.beats == "baseline":
        return None
    return training_overlap(trial.champion.directory, trial.rows)


def unfair(name: str, known: Overlap) -> str:
    """Say that the champion knows the rows."""
    if known.compared == known.rows:
        extent = f"{known.shared:,} of the {known.rows:,} evaluation rows"
    else:
        extent = f"about {known.share:.0%} of the evaluation rows"
    return f"{name} was trained on {extent}, so a comparison on them would not be fair"


def against(comparison: Comparison, name: str, data: str = "") -> str:
    """Say how a comparison with `name` came out; `data` is the hash of the rows that decided."""
    title, gap = title_of(comparison.metric), comparison.difference
    start = f"{title} is {shown(comparison.challenger)} against {shown(comparison.champion)} of {name}"
    if not comparison.rows:
        verdict = f"better by {shown(gap)}" if gap > 0 else _not_better(gap)
        return f"{start}: {verdict}, as both runs recorded it"
    if gap <= 0:
        return f"{start}: {_not_better(gap)}"
    if comparison.better:
        lower = f"and by at least {shown(comparison.lower)} with {_confidence(comparison, data)}"
        return f"{start}: better by {shown(gap)}, {lower}{_exactly(comparison, name)}"
    chance = (
        f"better by {shown(gap)}, but that may be chance: the lower bound is {shown(comparison.lower)} "
        f"with {_confidence(comparison, data)}{_exactly(comparison, name)}"
    )
    needed = comparison.rows_needed
    return f"{start}: {chance}{'' if needed is None else _needed(needed)}"


def _confidence(comparison: Comparison, data: str) -> str:
    rows = f"{comparison.rows:,} rows"
    if comparison.keys is not None:
        rows += f" of {comparison.keys:,} keys"
    if data:
        rows += f" (data {data[:7]})"
    return f"{comparison.confidence * 100:g} % confidence on {rows}"


def _exactly(comparison: Comparison, name: str) -> str:
    if comparison.discordant is None:
        return ""
    ours, theirs = comparison.discordant
    return f", by McNemar's exact test: it alone has {ours:,} rows right, {name} alone {theirs:,}"


def _needed(rows: int) -> str:
    """Say how many rows would tell, to two digits: more would be made up."""
    step = 10 ** max(0, len(str(rows)) - 2)
    return f"; to tell such a difference takes about {math.ceil(rows / step) * step:,} rows"


def _not_better(gap: float) -> str:
    return "no better" if gap == 0 else f"worse by {shown(-gap)}"
