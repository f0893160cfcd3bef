"""Columns that may be known only after the event, as far as names and dates tell. A person must decide."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlxkit.scaffold.dates import to_dates
from mlxkit.scaffold.time_and_key import BIRTH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from mlxkit.scaffold.kinds import Content
    from mlxkit.scaffold.target import Target

_MOST = 0.95
_SHORTEST_NAME = 3


def doubtful_columns(
    frame: pd.DataFrame,
    contents: Mapping[str, Content],
    target: Target,
    time: str | None,
    names: Sequence[str],
) -> tuple[str, ...]:
    """Return a warning for each of the columns `names` that is dated later, or named after the target."""
    doubts = []
    wanted = _words(target.name)
    for name in names:
        later = 0.0 if time is None else _share_later(frame, contents, time, name)
        if later >= _MOST:
            doubts.append(f"'{name}' lies after '{time}' in {100 * later:.0f} % of rows")
        elif len(target.name) >= _SHORTEST_NAME and wanted < _words(name):
            doubts.append(f"'{name}' is named after the target '{target.name}'")
    return tuple(f"{doubt}: if it is known only afterwards, leave it out with --drop" for doubt in doubts)


def _share_later(frame: pd.DataFrame, contents: Mapping[str, Content], time: str, name: str) -> float:
    """Return in which share of the rows a column of dates is later than the time; 0 for other columns."""
    if BIRTH.search(name) or not contents[time].kind == contents[name].kind == "date":
        return 0.0
    times = to_dates(frame[time], contents[time].date_format)
    dates = to_dates(frame[name], contents[name].date_format)
    both = dates.notna() & times.notna()
    return float((dates[both] > times[both]).mean()) if both.any() else 0.0


def _words(name: str) -> frozenset[str]:
    return frozenset(word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|\d+", name))
