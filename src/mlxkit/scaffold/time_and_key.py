"""Which column says when a row happened, and which one identifies it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from mlxkit.errors import DataError
from mlxkit.scaffold.hold_out import as_times, problem_with_time
from mlxkit.scaffold.personal import personal_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.scaffold.kinds import Content
    from mlxkit.scaffold.request import Request
    from mlxkit.scaffold.roles import Role
    from mlxkit.scaffold.target import Target

ROW_NUMBER = re.compile(r"Unnamed: \d+|index|__index_level_\d+__|row_?(number|num|nr|id)?", re.IGNORECASE)
KEY_WORDS = frozenset({"id", "ids", "uuid", "guid", "key", "identifier"})
_NUMBERING_WORDS = KEY_WORDS | {"number", "no", "nr", "code", "ref", "reference"}
_MOST_WITHOUT_TIME = 0.2
BIRTH = re.compile(r"birth|\bdob\b|born", re.IGNORECASE)  # a date about the row, not the time of the event


def assign_time(
    frame: pd.DataFrame,
    contents: Mapping[str, Content],
    request: Request,
    target: Target,
    assigned: dict[str, tuple[Role, str]],
) -> tuple[str, ...]:
    """Take the time column that was asked for, else the only date column that rows can be split by."""
    labels = frame[target.name] if target.task == "classification" else None
    if request.time is not None:
        problem = problem_with_time(_times(frame, request.time, contents), labels)
        if problem is not None:
            raise DataError(f"column '{request.time}' {problem}", hint=request.hint(time=None))
        assigned[request.time] = ("time", "given by --time; the rows are split by it")
        return ()
    dates = [
        name
        for name, content in contents.items()
        if content.kind == "date" and name not in assigned and name != request.key and not BIRTH.search(name)
    ]
    if len(dates) > 1:
        names = ", ".join(f"'{name}'" for name in dates)
        return (f"several columns hold dates ({names}); name one after --time to split the rows by it",)
    for name in dates:
        if contents[name].missing > _MOST_WITHOUT_TIME:
            share = f"{100 * contents[name].missing:.0f} % of rows"
            return (f"rows are not split by time: '{name}' is missing in {share}",)
        problem = problem_with_time(_times(frame, name, contents), labels)
        if problem is not None:
            return (f"rows are not split by time: '{name}' {problem}",)
        assigned[name] = ("time", f"the only column of {contents[name].note}; the rows are split by it")
    return ()


def _times(frame: pd.DataFrame, name: str, contents: Mapping[str, Content]) -> pd.Series | None:
    return as_times(frame[name], contents[name].kind, contents[name].date_format)


def assign_key(
    frame: pd.DataFrame,
    contents: Mapping[str, Content],
    request: Request,
    assigned: dict[str, tuple[Role, str]],
) -> tuple[str, ...]:
    """Take the key that was asked for, else the best identifier; other identifiers are left out."""
    if request.key is not None:
        assigned[request.key] = ("key", "given by --key")
        if (repeated := int(frame[request.key].duplicated().sum())) > 0:
            return (f"key '{request.key}' repeats in {repeated} rows; these stay together in the split",)
        return ()
    identifiers = [
        name
        for name in contents
        if name not in assigned and _is_identifier(name, frame[name], contents[name])
    ]
    personal = {name: personal_data(name, frame[name], contents[name]) for name in identifiers}
    identifiers.sort(key=lambda name: (personal[name] is not None, not named_like(name, KEY_WORDS)))
    for name in identifiers[1:]:
        what = personal[name]
        assigned[name] = ("dropped", "another identifier" if what is None else f"personal data: {what}")
    for name in identifiers[:1]:
        assigned[name] = ("key", "an identifier: no value twice")
        if (what := personal[name]) is not None:
            return (f"key '{name}' holds personal data: {what}",)
    return ()


def _is_identifier(name: str, column: pd.Series, content: Content) -> bool:
    if content.distinct < len(column) or ROW_NUMBER.fullmatch(name):
        return False
    if content.kind == "text":
        return not column.astype(str).str.contains(r"\s").mean() > 0.1 or named_like(name, _NUMBERING_WORDS)
    if not pd.api.types.is_integer_dtype(column.dtype):
        return False
    consecutive = int(column.max()) - int(column.min()) + 1 == len(column) and column.is_monotonic_increasing
    return bool(consecutive) or named_like(name, _NUMBERING_WORDS)


def named_like(name: str, words: frozenset[str]) -> bool:
    """Whether a name ends like an identifier: `customerID`, `order_id`, `Id`."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return bool(parts) and parts[-1].lower() in words
