"""Dates in the forms that files hold them in: which one a column has, and the column as points in time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator

ISO = "ISO8601"
UNITS = ("s", "ms")
"""What stands in place of a format where a column counts seconds or milliseconds since 1970."""

_MOST = 0.95
_SAMPLE = 200
_DAYS = (
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%d-%m-%y",
)
_NAMED_DAYS = (
    "%d %b %Y",
    "%d-%b-%Y",
    "%d/%b/%Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d %B %Y",
    "%d. %B %Y",
    "%B %d, %Y",
    "%d-%b-%y",
    "%d %b %y",
    "%a, %d %b %Y",
    "%A, %B %d, %Y",
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S.%f")
_ZONES = (" %H:%M:%S %z", " %H:%M:%S %Z", " %H:%M %z", " %H:%M:%S%z")
_UNIX = ("%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %Z %Y", "%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%d %H:%M:%S %Z")
_DIGITS = "%Y%m%d"

# Seconds from 1990 to 2050; as milliseconds they are told apart from any number of seconds.
_FIRST, _LAST = 631_152_000, 2_524_608_000
_TIME_WORDS = frozenset(
    {"time", "timestamp", "ts", "epoch", "date", "datetime", "created", "updated", "at", "unix", "day"}
)
_SWAPPED = {"%m": "%d", "%d": "%m"}


@dataclass(frozen=True)
class Dates:
    """How a column holds dates: the format as `pandas.to_datetime` takes it, or the unit since 1970."""

    date_format: str
    note: str


def to_dates(values: pd.Series, date_format: str) -> pd.Series:
    """Parse dates as the generated project does; what does not parse is missing."""
    if date_format in UNITS:
        seconds = pd.to_numeric(values, errors="coerce") / (1000 if date_format == "ms" else 1)
        return pd.to_datetime(seconds, unit="s", errors="coerce", utc=True)
    return pd.to_datetime(values, format=date_format, errors="coerce", utc=True)


def find_date_format(distinct: pd.Series) -> Dates | None:
    """Return how texts hold dates; None where most of them are none."""
    sample = distinct.head(_SAMPLE)
    looks_dated = sample.str.contains(r"\d.*[-/.: ].*\d|\d [A-Za-z]|[A-Za-z] \d", regex=True)
    if looks_dated.mean() < _MOST:
        return None
    candidates = [form for form in _formats() if to_dates(sample, form).notna().mean() >= _MOST]
    shares = {form: to_dates(distinct, form).notna().mean() for form in candidates}
    best = max(shares, key=lambda form: shares[form], default=None)
    if best is None or shares[best] < _MOST:
        return None
    if best == ISO:
        return Dates(ISO, "dates")
    other = re.sub("%[md]", lambda part: _SWAPPED[part.group()], best)
    unclear = other != best and shares.get(other) == shares[best]
    rest = f"; {other} would fit as well, since no day is after the 12th" if unclear else ""
    return Dates(best, f"dates like {best}{rest}")


def find_epoch(values: pd.Series, name: str) -> Dates | None:
    """Return how whole numbers hold dates: as 20240131, or counted from 1970; None where they are numbers.

    Numbers since 1970 must lie between 1990 and 2050, and the column must be named like a time.
    """
    numbers = values.to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).all() or (numbers % 1 != 0).any():
        return None
    if ((numbers >= 19000101) & (numbers < 21000101)).all():
        dates = pd.to_datetime(values.drop_duplicates(), format=_DIGITS, errors="coerce")
        return Dates(_DIGITS, "dates like 20240131") if dates.notna().all() else None
    words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}
    if not words & _TIME_WORDS:
        return None
    for unit, factor, said in (("s", 1, "seconds"), ("ms", 1000, "milliseconds")):
        if ((numbers >= _FIRST * factor) & (numbers < _LAST * factor)).all():
            return Dates(unit, f"dates as {said} since 1970")
    return None


def _formats() -> Iterator[str]:
    yield ISO
    for day, time in product((*_DAYS, *_NAMED_DAYS), (*_TIMES, *_ZONES)):
        yield day + time
    yield from _UNIX
