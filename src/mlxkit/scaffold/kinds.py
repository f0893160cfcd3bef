"""What a column holds, judged from its values alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Literal

import pandas as pd
from pandas.api import types

from mlxkit.scaffold.dates import ISO, find_date_format, find_epoch
from mlxkit.scaffold.marks import find_written_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Kind = Literal["number", "number as text", "boolean", "date", "text", "constant", "empty", "unsupported"]

_MOST = 0.95  # share of values that must agree before text counts as numbers or dates
_SAMPLE = 1000
_LONGEST_FLAG = 8
_FLAGS = (
    ("yes", "no"),
    ("y", "n"),
    ("true", "false"),
    ("t", "f"),
    ("on", "off"),
    ("ja", "nein"),
    ("j", "n"),
    ("ja", "nej"),
    ("ja", "nee"),
    ("oui", "non"),
    ("si", "no"),
    ("sí", "no"),
    ("sì", "no"),
    ("sim", "não"),
    ("tak", "nie"),
    ("wahr", "falsch"),
    ("vrai", "faux"),
)


@dataclass(frozen=True)
class Content:
    """What one column holds.

    Attributes:
        missing: share of missing or blank values.
        distinct: number of different values that are not missing.
        note: what about the values is worth telling.
        date_format: for dates, the format as `pandas.to_datetime` takes it, or their unit since 1970.
        decimal: the decimal mark of numbers that come with a unit or with marks of their own; else empty.
        flags: for a boolean in words, each word that occurs and what it means.
    """

    kind: Kind
    missing: float
    distinct: int
    note: str = ""
    date_format: str = ISO
    decimal: str = ""
    flags: Mapping[str, int] = field(default_factory=dict)


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
    return _judge(values, replace(Content("text", missing, distinct), note="text"), str(column.name))


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


def _judge(values: pd.Series, content: Content, name: str) -> Content:
    inferred = types.infer_dtype(values, skipna=True)
    if inferred == "boolean":
        return replace(content, kind="boolean", note="true or false")
    if types.is_datetime64_any_dtype(values) or isinstance(values.iloc[0], date):
        return replace(content, kind="date", note="dates")
    if types.is_numeric_dtype(values) or inferred == "decimal":
        if values.isin([0, 1]).all():
            return replace(content, kind="boolean", note="0 or 1")
        epoch = find_epoch(values, name) if inferred in {"integer", "floating"} else None
        if epoch is not None:
            return replace(content, kind="date", note=epoch.note, date_format=epoch.date_format)
        return replace(content, kind="number", note="numbers")
    return _judge_text(values.astype(str), content)


def _judge_text(values: pd.Series, content: Content) -> Content:
    counts = values.value_counts(sort=False)
    distinct = counts.index.to_series()
    is_number = pd.to_numeric(distinct, errors="coerce").notna()
    if counts[is_number].sum() >= _MOST * len(values):
        rest = (
            "" if is_number.all() else f"; {shown(distinct[~is_number].iloc[0])} and the like become missing"
        )
        return replace(content, kind="number as text", note=f"text that holds numbers{rest}")
    flags = _flags(list(distinct)) if len(distinct) <= _LONGEST_FLAG else {}
    if flags:
        return replace(content, kind="boolean", note=_flags_in_words(flags), flags=flags)
    dates = find_date_format(distinct)
    if dates is not None:
        return replace(content, kind="date", note=dates.note, date_format=dates.date_format)
    written = find_written_numbers(list(distinct.head(_SAMPLE))) and find_written_numbers(list(distinct))
    if written:
        return replace(content, kind="number as text", note=written.in_words, decimal=written.decimal)
    return content


def _flags(words: Sequence[str]) -> dict[str, int]:
    """Return what each word means where all of them are one pair of yes and no, in any spelling."""
    plain = {word: word.strip().lower() for word in words}
    pair = next((pair for pair in _FLAGS if set(plain.values()) == set(pair)), None)
    if pair is None:
        return {}
    return {
        word: int(plain[word] == pair[0])
        for word in sorted(words, key=lambda word: (plain[word] == pair[1], word))
    }


def _flags_in_words(flags: Mapping[str, int]) -> str:
    yes, no = (next(word for word, meaning in flags.items() if meaning == value) for value in (1, 0))
    return f"{shown(yes)} or {shown(no)}{', in several spellings' if len(flags) > 2 else ''}"


def _is_unsupported(values: pd.Series) -> bool:
    if values.dtype == object:
        inferred = types.infer_dtype(values, skipna=True)
        return inferred in {"bytes", "time", "timedelta", "interval", "period", "complex"} or not all(
            isinstance(value, str | bool | date) or types.is_number(value) or inferred == "decimal"
            for value in values
        )
    return types.is_timedelta64_dtype(values) or types.is_complex_dtype(values)
