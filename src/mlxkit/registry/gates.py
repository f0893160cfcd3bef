"""The gates of a promotion: judgement alone, from numbers that others measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.errors import ConfigError, DataError
from mlxkit.project.metrics import METRICS, direction_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlxkit.evaluation.comparison import Comparison
    from mlxkit.evaluation.training_rows import Overlap
    from mlxkit.project.models import Direction, Gate, Task

TOLERATED_SHARE = 0.01
"""Share of the evaluation rows that a champion may know: without a key, new rows can repeat old ones."""


@dataclass(frozen=True)
class GateVerdict:
    """What one gate says.

    Attributes:
        observed: the challenger's value; None when it has none.
        required: the bound, or the champion's value; None when there is nothing to compare with.
        reason: one sentence.
    """

    gate: str
    passed: bool
    observed: float | None
    required: float | None
    reason: str


@dataclass(frozen=True)
class Rival:
    """The champion, as far as a gate must know it.

    Attributes:
        name: such as "version 3".
        overlap: how many of the evaluation rows it was trained on; None when that is not known.
        compare: measures the challenger against it.
    """

    name: str
    overlap: Overlap | None
    compare: Callable[[Gate, Direction], Comparison]


def judge(
    gates: Sequence[Gate], *, task: Task, metrics: Mapping[str, float], rival: Rival | None
) -> tuple[GateVerdict, ...]:
    """Judge a challenger with these metrics by every gate.

    Raises:
        ConfigError: a gate names a metric that there is not, or one whose direction nobody knows.
    """
    _check(gates, task, metrics)
    return tuple(_verdict(gate, metrics.get(gate.metric), rival) for gate in gates)


def shown(value: float) -> str:
    """Return a number with as many digits as a reader needs."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.001 or size == 0 else f"{value:.1g}"


def _verdict(gate: Gate, value: float | None, rival: Rival | None) -> GateVerdict:
    if value is None:
        bound = gate.minimum if gate.minimum is not None else gate.maximum
        reason = f"{_title(gate.metric)} cannot be computed for this model on the evaluation rows"
        return GateVerdict(str(gate), False, None, bound, reason)
    if gate.minimum is not None:
        return _bound(gate, value, gate.minimum, passed=value >= gate.minimum)
    if gate.maximum is not None:
        return _bound(gate, value, gate.maximum, passed=value <= gate.maximum)
    if rival is None:
        reason = "there is no champion yet, so there is nothing to beat"
        return GateVerdict(str(gate), True, value, None, reason)
    return _against(gate, value, rival)


def _bound(gate: Gate, value: float, bound: float, *, passed: bool) -> GateVerdict:
    least = gate.minimum is not None
    title, limit = _title(gate.metric), f"{bound:g}"
    if passed:
        reason = f"{title} is {shown(value)}, {'at least' if least else 'at most'} {limit} is required"
    else:
        gap = shown(abs(value - bound))
        reason = f"{title} is {shown(value)}, {gap} {'short of' if least else 'over'} the required {limit}"
    return GateVerdict(str(gate), passed, value, bound, reason)


def _against(gate: Gate, value: float, rival: Rival) -> GateVerdict:
    known = rival.overlap
    if known is not None and (known.share or 0) > TOLERATED_SHARE:
        return GateVerdict(str(gate), False, value, None, _unfair(rival.name, known))
    try:
        comparison = rival.compare(gate, _direction(gate))
    except DataError as error:
        reason = f"no comparison with {rival.name}: {error.message}"
        return GateVerdict(str(gate), False, value, None, reason)
    passed = comparison.better
    return GateVerdict(
        str(gate), passed, comparison.challenger, comparison.champion, _compared(comparison, rival.name)
    )


def _unfair(name: str, known: Overlap) -> str:
    if known.compared == known.rows:
        extent = f"{known.shared:,} of the {known.rows:,} evaluation rows"
    else:
        extent = f"about {known.share:.0%} of the evaluation rows"
    return f"{name} was trained on {extent}, so a comparison on them would not be fair"


def _compared(comparison: Comparison, name: str) -> str:
    title, gap = _title(comparison.metric), comparison.difference
    start = f"{title} is {shown(comparison.challenger)} against {shown(comparison.champion)} of {name}"
    if not comparison.resamples:
        verdict = f"better by {shown(gap)}" if gap > 0 else _not_better(gap)
        return f"{start}: {verdict}, as both runs recorded it"
    confidence = f"{comparison.confidence * 100:g} % confidence on {comparison.rows:,} rows"
    if comparison.keys is not None:
        confidence += f" of {comparison.keys:,} keys"
    if comparison.better:
        return f"{start}: better by {shown(gap)}, and by at least {shown(comparison.lower)} with {confidence}"
    if gap <= 0:
        return f"{start}: {_not_better(gap)}"
    return (
        f"{start}: better by {shown(gap)}, but that may be chance: "
        f"the lower bound is {shown(comparison.lower)} with {confidence}"
    )


def _not_better(gap: float) -> str:
    return "no better" if gap == 0 else f"worse by {shown(-gap)}"


def _title(metric: str) -> str:
    return METRICS[metric].title if metric in METRICS else f"'{metric}'"


def _direction(gate: Gate) -> Direction:
    return gate.direction or direction_of(gate.metric) or "higher"


def _check(gates: Sequence[Gate], task: Task, metrics: Mapping[str, float]) -> None:
    problems, hint = [], ""
    for number, gate in enumerate(gates):
        where = f"mlx.yaml promote.gates[{number}]"
        known = gate.metric in METRICS and METRICS[gate.metric].task == task
        if not known and gate.metric not in metrics:
            problems.append(f"{where}: there is no metric '{gate.metric}'")
            names = sorted(name for name in metrics if not name.startswith("baseline."))
            hint = hint or f"use one of: {', '.join(names)}"
        elif gate.beats and gate.direction is None and direction_of(gate.metric) is None:
            problems.append(f"{where}: mlx does not know which way '{gate.metric}' is better")
            hint = f"- {{metric: {gate.metric}, beats: champion, direction: higher}}"
    if problems:
        raise ConfigError("the gates of the promotion cannot be judged", context=problems, hint=hint)
