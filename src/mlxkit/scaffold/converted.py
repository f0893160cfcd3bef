"""What is kept in place of a file that cannot be divided into rows: a workbook as CSV, an array as lines."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import pandas as pd

from mlxkit.errors import DataError
from mlxkit.project.suggestions import did_you_mean
from mlxkit.scaffold.containers import first_line, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from mlxkit.scaffold.containers import Source

INSTALL_EXCEL = "run `pip install 'mlxkit[excel]'`"
_MOST_OF_A_HEADER = 0.5


def workbook_as_csv(path: Path, asked: str | None = None) -> tuple[bytes, tuple[str, ...]]:
    """Return a sheet as CSV, the first with a table in it or the one asked for, and what to say about it.

    Raises:
        DataError: openpyxl is not installed, the workbook is damaged, none of its sheets holds a table, or
            there is no such sheet.
    """
    try:
        sheets = pd.read_excel(path, sheet_name=None, header=None, engine="openpyxl")
    except ImportError as error:
        raise DataError(
            f"'{path}' is a workbook, which takes openpyxl to read", hint=INSTALL_EXCEL
        ) from error
    except (ValueError, KeyError, OSError, SyntaxError) as error:
        raise DataError(
            f"'{path}' is a damaged workbook", hint=f"run `file {quoted(path)}`", context=(first_line(error),)
        ) from error
    tables = {name: table for name, sheet in sheets.items() if len((table := _table(sheet)).columns) > 1}
    if not tables:
        raise DataError(f"'{path}' has no sheet with a table", hint="save the table as CSV")
    if asked is not None:
        return _as_csv(tables[_sheet(path, asked, list(sheets), tables)]), ()
    name, table = next(iter(tables.items()))
    others = ", ".join(f"'{other}'" for other in tables if other != name)
    notes = (f"the sheet '{name}' was read, and not {others}",) if others else ()
    return _as_csv(table), notes


def _sheet(path: Path, asked: str, names: Sequence[str], tables: Collection[str]) -> str:
    """Return the name of the sheet that is asked for by name, or by number from 1."""
    if asked in names:
        name = asked
    elif asked.isdecimal() and 1 <= int(asked) <= len(names):
        name = names[int(asked) - 1]
    else:
        raise DataError(
            f"'{path}' has no sheet '{asked}'{did_you_mean(asked, names)}",
            hint="name a sheet, or its number, after --read sheet=",
            context=(f"sheets: {', '.join(names)}",),
        )
    if name not in tables:
        raise DataError(
            f"the sheet '{name}' of '{path}' holds no table",
            hint="name another sheet after --read sheet=",
            context=(f"sheets: {', '.join(names)}",),
        )
    return name


def _as_csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, header=False, lineterminator="\n").encode()


def array_as_lines(source: Source) -> bytes | None:
    """Return a JSON array of objects as one object a line; None where the text is no JSON.

    Raises:
        DataError: it is an array of something else, or damaged.
    """
    try:
        rows = json.loads(source.content())
    except ValueError:
        return None
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(
            f"'{source.path}' holds a JSON array, but not of objects",
            hint="save it as an array of objects, one for each row",
        )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def is_json_lines(path: Path, head: str) -> bool:
    """Whether each line is a JSON object of its own; False where the text is no JSON at all.

    Raises:
        DataError: it is one object over several lines.
    """
    first = head.splitlines()[0]
    if isinstance(_parsed(first), dict):
        return True
    if not head.rstrip().endswith("}") or not isinstance(_parsed(head), dict):
        return False
    raise DataError(
        f"'{path}' holds one JSON object, and no rows",
        hint="save it as an array of objects, one for each row",
    )


def broken_line(stream: IO[bytes]) -> int:
    """Return the number of the first line that is no JSON object; 0 where all are."""
    lines = enumerate(stream, start=1)
    return next((number for number, line in lines if line.strip() and not _is_object(line)), 0)


def _is_object(line: bytes) -> bool:
    return isinstance(_parsed(line.decode(errors="replace")), dict)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _table(sheet: pd.DataFrame) -> pd.DataFrame:
    """Cut off what stands above the header, and empty rows and columns."""
    sheet = sheet.dropna(how="all").dropna(how="all", axis=1)
    filled = sheet.notna().sum(axis=1)
    if filled.empty:
        return sheet
    start = (filled > _MOST_OF_A_HEADER * filled.median()).to_numpy().argmax()
    return sheet.iloc[start:].dropna(how="all", axis=1)
