"""What the user says of a file with --read and of its columns with --type, instead of what mlx would find."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import pandas as pd

from mlxkit.errors import UsageError
from mlxkit.project.schema import READ
from mlxkit.project.shapes import Flag, ListOf, Number, Text
from mlxkit.project.suggestions import closest
from mlxkit.scaffold.dates import ISO, UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlxkit.scaffold.request import Request

GivenKind = Literal["number", "text", "date"]

KINDS: tuple[GivenKind, ...] = get_args(GivenKind)
KEYS = {name: key.type for name, key in READ.keys.items() if name != "dtype"} | {"sheet": Text()}
"""What --read takes: the keys of `read:` in mlx.yaml, and the sheet of a workbook."""

_MAY_BE_NONE = frozenset({"thousands", "na_values", "escapechar", "names"})
_KEYS_ELSEWHERE = {
    "delim": "sep",
    "delimiter": "sep",
    "separator": "sep",
    "quote": "quotechar",
    "escape": "escapechar",
    "null": "na_values",
    "nullstr": "na_values",
    "null_values": "na_values",
    "missing": "na_values",
    "skip": "skiprows",
    "header": "names",
    "columns": "names",
    "sheet_name": "sheet",
}
_TYPES_ELSEWHERE: dict[str, GivenKind] = {
    "bool": "text",
    "boolean": "text",
    "str": "text",
    "string": "text",
    "category": "text",
    "categorical": "text",
    "float": "number",
    "int": "number",
    "integer": "number",
    "numeric": "number",
    "datetime": "date",
    "timestamp": "date",
    "time": "date",
}
_YES_OR_NO = {"true": True, "false": False}


@dataclass(frozen=True)
class GivenType:
    """What a column holds, as the user says.

    Attributes:
        detail: the decimal mark of numbers or the format of dates; empty where mlx is to find it out.
    """

    kind: GivenKind
    detail: str = ""

    @property
    def reads_text(self) -> bool:
        """Whether the column must be read as text: as a number, it would lose zeros or marks."""
        return self.kind == "text" or self.detail not in ("", *UNITS)


@dataclass(frozen=True)
class Given:
    """All that the user says.

    Attributes:
        read: values for `KEYS`; an empty one says that there is none.
        types: column -> its type.
    """

    read: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, GivenType] = field(default_factory=dict)

    @property
    def in_words(self) -> list[str]:
        """Say which keys were given, where any were."""
        return [f"{' and '.join(self.read)} given by --read"] if self.read else []


NOTHING_GIVEN = Given()


def parse_pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Split `NAME=VALUE` arguments: values of --read, and names of --type, may hold a `=`.

    Raises:
        UsageError: one has no `=`, or two say different things of one name.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=") if option == "--read" else text.rpartition("=")
        if not name or not equals:
            form = "KEY=VALUE" if option == "--read" else "COLUMN=TYPE"
            example = "--read sep=';'" if option == "--read" else "--type zip=text"
            raise UsageError(f"'{option} {text}' is no {form}", hint=f"write it like {example}")
        if pairs.setdefault(name, value) != value:
            raise UsageError(
                f"{option} says two things of '{name}': '{pairs[name]}' and '{value}'",
                hint="leave one of the two away",
            )
    return pairs


def given_by(request: Request) -> Given:
    """Return what a request says of the file and its columns.

    Raises:
        UsageError: there is no such key or type, or a value is none that it can have.
    """
    read = {name: _value(name, text, request) for name, text in request.read.items()}
    for mark, other in (("thousands", "decimal"), ("quotechar", "sep")):
        if read.get(mark) and read[mark] == read.get(other):
            raise UsageError(
                f"--read {mark} is '{read[mark]}', as {other} is", hint="give them different characters"
            )
    return Given(read, {name: _type(name, text, request) for name, text in request.type.items()})


def _value(name: str, text: str, request: Request) -> Any:
    if name not in KEYS:
        close = _KEYS_ELSEWHERE.get(name) or closest(name, KEYS)
        mended = {close if key == name else key: value for key, value in request.read.items()}
        raise UsageError(
            f"--read has no key '{name}'" + (f", did you mean '{close}'?" if close else ""),
            hint=request.hint(read=mended) if close else "name one of the keys",
            context=(f"keys: {', '.join(KEYS)}",),
        )
    if not text:
        if name in _MAY_BE_NONE:
            return [] if isinstance(KEYS[name], ListOf) else ""
        raise UsageError(f"--read {name} has no value", hint=f"write one after '{name}='")
    match KEYS[name]:
        case Flag(value):
            if text.lower() not in _YES_OR_NO:
                raise UsageError(
                    f"--read {name} is '{text}', and not true or false",
                    hint=request.hint(read={**request.read, name: str(value).lower()}),
                )
            return _YES_OR_NO[text.lower()]
        case Number():
            if not text.isdecimal():
                raise UsageError(
                    f"--read {name} is '{text}', and no whole number",
                    hint=request.hint(read={**request.read, name: "1"}),
                )
            return int(text)
        case ListOf():
            return _listed(name, text)
        case kind:
            return _text(name, text, cast("Text", kind), request)


def _listed(name: str, text: str) -> list[str]:
    values = next(csv.reader([text], skipinitialspace=True))
    twice = next((value for value in values if values.count(value) > 1), None)
    if name == "names" and twice is not None:
        raise UsageError(f"--read names has '{twice}' twice", hint="give each column a name of its own")
    return values


def _text(name: str, text: str, kind: Text, request: Request) -> str:
    text = "\t" if text in (r"\t", "tab") and name == "sep" else text
    if kind.pattern and not re.fullmatch(kind.pattern, text):
        raise UsageError(
            f"--read {name} is '{text}', and not one character"
            if len(text) > 1 and name != "encoding"
            else f"'{text}' is no value of --read {name}",
            hint=request.hint(read={**request.read, name: kind.example}),
        )
    if name == "sep" and not text.isascii():
        raise UsageError(
            f"--read sep is '{text}', and pandas reads only an ASCII character fast",
            hint="give the file another separator",
        )
    if name == "encoding" and not _is_encoding(text):
        raise UsageError(
            f"Python knows no encoding '{text}'", hint=request.hint(read={**request.read, name: kind.example})
        )
    return text


def _is_encoding(name: str) -> bool:
    try:
        return bool("x".encode(name))
    except LookupError:
        return False


def _type(column: str, text: str, request: Request) -> GivenType:
    name, _, detail = text.partition(":")
    if name not in KINDS:
        close = _TYPES_ELSEWHERE.get(name) or closest(name, KINDS)
        hint = request.hint(type={**request.type, column: close}) if close else "name one of the types"
        raise UsageError(
            f"--type has no type '{name}'" + (f", did you mean '{close}'?" if close else ""),
            hint=hint,
            context=("types: number, number:MARK, text, date, date:FORMAT",),
        )
    kind = name
    problem = _problem_with_detail(kind, detail)
    if problem:
        mended = {"number": "number:,", "text": "text", "date": "date:%d/%m/%Y"}[kind]
        raise UsageError(problem, hint=request.hint(type={**request.type, column: mended}))
    return GivenType(kind, detail)


def _problem_with_detail(kind: GivenKind, detail: str) -> str:
    if not detail:
        return ""
    match kind:
        case "text":
            return f"text has no form such as '{detail}'"
        case "number":
            return "" if detail in (".", ",") else f"'{detail}' is no decimal mark of --type: '.' or ','"
        case "date":
            return "" if _is_date_format(detail) else f"'{detail}' is no format of dates"


def _is_date_format(text: str) -> bool:
    """Whether pandas takes it for a format, or mlx for a unit since 1970."""
    if text in (ISO, *UNITS):
        return True
    try:
        pd.to_datetime(pd.Series(["-"]), format=text, errors="coerce")
    except ValueError:
        return False
    return "%" in text
