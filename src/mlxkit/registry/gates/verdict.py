"""What a gate says, and how numbers are said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.project.metrics import METRICS

if TYPE_CHECKING:
    from mlxkit.project.gates import Gate


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


def within(
    gate: Gate, value: float, *, minimum: float | None, maximum: float | None, title: str, unit: str = ""
) -> GateVerdict:
    """Judge a value by a bound; one that is no number is refused."""
    least = minimum is not None
    bound = minimum if minimum is not None else maximum
    assert bound is not None
    unit = f" {unit}" if unit else ""
    limit = f"{bound:g}{unit}"
    if not math.isfinite(value):
        return GateVerdict(str(gate), False, None, bound, f"{title} is no number")
    passed = value >= bound if least else value <= bound
    start = f"{title} is {shown(value)}{unit}"
    if passed:
        reason = f"{start}, {'at least' if least else 'at most'} {limit} is required"
    else:
        gap = f"{shown(abs(value - bound))}{unit}"
        reason = f"{start}, {gap} {'short of' if least else 'over'} the required {limit}"
    return GateVerdict(str(gate), passed, value, bound, reason)


def shown(value: float) -> str:
    """Return a number with as many digits as a reader needs."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.001 or size == 0 else f"{value:.1g}"


def title_of(metric: str) -> str:
    """Return a metric's title, or its name in quotes."""
    return METRICS[metric].title if metric in METRICS else f"'{metric}'"


def listed(names: list[str], most: int = 5) -> str:
    """Return some names in a row, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
