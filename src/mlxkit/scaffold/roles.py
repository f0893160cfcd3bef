"""Give each column of a data file its role in the project, with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

from mlxkit.errors import DataError
from mlxkit.scaffold.hold_out import as_times, problem_with_time
from mlxkit.scaffold.kinds import Content, Kind, inspect, present
from mlxkit.scaffold.reading import FEWEST_ROWS
from mlxkit.scaffold.target import Target, find_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.scaffold.reading import DataFile
    from mlxkit.scaffold.request import Request

Role = Literal["target", "key", "time", "feature", "dropped"]

_ROW_NUMBER = re.compile(r"Unnamed: \d+|index|__index_level_\d+__|row_?(number|num|nr|id)?", re.IGNORECASE)
_KEY_WORDS = frozenset({"id", "ids", "uuid", "guid", "key", "identifier"})
_NUMBERING_WORDS = _KEY_WORDS | {"number", "no", "nr", "code", "ref", "reference"}
_PROTECTED = frozenset(
    {
        "gender",
        "sex",
        "race",
        "ethnicity",
        "ethnicgroup",
        "religion",
        "nationality",
        "disability",
        "disabled",
        "agegroup",
        "ageband",
        "agerange",
        "seniorcitizen",
    }
)
_BIRTH = re.compile(r"birth|\bdob\b|born", re.IGNORECASE)  # a date about the row, not the time of the event
_LONG_TEXT = 50  # characters on average
_MANY_VALUES = 50


@dataclass(frozen=True)
class Column:
    """One column of the raw file: its role, what it holds, and why it has the role."""

    name: str
    role: Role
    kind: Kind
    missing: float
    distinct: int
    why: str
    content: Content


@dataclass(frozen=True)
class Roles:
    """The columns in the order of the file, and what follows from their roles."""

    columns: tuple[Column, ...]
    target: Target
    warnings: tuple[str, ...]

    def column(self, role: Role) -> Column | None:
        """Return the first column with a role."""
        return next((column for column in self.columns if column.role == role), None)

    @property
    def protected(self) -> tuple[str, ...]:
        """Features whose name says that they tell groups of people apart; a suggestion."""
        return tuple(
            column.name
            for column in self.columns
            if column.role == "feature"
            and _letters(column.name) in _PROTECTED
            and column.distinct <= _MANY_VALUES
        )


def assign_roles(data: DataFile, request: Request) -> Roles:
    """Give each column a role: what the user said, else what names and values tell."""
    request.check_columns(list(data.frame.columns))
    target = find_target(data, request)
    contents = {str(name): inspect(column) for name, column in data.frame.items()}
    assigned: dict[str, tuple[Role, str]] = {target.name: ("target", target.why)}
    assigned |= dict.fromkeys(request.drop, ("dropped", "left out by --drop"))
    time_warnings = _assign_time(data.frame, contents, request, target, assigned)
    key_warnings = _assign_key(data.frame, contents, request, assigned)
    for name, content in contents.items():
        if name not in assigned:
            assigned[name] = _feature_or_dropped(name, data.frame[name], content)
    repeated = _repeated_rows(data.frame, contents)
    roles = Roles(
        columns=tuple(_column(name, contents[name], *assigned[name]) for name in contents),
        target=target,
        warnings=(*target.warnings, *time_warnings, *key_warnings, *_left_out(repeated)),
    )
    _check_features(roles, request)
    _check_different_rows(data, repeated)
    return roles


def _column(name: str, content: Content, role: Role, why: str) -> Column:
    return Column(
        name=name,
        role=role,
        kind=content.kind,
        missing=content.missing,
        distinct=content.distinct,
        why=why,
        content=content,
    )


def _repeated_rows(frame: pd.DataFrame, contents: Mapping[str, Content]) -> int:
    comparable = [name for name, content in contents.items() if content.kind != "unsupported"]
    return int(frame.duplicated(subset=comparable).sum())


def _left_out(repeated: int) -> tuple[str, ...]:
    if repeated == 1:
        return ("one row repeats another row and is left out",)
    return (f"{repeated} rows repeat another row and are left out",) if repeated else ()


def _check_different_rows(data: DataFile, repeated: int) -> None:
    different = len(data.frame) - repeated
    if different < FEWEST_ROWS:
        raise DataError(
            f"'{data.path}' has {different} different rows, which the others repeat",
            hint=f"use a file with at least {FEWEST_ROWS} different rows",
        )


def _check_features(roles: Roles, request: Request) -> None:
    inputs = [
        column
        for column in roles.columns
        if column.role == "feature" or (column.role, column.kind) == ("time", "date")
    ]
    if not inputs:
        raise DataError(
            f"'{request.data}' has no column left to learn '{roles.target.name}' from",
            hint="use a file with more columns, or fewer columns after --drop",
            context=tuple(f"{column.name}: {column.why}" for column in roles.columns),
        )


def _assign_time(
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
        if content.kind == "date" and name not in assigned and name != request.key and not _BIRTH.search(name)
    ]
    if len(dates) > 1:
        names = ", ".join(f"'{name}'" for name in dates)
        return (f"several columns hold dates ({names}); name one after --time to split the rows by it",)
    for name in dates:
        problem = problem_with_time(_times(frame, name, contents), labels)
        if problem is not None:
            return (f"rows are not split by time: '{name}' {problem}",)
        assigned[name] = ("time", f"the only column of {contents[name].note}; the rows are split by it")
    return ()


def _times(frame: pd.DataFrame, name: str, contents: Mapping[str, Content]) -> pd.Series | None:
    return as_times(frame[name], contents[name].kind, contents[name].date_format)


def _assign_key(
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
    identifiers.sort(key=lambda name: not _named_like(name, _KEY_WORDS))
    for place, name in enumerate(identifiers):
        assigned[name] = (
            ("dropped", "another identifier") if place else ("key", "an identifier: no value twice")
        )
    return ()


def _is_identifier(name: str, column: pd.Series, content: Content) -> bool:
    if content.distinct < len(column) or _ROW_NUMBER.fullmatch(name):
        return False
    if content.kind == "text":
        return not column.astype(str).str.contains(r"\s").mean() > 0.1 or _named_like(name, _NUMBERING_WORDS)
    if not pd.api.types.is_integer_dtype(column.dtype):
        return False
    consecutive = int(column.max()) - int(column.min()) + 1 == len(column) and column.is_monotonic_increasing
    return bool(consecutive) or _named_like(name, _NUMBERING_WORDS)


def _feature_or_dropped(name: str, column: pd.Series, content: Content) -> tuple[Role, str]:
    distinct, rows = content.distinct, len(column)
    match content.kind:
        case "empty":
            return "dropped", "no values"
        case "constant":
            return "dropped", f"constant: {content.note}"
        case "unsupported":
            return "dropped", "values that are neither numbers, text nor dates"
    if _ROW_NUMBER.fullmatch(name) and distinct == rows:
        return "dropped", "row numbers"
    if _named_like(name, _KEY_WORDS) and distinct > max(_MANY_VALUES, rows / 20) and content.kind != "date":
        return "dropped", f"an identifier that repeats: {distinct} values"
    if content.kind != "text":
        return "feature", content.note
    if distinct > _MANY_VALUES / 2 and distinct > rows / 2:
        return "dropped", f"text that differs in most rows: {distinct} values"
    if distinct > _MANY_VALUES and present(column).astype(str).str.len().mean() > _LONG_TEXT:
        return "dropped", "free text"
    return "feature", f"text, {distinct} values"


def _named_like(name: str, words: frozenset[str]) -> bool:
    """Whether a name ends like an identifier: `customerID`, `order_id`, `Id`."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return bool(parts) and parts[-1].lower() in words


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
