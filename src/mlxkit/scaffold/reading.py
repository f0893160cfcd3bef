"""Read the user's data file, whatever its form; every way it can be unusable gets its own message."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from mlxkit.errors import DataError
from mlxkit.scaffold.containers import DAMAGED, Source, as_text, damaged, first_line, identify, quoted
from mlxkit.scaffold.converted import array_as_lines, broken_line, is_json_lines, workbook_as_csv
from mlxkit.scaffold.data_file import FEWEST_ROWS, DataFile, stem_of
from mlxkit.scaffold.delimited import read_delimited
from mlxkit.scaffold.encoding import check_encoding, find_encoding
from mlxkit.scaffold.given import KEYS, NOTHING_GIVEN, Given
from mlxkit.scaffold.kinds import shown

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_OF_WORKBOOKS = ("sheet", "names", "na_values", "keep_default_na", "decimal", "thousands")
_HEAD = 1 << 18


def read_data(path: Path, *, target: str | None = None, given: Given = NOTHING_GIVEN) -> DataFile:
    """Read a table from a file of any kind; `target` names the column whose labels are no missing values.

    Raises:
        DataError: the file cannot be used, or not as the user says; the message says why and what helps.
    """
    source = identify(path)
    match source.holds:
        case "parquet":
            _check_keys(path, "a Parquet file", given)
            data = _read_parquet(source)
        case "excel":
            _check_keys(path, "a workbook", given, _OF_WORKBOOKS)
            converted, notes = workbook_as_csv(path, given.read.get("sheet"))
            data = read_delimited(source, "utf-8", target, given, converted=converted, notes=notes)
        case _:
            data = _read_text(source, target, given)
    _check(path, data.frame, given)
    return data


def _check_keys(path: Path, what: str, given: Given, known: Collection[str] = ()) -> None:
    """Raise DataError when the user says something that makes no sense for this kind of file."""
    wrong = next((key for key in given.read if key not in known), None)
    if wrong is not None:
        takes = f", which takes {', '.join(known)}" if known == _OF_WORKBOOKS else ""
        raise DataError(f"--read {wrong} does not go with '{path}', {what}{takes}", hint="leave it away")


def _read_text(source: Source, target: str | None, given: Given) -> DataFile:
    asked = given.read.get("encoding")
    encoding = find_encoding(source) if asked is None else check_encoding(source, asked)
    with source.open() as stream, as_text(stream, encoding) as text:
        head = text.read(_HEAD).lstrip("\ufeff \t\r\n")
    if encoding == "utf-8" and head.startswith("[") and (lines := array_as_lines(source)) is not None:
        _check_keys(source.path, "a JSON array", given)
        return _read_json_lines(source, lines)
    if encoding == "utf-8" and head.startswith("{") and is_json_lines(source.path, head):
        _check_keys(source.path, "JSON lines", given)
        return _read_json_lines(source, None)
    _check_keys(source.path, "delimited text", given, KEYS.keys() - {"sheet"})
    return read_delimited(source, encoding, target, given)


def _read_parquet(source: Source) -> DataFile:
    try:
        with source.open() as stream:
            frame = pd.read_parquet(stream if not source.packing else io.BytesIO(stream.read()))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"'{source.path}' is a damaged Parquet file",
            hint=f"run `file {quoted(source.path)}`",
            context=(first_line(error),),
        ) from error
    return DataFile(source.path, stem_of(source.path), ".parquet", frame, source, summary="Parquet")


def _read_json_lines(source: Source, converted: bytes | None) -> DataFile:
    data = DataFile(source.path, stem_of(source.path), ".jsonl", pd.DataFrame(), source, converted=converted)
    try:
        with data.open() as stream:
            frame = pd.read_json(stream, lines=True, dtype=False, convert_dates=False)
    except DAMAGED as error:
        raise damaged(source.path, error) from error
    except ValueError as error:
        with data.open() as stream:
            place = f"line {line}" if (line := broken_line(stream)) else first_line(error)
        raise DataError(
            f"'{source.path}' is no regular JSON lines file: {place}",
            hint="write one JSON object on each line",
        ) from error
    packed = f", packed with {source.packing}, kept unpacked" if source.packing else ""
    summary = f"JSON lines{packed}" if converted is None else "a JSON array, kept as JSON lines"
    return DataFile(source.path, data.stem, data.suffix, frame, source, summary=summary, converted=converted)


def _check(path: Path, frame: pd.DataFrame, given: Given) -> None:
    for name in frame.columns:
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"'{path}' has a column without a name: {name!r}", hint="give each column a name")
    if len(frame.columns) < 2:
        raise DataError(
            f"'{path}' has one column, {shown(frame.columns[0])}"
            if len(frame.columns)
            else f"'{path}' has no columns",
            hint="name another separator after --read sep="
            if "sep" in given.read
            else "a model needs a target and something to learn from",
        )
    if len(frame) < FEWEST_ROWS:
        rows = (
            "one row" if len(frame) == 1 else f"{len(frame)} rows" if len(frame) else "a header but no rows"
        )
        raise DataError(f"'{path}' has {rows}", hint=f"use a file with at least {FEWEST_ROWS} rows")
