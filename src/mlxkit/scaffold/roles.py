"""Give each column of a data file its role in the project, with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlxkit.errors import DataError
from mlxkit.scaffold.data_file import FEWEST_ROWS
from mlxkit.scaffold.doubts import doubtful_columns
from mlxkit.scaffold.given import NOTHING_GIVEN, Given
from mlxkit.scaffold.given_types import inspect_as
from mlxkit.scaffold.kinds import Content, Kind, inspect, present
from mlxkit.scaffold.leaks import find_leaks
from mlxkit.scaffold.personal import personal_data
from mlxkit.scaffold.repeats import find_repeats
from mlxkit.scaffold.target import Target, find_target
from mlxkit.scaffold.time_and_key import KEY_WORDS, ROW_NUMBER, assign_key, assign_time, named_like

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mlxkit.scaffold.data_file import DataFile
    from mlxkit.scaffold.request import Request

Role = Literal["target", "key", "time", "feature", "dropped"]

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


def assign_roles(data: DataFile, request: Request, given: Given = NOTHING_GIVEN) -> Roles:
    """Give each column a role, and a type: what the user said, else what names and values tell."""
    frame = data.frame
    request.check_columns(list(frame.columns))
    contents = {
        name: inspect_as(column, given.types[name], request) if name in given.types else inspect(column)
        for name, column in ((str(label), frame[label]) for label in frame)
    }
    target = find_target(data, request, contents)
    assigned: dict[str, tuple[Role, str]] = {target.name: ("target", target.why)}
    assigned |= dict.fromkeys(request.drop, ("dropped", "left out by --drop"))
    assigned |= _kept(contents, request)
    time_warnings = assign_time(frame, contents, request, target, assigned)
    key_warnings = assign_key(frame, contents, request, assigned)
    for name, content in contents.items():
        if name not in assigned:
            assigned[name] = _feature_or_dropped(name, frame[name], content)
    repeated = _repeated_rows(frame, contents)
    _check_different_rows(data, repeated)
    leak_warnings = _leave_out_more(frame, contents, request, target, assigned)
    roles = Roles(
        columns=tuple(
            _column(name, contents[name], *assigned[name], is_given=name in given.types) for name in contents
        ),
        target=target,
        warnings=(*target.warnings, *time_warnings, *key_warnings, *leak_warnings, *_left_out(repeated)),
    )
    _check_features(roles, request)
    return roles


def _kept(contents: Mapping[str, Content], request: Request) -> dict[str, tuple[Role, str]]:
    for name in request.keep:
        if contents[name].kind == "unsupported":
            raise DataError(
                f"column '{name}' holds values that are neither numbers, text nor dates",
                hint=request.hint(keep=tuple(other for other in request.keep if other != name)),
            )
    return dict.fromkeys(request.keep, ("feature", "kept by --keep"))


def _leave_out_more(
    frame: pd.DataFrame,
    contents: Mapping[str, Content],
    request: Request,
    target: Target,
    assigned: dict[str, tuple[Role, str]],
) -> tuple[str, ...]:
    """Drop features that know the target or repeat another one; warn of those that may."""

    def features() -> list[str]:
        return [
            name for name, (role, _) in assigned.items() if role == "feature" and name not in request.keep
        ]

    leaks = find_leaks(frame, contents, target, features())
    are_left_out = len(leaks) < len(features()) or bool(request.keep)
    if are_left_out:
        assigned |= {name: ("dropped", why) for name, why in leaks.items()}
    assigned |= {name: ("dropped", why) for name, why in find_repeats(frame, contents, features()).items()}
    time = next((name for name, (role, _) in assigned.items() if role == "time"), None)
    doubtful = doubtful_columns(frame, contents, target, time, features())
    return (*_about_leaks(tuple(leaks), target, request, left_out=are_left_out), *doubtful)


def _about_leaks(
    leaks: tuple[str, ...], target: Target, request: Request, *, left_out: bool
) -> tuple[str, ...]:
    if not leaks:
        return ()
    names, several = ", ".join(f"'{name}'" for name in leaks), len(leaks) > 1
    seem = f"{names} {'seem' if several else 'seems'} to know '{target.name}'"
    if not left_out:
        return (f"{seem}, and nothing else is left to learn from: is it there when a prediction is needed?",)
    return (
        f"{seem} and {'are' if several else 'is'} left out; to learn from {'them' if several else 'it'} "
        f"nevertheless, {request.hint(keep=(*request.keep, *leaks))}",
    )


def _column(name: str, content: Content, role: Role, why: str, *, is_given: bool) -> Column:
    if is_given and content.kind not in {"empty", "constant"}:
        why = f"{why}; type given by --type"
    return Column(
        name=name,
        role=role,
        kind=content.kind,
        missing=content.missing,
        distinct=content.distinct,
        why=" ".join(why.split()),  # a value may hold a line break, and this becomes a comment
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
            hint="use a file with more columns, or fewer columns after --drop"
            if request.drop
            else "use a file with more columns, or name some of these after --keep",
            context=tuple(f"{column.name}: {column.why}" for column in roles.columns),
        )


def _feature_or_dropped(name: str, column: pd.Series, content: Content) -> tuple[Role, str]:
    distinct, rows = content.distinct, len(column)
    match content.kind:
        case "empty":
            return "dropped", "no values"
        case "constant":
            return "dropped", f"constant: {content.note}"
        case "unsupported":
            return "dropped", "values that are neither numbers, text nor dates"
    if ROW_NUMBER.fullmatch(name) and distinct == rows:
        return "dropped", "row numbers"
    if (what := personal_data(name, column, content)) is not None:
        return "dropped", f"personal data: {what}"
    if named_like(name, KEY_WORDS) and distinct > max(_MANY_VALUES, rows / 20) and content.kind != "date":
        return "dropped", f"an identifier that repeats: {distinct} values"
    if content.kind != "text":
        return "feature", content.note
    if distinct > _MANY_VALUES / 2 and distinct > rows / 2:
        return "dropped", f"text that differs in most rows: {distinct} values"
    if distinct > _MANY_VALUES and present(column).astype(str).str.len().mean() > _LONG_TEXT:
        return "dropped", "free text"
    return "feature", f"text, {distinct} values"


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
