"""Which rows stay out of the project's raw data, and where its split by time falls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlxkit.scaffold.dates import to_dates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlxkit.scaffold.kinds import Kind

HELD_OUT_SHARE = 0.1
TRAIN_SHARE = 0.8
_FEWEST_TIMES = 10


def as_times(column: pd.Series, kind: Kind, date_format: str) -> pd.Series | None:
    """Return a column as points in time, dates or numbers; None when it holds neither."""
    if kind == "date":
        return to_dates(column, date_format)
    if kind in {"number", "number as text"}:
        return pd.to_numeric(column, errors="coerce")
    return None


def hold_out_newest(times: pd.Series) -> NDArray[np.bool_]:
    """Mark the newest rows; rows without a time count as the oldest."""
    order = np.argsort(times.rank(method="first", na_option="top").to_numpy(), kind="stable")
    held = np.zeros(len(times), dtype=bool)
    held[order[len(times) - _count(len(times)) :]] = True
    return held


def hold_out_random(groups: pd.Series | None, rows: int, *, seed: int) -> NDArray[np.bool_]:
    """Mark random rows: from each group (a class) its share, so that a rare one is not used up."""
    generator = np.random.default_rng(seed)
    held = np.zeros(rows, dtype=bool)
    if groups is None:
        held[generator.permutation(rows)[: _count(rows)]] = True
        return held
    order = generator.permutation(rows)
    codes = pd.factorize(groups, sort=True)[0][order]
    # The rank of each row in its own group, as a share of that group; the lowest shares are held out.
    place = pd.Series(codes).groupby(codes).cumcount().to_numpy()
    size = np.bincount(codes + 1)[codes + 1]
    held[order[np.argsort((place + 0.5) / size, kind="stable")[: _count(rows)]]] = True
    return held


def choose_cutoff(times: pd.Series) -> str | int | float:
    """Return the time from which rows are test rows: a fifth of them, and never all."""
    known = times.dropna().sort_values(ignore_index=True)
    cutoff = known[int(TRAIN_SHARE * len(known))]
    if cutoff == known[0]:
        cutoff = known[known > cutoff].iloc[0]
    if isinstance(cutoff, pd.Timestamp):
        return cutoff.strftime("%Y-%m-%d" if cutoff == cutoff.normalize() else "%Y-%m-%d %H:%M:%S")
    return int(cutoff) if float(cutoff).is_integer() else float(cutoff)


def problem_with_time(times: pd.Series | None, labels: pd.Series | None) -> str | None:
    """Say why rows cannot be split by these times, or None when they can; `labels` for a classification."""
    if times is None:
        return "holds neither dates nor numbers"
    distinct = times.nunique()
    if distinct < _FEWEST_TIMES:
        return f"has {distinct} different times, and a split by time needs {_FEWEST_TIMES}"
    kept = ~hold_out_newest(times)
    if times[kept].nunique() < 2:
        return "has nearly all its rows at one time"
    cutoff = choose_cutoff(times[kept])
    test = is_test(times[kept], cutoff)
    sides = {"before": ~test, "from": test}
    for side, rows in sides.items():
        if labels is not None and labels[kept][rows].nunique() < 2:
            return f"leaves a single class {side} {cutoff}, where a split by time would fall"
    return None


def is_test(times: pd.Series, cutoff: str | int | float) -> pd.Series:
    """Mark the test rows as the generated project does."""
    return times >= (pd.Timestamp(cutoff, tz="UTC") if isinstance(cutoff, str) else cutoff)


def _count(rows: int) -> int:
    return max(round(HELD_OUT_SHARE * rows), 1)
