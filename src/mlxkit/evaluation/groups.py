"""A column's rows in groups: by value, or by quantile where it holds many numbers or dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlxkit.evaluation.columns import coerce, kind_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlxkit.evaluation.columns import ColumnKind

MISSING = "missing"
_FEW_VALUES = 8
_LONGEST = 60


@dataclass(frozen=True, eq=False)
class Grouped:
    """A column in groups.

    Attributes:
        codes: group of each row, the largest group first.
        names: of the groups, `missing` for rows without a value.
        counts: rows of each.
    """

    codes: NDArray[np.intp]
    names: tuple[str, ...]
    counts: NDArray[np.intp]

    def rows_of(self, group: int) -> NDArray[np.intp]:
        """Return the positions of a group's rows."""
        return np.flatnonzero(self.codes == group)


def grouped(column: pd.Series[Any], *, parts: int = 4) -> Grouped:
    """Group a column's rows by value; many numbers or dates by quantile into `parts`."""
    kind = kind_of(column)
    values = coerce(column, kind)
    if kind != "categorical" and values.nunique() > _FEW_VALUES:
        return _by_quantile(values.to_numpy(dtype=np.float64), kind, parts)
    codes, names = pd.factorize(values)
    words = [_word(name, kind) for name in names]
    return _ordered(codes, [shortened(word) for word in words])


def shortened(text: str) -> str:
    """Cut a text that is too long for a label."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"


def value_text(value: float, kind: ColumnKind) -> str:
    """Write a number or a date as a label."""
    if kind == "datetime":
        stamp = pd.Timestamp(value, unit="s")
        return stamp.strftime("%Y-%m-%d" if stamp == stamp.normalize() else "%Y-%m-%d %H:%M")
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4g}"


def _word(name: Any, kind: ColumnKind) -> str:
    return str(name) if kind == "categorical" else value_text(float(name), kind)


def _by_quantile(values: NDArray[np.float64], kind: ColumnKind, parts: int) -> Grouped:
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, parts + 1)[1:-1], method="nearest"))
    edges = edges[edges < known.max()]
    codes = np.where(np.isfinite(values), np.searchsorted(edges, values, side="left"), -1)
    texts = [value_text(edge, kind) for edge in edges]
    if not texts:
        return _ordered(codes, [f"≤ {value_text(known.max(), kind)}"])
    middle = [
        f"{low} to {high}" if i else f"≤ {high}"
        for i, (low, high) in enumerate(zip(["", *texts], texts, strict=False))
    ]
    return _ordered(codes, [*middle, f"> {texts[-1]}"])


def _ordered(codes: NDArray[np.intp], names: list[str]) -> Grouped:
    """Put the largest group first; missing values are a group of their own."""
    codes = np.where(codes < 0, len(names), codes).astype(np.intp)
    counts = np.bincount(codes, minlength=len(names) + 1)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    position = np.empty(len(names) + 1, dtype=np.intp)
    position[order] = np.arange(len(order))
    words = [*names, MISSING]
    return Grouped(position[codes], tuple(words[i] for i in order), counts[order])
