"""Numbers and names as people read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlxkit.project.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlxkit.evaluation.facts import Estimate, Group, Importance, WeakSlice

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
"""What stands where there is no number."""


def number(value: float) -> str:
    """Write a number with three significant digits, large ones with separators: 0.842, 42.9, 17,379."""
    if not math.isfinite(value):
        return NONE
    size = abs(value)
    if size >= 999.5 or (value == int(value) and size < 1e9):
        text = f"{size:,.0f}"
    elif size >= 99.95:
        text = f"{size:.0f}"
    elif size >= 9.995:
        text = f"{size:.1f}"
    elif size >= 0.9995:
        text = f"{size:.2f}"
    elif size >= 0.0005:
        text = f"{size:.3f}"
    else:
        text = f"{size:.1g}"
    return f"{MINUS}{text}" if value < 0 and text.strip("0.") else text


def tick_texts(values: Sequence[float]) -> list[str]:
    """Write the round numbers of an axis with as many digits as the finest of them needs."""
    large = max((abs(value) for value in values), default=0.0)
    if large >= 1e6:
        return [f"{value:.3g}".replace("e+0", "e").replace("e+", "e") for value in values]
    digits = max((len(f"{value:.6f}".rstrip("0").partition(".")[2]) for value in values), default=0)
    return [f"{value:,.{digits}f}".replace("-", MINUS) if value else "0" for value in values]


def signed(value: float) -> str:
    """Write a difference with its sign."""
    text = number(value)
    return text if text.startswith(MINUS) or not text.strip("0.") else f"+{text}"


def interval(estimate: Estimate) -> str:
    """Write an interval: `0.81 to 0.85`; nothing where there is none."""
    if estimate.lower is None or estimate.upper is None:
        return ""
    return f"{number(estimate.lower)} to {number(estimate.upper)}"


def signed_interval(estimate: Estimate) -> str:
    """Write the interval of a difference."""
    if estimate.lower is None or estimate.upper is None:
        return ""
    return f"{signed(estimate.lower)} to {signed(estimate.upper)}"


def of_hundred(share: float) -> str:
    """Write a share as so many of a hundred; small ones with a digit more."""
    hundred = share * 100
    if 0 < hundred < 1:
        return f"{hundred:.1f}" if hundred >= 0.1 else "fewer than 0.1"
    return f"{hundred:.0f}"


def percent(share: float) -> str:
    """Write a share in percent."""
    return f"{share:.0%}" if share >= 0.0995 or share == 0 else f"{share:.1%}"


def volume(size: float) -> str:
    """Write a number of bytes."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1023.5:
            return f"{number(round(size) if unit == 'B' else size)} {unit}"
        size /= 1024
    return f"{number(size)} GiB"


def count(value: int) -> str:
    """Write a whole number with separators."""
    return f"{value:,}"


def rows(value: int) -> str:
    """Write a number of rows."""
    return f"{count(value)} row{'' if value == 1 else 's'}"


def title(metric: str) -> str:
    """Return the name of a metric that people know."""
    known = METRICS.get(metric)
    return metric if known is None else known.title


def listed(words: Sequence[str]) -> str:
    """Join words: `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def conditions(weak: WeakSlice) -> str:
    """Write which rows a slice holds."""
    return " and ".join(
        f"{c.column} = {c.value}" if _is_value(c.value) else f"{c.column} {c.value}" for c in weak.conditions
    )


def _is_value(text: str) -> bool:
    return not text.startswith(("≤ ", "> ")) and " to " not in text


def is_certain(estimate: Estimate | None) -> int:
    """Return 1 or -1 where an interval lies on one side of zero, else 0."""
    if estimate is None or estimate.lower is None or estimate.upper is None:
        return 0
    return 1 if estimate.lower > 0 else -1 if estimate.upper < 0 else 0


def matters(importance: Importance) -> bool:
    """Whether every shuffle of a column made the model worse."""
    return importance.least > 0


def worst_and_best(groups: Sequence[Group], metric: str) -> tuple[Group, Group] | None:
    """Return the groups with the lowest and the highest value of a metric; None with fewer than two."""
    known = [group for group in groups if metric in group.metrics]
    if len(known) < 2:
        return None
    ordered = sorted(known, key=lambda group: group.metrics[metric].value)
    return ordered[0], ordered[-1]
