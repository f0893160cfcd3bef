"""What a column holds, judged from its values alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import TYPE_CHECKING, Literal

import pandas as pd
from pandas.api import types

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["number", "number as text", "boolean", "date", "text", "constant", "empty", "unsupported"]

ISO = "ISO8601"
_MOST = 0.95  # share of values that must agree before text counts as numbers or dates
_DAYS = (
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%Y/%m/%d",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
)
_NAMED_DAYS = ("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d-%b-%y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


@dataclass(frozen=True)
class Content:
    """What one column holds.

    Attributes:
        missing: share of missing or blank values.
        distinct: number of different values that are not missing.
        note: what about the values is worth telling.
        date_format: for dates, the format as `pandas.to_datetime` takes it.
    """

    kind: Kind
    missing: float
    distinct: int
    note: str = ""
    date_format: str = ISO


def inspect(column: pd.Series) -> Content:
    """Judge what a column holds."""
    values = present(column)
    missing = 1 - len(values) / len(column)
    if values.empty:
        return Content("empty", missing, 0)
    if _is_unsupported(values):
        return Content("unsupported", missing, 0)
    distinct = int(values.nunique())
    if distinct == 1 and len(values) == len(column):
        return Content("constant", missing, distinct, f"always {shown(values.iloc[0])}")
    kind, note, date_format = _kind(values)
    return Content(kind, missing, distinct, note, date_format)


def present(column: pd.Series) -> pd.Series:
    """Return the values that are neither missing nor blank text."""
    values = column.dropna()
    if is_text(values):
        return values[values.astype(str).str.strip() != ""]
    return values


def is_text(values: pd.Series) -> bool:
    """Whether a column holds text, whatever its dtype."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return is_text(pd.Series(values.cat.categories))
    if values.dtype == object:
        return any(isinstance(value, str) for value in values)
    return types.is_string_dtype(values.dtype)


def shown(value: object) -> str:
    """Write one value for a message."""
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 32 else f"{text[:28]}…'"


def to_dates(values: pd.Series, date_format: str) -> pd.Series:
    """Parse dates as the generated project does; what does not parse is missing."""
    return pd.to_datetime(values, format=date_format, errors="coerce", utc=True)


def _kind(values: pd.Series) -> tuple[Kind, str, str]:
    inferred = types.infer_dtype(values, skipna=True)
    if inferred == "boolean":
        return "boolean", "true or false", ISO
    if types.is_datetime64_any_dtype(values) or isinstance(values.iloc[0], date):
        return "date", "dates", ISO
    if types.is_numeric_dtype(values) or inferred == "decimal":
        return ("boolean", "0 or 1", ISO) if values.isin([0, 1]).all() else ("number", "numbers", ISO)
    return _kind_of_text(values.astype(str))


def _kind_of_text(values: pd.Series) -> tuple[Kind, str, str]:
    counts = values.value_counts(sort=False)
    distinct = counts.index.to_series()
    is_number = pd.to_numeric(distinct, errors="coerce").notna()
    if counts[is_number].sum() >= _MOST * len(values):
        rest = (
            "" if is_number.all() else f"; {shown(distinct[~is_number].iloc[0])} and the like become missing"
        )
        return "number as text", f"text that holds numbers{rest}", ISO
    date_format = _date_format(distinct)
    if date_format is not None:
        return "date", "dates" if date_format == ISO else f"dates like {date_format}", date_format
    return "text", "text", ISO


def _date_format(distinct: pd.Series) -> str | None:
    sample = distinct.head(200)
    looks_dated = sample.str.contains(r"\d.*[-/.: ].*\d|\d [A-Za-z]|[A-Za-z] \d", regex=True)
    if looks_dated.mean() < _MOST:
        return None
    candidates = [form for form in _formats() if to_dates(sample, form).notna().mean() >= _MOST]
    shares = {form: to_dates(distinct, form).notna().mean() for form in candidates}
    best = max(shares, key=lambda form: shares[form], default=None)
    return best if best is not None and shares[best] >= _MOST else None


def _formats() -> Iterator[str]:
    yield ISO
    for day, time in product((*_DAYS, *_NAMED_DAYS), _TIMES):
        yield day + time


def _is_unsupported(values: pd.Series) -> bool:
    if values.dtype == object:
        inferred = types.infer_dtype(values, skipna=True)
        return inferred in {"bytes", "time", "timedelta", "interval", "period", "complex"} or not all(
            isinstance(value, str | bool | date) or types.is_number(value) or inferred == "decimal"
            for value in values
        )
    return types.is_timedelta64_dtype(values) or types.is_complex_dtype(values)
