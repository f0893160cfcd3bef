"""A column judged as the type that the user gives it, where its values can be read as such."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
from pandas.api import types

from mlxkit.errors import DataError
from mlxkit.scaffold.dates import Dates, find_date_format, find_epoch, to_dates
from mlxkit.scaffold.kinds import Content, inspect, is_text, present, shown
from mlxkit.scaffold.marks import find_marks
from mlxkit.scaffold.scales import as_numbers

if TYPE_CHECKING:
    from mlxkit.scaffold.given import GivenType
    from mlxkit.scaffold.request import Request

_FEWEST = 0.5  # share of the values that must be readable; the rest become missing


def inspect_as(column: pd.Series, given: GivenType, request: Request) -> Content:
    """Judge what a column of the given type holds; one without values, or with one value, stays that.

    Raises:
        DataError: most of its values are none of this type.
    """
    found = inspect(column)
    if found.kind in {"empty", "constant"}:
        return found
    values = present(column)
    content = replace(found, date_format=Content.date_format, decimal="", flags={})
    match given.kind:
        case "number":
            return _as_number(values, found, content, given.detail, request)
        case "date":
            return _as_date(values, content, given.detail, request)
        case "text":
            return replace(content, kind="text", note="text")


def _as_number(
    values: pd.Series, found: Content, content: Content, decimal: str, request: Request
) -> Content:
    if found.kind == "boolean" or (found.kind == "number as text" and not decimal):
        return found
    if types.is_numeric_dtype(values):
        return replace(content, kind="number", note="numbers")
    name = str(values.name)
    if not is_text(values):
        raise _none(values.iloc[0], name, "number", request)
    mark = decimal or _decimal(values)
    # Numbers as pandas writes them need no decimal mark of their own.
    plain = pd.to_numeric(values, errors="coerce").notna()
    content = replace(
        content, kind="number as text", decimal="" if plain.mean() >= _FEWEST and not decimal else mark
    )
    numbers = as_numbers(values, content)
    readable = pd.Series(numbers, index=values.index).notna()
    if readable.mean() < _FEWEST:
        raise _none(values[~readable].iloc[0], name, "number", request)
    marks = f" with decimal {'commas' if mark == ',' else 'points'}" if content.decimal else ""
    return replace(content, note=f"text that holds numbers{marks}{_rest(values[~readable])}")


def _decimal(values: pd.Series) -> str:
    """Return the decimal mark of the numbers in texts, whatever stands around them."""
    numbers = [
        match.group() for text in values.drop_duplicates() if (match := re.search(r"\d[\d.,]*", str(text)))
    ]
    return find_marks([[number.rstrip(".,") for number in numbers]], "").decimal


def _as_date(values: pd.Series, content: Content, date_format: str, request: Request) -> Content:
    name = str(values.name)
    if types.is_datetime64_any_dtype(values) or not (is_text(values) or types.is_numeric_dtype(values)):
        return replace(content, kind="date", note="dates")
    dates = Dates(date_format, f"dates like {date_format}") if date_format else _find_dates(values)
    if dates is None:
        raise DataError(
            f"'{name}' holds no dates in a form that mlx knows: {shown(values.iloc[0])}",
            hint=request.hint(type={**request.type, name: "date:FORMAT"}),
            context=("FORMAT: with %d, %m, %Y, %H, %M and so on, as pandas.to_datetime takes it",),
        )
    readable = to_dates(values, dates.date_format).notna()
    if readable.mean() < _FEWEST:
        raise _none(values[~readable].iloc[0], name, f"date like {dates.date_format}", request)
    note = f"{dates.note}{_rest(values[~readable])}"
    return replace(content, kind="date", note=note, date_format=dates.date_format)


def _find_dates(values: pd.Series) -> Dates | None:
    if types.is_numeric_dtype(values):
        return find_epoch(values, "time")  # the user has said that it is one, whatever its name
    return find_date_format(values.astype(str).drop_duplicates())


def _none(value: object, name: str, what: str, request: Request) -> DataError:
    return DataError(
        f"most values of '{name}' are no {what}: {shown(value)}",
        hint=request.hint(type={**request.type, name: "text"}),
    )


def _rest(values: pd.Series) -> str:
    return "" if values.empty else f"; {shown(values.iloc[0])} and the like become missing"
