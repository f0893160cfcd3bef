"""The rows by period of a time column, in a unit that gives a handful of periods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlxkit.evaluation.columns import coerce

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNITS = (("year", "Y"), ("quarter", "Q"), ("month", "M"), ("week", "W"), ("day", "D"), ("hour", "h"))
_FEWEST, _MOST = 6, 60


@dataclass(frozen=True, eq=False)
class Periods:
    """Rows by period, in the order of time; `codes` is -1 for a row without a time."""

    unit: str
    starts: tuple[str, ...]
    codes: NDArray[np.intp]


def periods(column: pd.Series[Any]) -> Periods | None:
    """Return the rows by the coarsest unit with at least six periods; None where there are not two."""
    seconds = coerce(column, "datetime").to_numpy(dtype=np.float64)
    known = np.isfinite(seconds)
    stamps = pd.Series(pd.to_datetime(seconds[known], unit="s"))
    best: Periods | None = None
    for unit, code in _UNITS:
        codes, distinct = pd.factorize(stamps.dt.to_period(code), sort=True)
        if len(distinct) > _MOST:
            break
        if len(distinct) >= 2:
            all_codes = np.full(len(seconds), -1, dtype=np.intp)
            all_codes[known] = codes
            best = Periods(unit, tuple(_start(period, unit) for period in distinct), all_codes)
        if len(distinct) >= _FEWEST:
            break
    return best


def _start(period: Any, unit: str) -> str:
    start = period.start_time
    match unit:
        case "year":
            return str(start.strftime("%Y"))
        case "quarter":
            return f"{start.year} Q{(start.month + 2) // 3}"
        case "month":
            return str(start.strftime("%Y-%m"))
        case "hour":
            return str(start.strftime("%Y-%m-%d %H:%M"))
    return str(start.strftime("%Y-%m-%d"))
