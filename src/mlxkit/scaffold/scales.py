"""Columns as numbers, whatever they are written as."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandas.api import types

from mlxkit.scaffold.hold_out import as_times

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlxkit.scaffold.kinds import Content


def as_numbers(column: pd.Series, content: Content) -> NDArray[np.float64] | None:
    """Return numbers, flags or dates (in days) as floats, NaN where missing; None for other columns."""
    if content.kind == "boolean":
        codes = pd.factorize(column, sort=True)[0].astype(float)
        return np.where(codes < 0, np.nan, codes)
    if content.decimal and not types.is_numeric_dtype(column):
        digits = column.astype("string").str.replace(rf"[^\d{content.decimal}+-]", "", regex=True)
        column = digits.str.replace(content.decimal, ".", regex=False)
    values = as_times(column, content.kind, content.date_format)
    if values is None:
        return None
    if content.kind == "date":
        values = (values - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    return np.asarray(values.to_numpy(dtype=float, na_value=np.nan))
