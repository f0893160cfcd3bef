"""What kind of values a column holds, and its values as that kind, however they are spelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from pandas.api import types

if TYPE_CHECKING:
    from numpy.typing import NDArray

ColumnKind = Literal["numeric", "categorical", "datetime"]

# Of the values that are neither missing nor blank, the share that must read as numbers (or dates).
READABLE_SHARE = 0.95
# Beyond this a square overflows; such values are sentinels, and count as missing.
_LARGEST = 1e100


def kind_of(column: pd.Series[Any]) -> ColumnKind:
    """Return the kind of a column; text that reads as numbers or ISO 8601 dates counts as such.

    Booleans and pandas categoricals are categorical.
    """
    dtype = column.dtype
    if types.is_bool_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype):
        return "categorical"
    if types.is_datetime64_any_dtype(dtype):
        return "datetime"
    if types.is_numeric_dtype(dtype) or types.is_timedelta64_dtype(dtype):
        return "numeric"
    written = _plain(column)[~blank(column)]
    if written.empty or types.infer_dtype(written, skipna=True) == "boolean":
        return "categorical"
    if np.isfinite(_numbers(written)).mean() >= READABLE_SHARE:
        return "numeric"
    return "datetime" if np.isfinite(_seconds(written)).mean() >= READABLE_SHARE else "categorical"


def coerce(column: pd.Series[Any], kind: ColumnKind) -> pd.Series[Any]:
    """Return the column's values as `kind`; what does not read as such is missing.

    Numbers and dates become float64 (dates: seconds since 1970, UTC); categories become text, so that 1, 1.0
    and "1" are one category.
    """
    match kind:
        case "numeric":
            return pd.Series(_numbers(column), index=column.index, name=column.name)
        case "datetime":
            return pd.Series(_seconds(column), index=column.index, name=column.name)
        case _:
            return pd.Series(_categories(column), index=column.index, name=column.name, dtype=object)


def blank(column: pd.Series[Any]) -> NDArray[np.bool_]:
    """Return where a value is missing, or text without a letter."""
    codes, distinct = distinct_values(column)
    empty = [isinstance(value, str) and not value.strip() for value in distinct]
    return np.array([*empty, True], dtype=np.bool_)[codes]


def distinct_values(column: pd.Series[Any]) -> tuple[NDArray[np.intp], list[Any]]:
    """Return each row's position among the distinct values, -1 where it is missing, and those values."""
    column = _plain(column)
    try:
        codes, distinct = pd.factorize(column)
    except TypeError:  # lists and other values without a hash
        codes, distinct = pd.factorize(column.map(repr, na_action="ignore"))
    return codes, distinct.tolist()


def category(value: object) -> str | None:
    """Return a value as the name of a category; None for blank text."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() or None


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return categoricals, periods and intervals as the objects they hold."""
    special = isinstance(column.dtype, pd.CategoricalDtype | pd.PeriodDtype | pd.IntervalDtype)
    return column.astype(object) if special else column


def _categories(column: pd.Series[Any]) -> NDArray[np.object_]:
    codes, distinct = distinct_values(column)
    names = np.array([*(category(value) for value in distinct), None], dtype=object)
    return names[codes]


def _numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    if types.is_datetime64_any_dtype(column.dtype):
        return np.full(len(column), np.nan)
    if types.is_timedelta64_dtype(column.dtype):
        return np.asarray(column.dt.total_seconds(), dtype=np.float64)
    column = _plain(column)
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    values[~(np.abs(values) <= _LARGEST)] = np.nan
    return np.asarray(values)


def _seconds(column: pd.Series[Any]) -> NDArray[np.float64]:
    if types.is_numeric_dtype(column.dtype) or types.is_timedelta64_dtype(column.dtype):
        return np.full(len(column), np.nan)
    if types.is_datetime64_any_dtype(column.dtype):
        stamps = pd.to_datetime(column, utc=True)
    else:
        stamps = pd.to_datetime(column.astype(object), format="ISO8601", errors="coerce", utc=True)
    return np.asarray((stamps - pd.Timestamp("1970-01-01", tz="UTC")).dt.total_seconds(), dtype=np.float64)
