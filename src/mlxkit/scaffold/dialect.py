"""How a delimited text is to be read, judged from its first lines, in the terms of `pandas.read_csv`."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlxkit.scaffold.header import is_header
from mlxkit.scaffold.marks import PLAIN, Marks, find_marks, is_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_VALUE = 2**31 - 1
WHITESPACE = r"\s+"

# Of two that fit equally well, the one that is less likely inside of values.
_SEPARATORS = ("\t", ";", "|", ",")
_IN_WORDS = {"\t": "tabs", ";": "semicolons", "|": "pipes", ",": "commas", WHITESPACE: "spaces"}
_MOST_ROWS = 1000
_MOST = 0.95
_FEWEST_EQUAL = 0.5  # share of the lines that must have one number of values

Row = list[str]


@dataclass(frozen=True)
class Dialect:
    """How to read a delimited text.

    Attributes:
        skiprows: lines before the header.
        names: of the columns, where there is no header.
        extra_separator: each row ends with a separator that its header lacks.
        row_labels: the header has no name for the first column.
        header: the names as they stand there.
        width: how many columns there are; 0 where that is not known.
    """

    sep: str = ","
    quotechar: str = '"'
    escapechar: str = ""
    skipinitialspace: bool = False
    skiprows: int = 0
    names: tuple[str, ...] = ()
    extra_separator: bool = False
    row_labels: bool = False
    header: tuple[str, ...] = ()
    marks: Marks = PLAIN
    width: int = 0

    @property
    def options(self) -> dict[str, Any]:
        """Return the arguments of `pandas.read_csv` that differ from its defaults."""
        given = {
            "sep": self.sep if self.sep != "," else None,
            "quotechar": self.quotechar if self.quotechar != '"' else None,
            "escapechar": self.escapechar or None,
            "skipinitialspace": self.skipinitialspace or None,
            "skiprows": self.skiprows or None,
            "names": list(self.names) or None,
            "decimal": self.marks.decimal if self.marks.decimal != "." else None,
            "thousands": self.marks.thousands or None,
        }
        options = {name: value for name, value in given.items() if value is not None}
        return options | ({"index_col": False} if self.extra_separator else {})

    @property
    def in_words(self) -> list[str]:
        """Say what is unusual, and the separator always."""
        lines = "one line" if self.skiprows == 1 else f"{self.skiprows} lines"
        said = {
            "single quotes around values": self.quotechar == "'",
            f"'{self.escapechar}' before quotes inside values": bool(self.escapechar),
            f"{lines} before the header" if not self.names else f"{lines} before the rows": self.skiprows > 0,
            "no header": bool(self.names),
            "a separator at the end of each row": self.extra_separator,
            "row labels without a name": self.row_labels,
        }
        separator = _IN_WORDS.get(self.sep, f"'{self.sep}' between values")
        return [separator, *self.marks.in_words, *(text for text, holds in said.items() if holds)]


@dataclass(frozen=True)
class _Layout:
    """The rows of a text under one separator: those from `start` on have `width` values, or nearly all."""

    rows: list[Row]
    start: int
    width: int
    share: float


def find_dialect(head: str, given: Mapping[str, Any] = MappingProxyType({})) -> Dialect:
    """Judge how a text is to be read from its first lines; the last one may be cut.

    What is `given`, by the names of `pandas.read_csv`, is taken as it is; an empty value says: none.
    """
    head = head.removeprefix("\ufeff")
    skipped = given.get("skiprows", 0)
    head = "".join(islice(io.StringIO(head, newline=""), skipped, None))
    dialect = Dialect(
        given.get("sep", ","), given.get("quotechar") or _quotechar(head), given.get("escapechar", "")
    )
    separators = (
        [given["sep"]] if "sep" in given else [sep for sep in _SEPARATORS if sep != dialect.quotechar]
    )
    layouts = {
        sep: _layout(head, replace(dialect, sep=sep), is_cut="skiprows" in given) for sep in separators
    }
    found = {sep: layout for sep, layout in layouts.items() if layout is not None}
    if not found and "sep" not in given and (layout := _layout(head, replace(dialect, sep=WHITESPACE))):
        found = {WHITESPACE: layout}
    if not found:
        return replace(dialect, skiprows=skipped)
    # max() takes the first of equals.
    sep, layout = max(found.items(), key=lambda pair: (pair[1].start == 0, pair[1].share))
    dialect, layout = _with_escapes(head, replace(dialect, sep=sep), layout, given)
    if given.get("skipinitialspace", sep == "," and _has_spaces_after(layout)):
        dialect = replace(dialect, skipinitialspace=True)
        layout = replace(layout, rows=[[value.lstrip() for value in row] for row in layout.rows])
    dialect = _with_header(head, dialect, layout, given)
    return replace(dialect, skiprows=dialect.skiprows + skipped)


def _with_escapes(
    head: str, dialect: Dialect, layout: _Layout, given: Mapping[str, Any]
) -> tuple[Dialect, _Layout]:
    """Take a backslash for an escape where more lines have one number of values that way."""
    if "escapechar" in given or '\\"' not in head:
        return dialect, layout
    escaped = replace(dialect, escapechar="\\")
    other = _layout(head, escaped, is_cut="skiprows" in given)
    return (escaped, other) if other is not None and other.share > layout.share else (dialect, layout)


def _quotechar(head: str) -> str:
    if '"' in head:
        return '"'
    lines = head.splitlines()
    quoted = sum(bool(re.search(r"(^|[,;\t|])\s*'[^']*'\s*([,;\t|]|$)", line)) for line in lines)
    return "'" if quoted > len(lines) / 5 else '"'


def _layout(head: str, dialect: Dialect, *, is_cut: bool = False) -> _Layout | None:
    """Split a text by one separator; None where no table comes of it. `is_cut`: it begins with the table."""
    rows = _rows(head, dialect)
    if len(rows) > 2 and not head.endswith(("\n", "\r")):
        rows.pop()
    widths = Counter(len(row) for row in rows if row)
    lines = sum(widths.values())
    width, count = max(widths.items(), key=lambda item: item[1], default=(0, 0))
    if width < 2 or count < _FEWEST_EQUAL * lines:
        return None
    if is_cut:
        return _Layout(rows, next(number for number, row in enumerate(rows) if row), width, count / lines)
    of_width = [number for number, row in enumerate(rows) if len(row) == width]
    # A spreadsheet fills up the lines above the header with separators.
    filled = (n for n in of_width if sum(bool(value.strip()) for value in rows[n]) > width / 2)
    start = next(filled, of_width[0])
    if start and len(rows[start - 1]) == width - 1 and not any(map(is_number, rows[start - 1])):
        start -= 1  # a header with one name less than there are values
    return _Layout(rows, start, width, count / lines)


def _rows(head: str, dialect: Dialect) -> list[Row]:
    """Return the first rows, with an empty one for each blank line."""
    if dialect.sep == WHITESPACE:
        return [line.split() for line in head.splitlines()[:_MOST_ROWS]]
    rows: list[Row] = []
    previous = csv.field_size_limit(LONGEST_VALUE)
    try:
        reader = csv.reader(
            io.StringIO(head, newline=""),
            delimiter=dialect.sep,
            quotechar=dialect.quotechar,
            escapechar=dialect.escapechar or None,
        )
        for row in reader:
            rows.append(row if any(value.strip() for value in row) or len(row) > 1 else [])
            if len(rows) == _MOST_ROWS:
                break
    except csv.Error:  # the rows up to here tell enough; reading all of them will say what is wrong
        return rows
    finally:
        csv.field_size_limit(previous)
    return rows


def _has_spaces_after(layout: _Layout) -> bool:
    values = [value for row in layout.rows[layout.start :] for value in row[1:] if value]
    return bool(values) and sum(value.startswith(" ") for value in values) >= _MOST * len(values)


def _with_header(head: str, dialect: Dialect, layout: _Layout, given: Mapping[str, Any]) -> Dialect:
    """Add what the first row and the values below it tell."""
    header, *rows = layout.rows[layout.start :]
    body = [row for row in rows if len(row) == layout.width]
    if "index_col" in given:
        dialect = replace(dialect, extra_separator=not given["index_col"])
    elif len(header) == layout.width - 1 and body:
        if all(not row[-1].strip() for row in body):
            dialect = replace(dialect, extra_separator=True)
            body = [row[:-1] for row in body]
        elif len({row[0] for row in body}) == len(body):
            dialect = replace(dialect, row_labels=True)
            body = [row[1:] for row in body]
    dialect = replace(
        dialect,
        skiprows=_lines_before(head, dialect, layout.start),
        marks=_marks(body, dialect.sep, given),
        width=layout.width - dialect.extra_separator - dialect.row_labels,
    )
    if given.get("names"):
        return replace(dialect, names=tuple(given["names"]))
    if "names" in given or is_header(header, body):
        return replace(dialect, header=tuple(header))
    return replace(dialect, names=tuple(f"column_{number}" for number in range(1, layout.width + 1)))


def _marks(body: Sequence[Row], sep: str, given: Mapping[str, Any]) -> Marks:
    columns = list(zip(*body, strict=True)) if body else []
    thousands = given.get("thousands")
    # Who names one of the two usual marks between thousands has told the decimal mark too.
    other = {",": ".", ".": ","}.get(thousands or "", "")
    marks = find_marks(columns, sep, decimal=given.get("decimal", other))
    return marks if thousands is None else replace(marks, thousands=thousands)


def _lines_before(head: str, dialect: Dialect, start: int) -> int:
    """Return how many lines come before row `start`; blank ones at the very beginning are no matter."""
    if start == 0 or dialect.sep == WHITESPACE:
        return start
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=dialect.sep, quotechar=dialect.quotechar)
    before = [next(reader) for _ in range(start)]
    return reader.line_num if any(any(value.strip() for value in row) for row in before) else 0
