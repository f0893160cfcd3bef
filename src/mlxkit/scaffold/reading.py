"""Read the user's data file, whatever its form; every way it can be unusable gets its own message."""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from mlxkit.errors import DataError
from mlxkit.scaffold.containers import DAMAGED, Source, as_text, damaged, first_line, identify, quoted
from mlxkit.scaffold.converted import array_as_lines, broken_line, is_json_lines, workbook_as_csv
from mlxkit.scaffold.dialect import Dialect, find_dialect
from mlxkit.scaffold.encoding import encoding_for_pandas, encoding_in_words, find_encoding
from mlxkit.scaffold.kinds import shown
from mlxkit.scaffold.missing import find_missing_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FEWEST_ROWS = 20
_SUFFIXES = (
    ".gz",
    ".zip",
    ".zst",
    ".csv",
    ".tsv",
    ".txt",
    ".dat",
    ".parquet",
    ".jsonl",
    ".ndjson",
    ".json",
    ".xlsx",
)
_PACKED_IN_WORDS = {
    "": [],
    "gzip": ["packed with gzip"],
    "zip": ["packed as zip, kept as gzip"],
    "zstd": ["packed with zstd, kept as gzip"],
}
_MOST_NOTES = 5
_HEAD = 1 << 18
_LONG_HEAD = 1 << 26


@dataclass(frozen=True)
class DataFile:
    """A data file that was read.

    Attributes:
        stem: the file's name without its suffixes.
        suffix: of the file that the project keeps; it says how to read it, together with `options`.
        frame: its rows as pandas reads them.
        summary: how the file was understood, for people.
        encoding: of a text, with its byte order.
        options: arguments of `pandas.read_csv` that differ from what the suffix means.
        dialect: of a delimited text.
        converted: what is kept in place of the file, where its own bytes cannot be divided into rows.
        notes: what the user should know, one line each.
    """

    path: Path
    stem: str
    suffix: str
    frame: pd.DataFrame
    source: Source
    summary: str = ""
    encoding: str = "utf-8"
    options: Mapping[str, Any] | None = None
    dialect: Dialect | None = None
    converted: bytes | None = None
    notes: tuple[str, ...] = ()

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Give the bytes that the project keeps, unpacked."""
        if self.converted is not None:
            yield io.BytesIO(self.converted)
            return
        with self.source.open() as stream:
            yield stream


def read_data(path: Path, *, target: str | None = None) -> DataFile:
    """Read a table from a file of any kind; `target` names the column whose labels are no missing values.

    Raises:
        DataError: the file cannot be used; the message says why and what helps.
    """
    source = identify(path)
    match source.holds:
        case "parquet":
            data = _read_parquet(source)
        case "excel":
            converted, notes = workbook_as_csv(path)
            data = _read_delimited(source, "utf-8", target, converted=converted, notes=notes)
        case _:
            data = _read_text(source, target)
    _check(path, data.frame)
    return data


def _read_text(source: Source, target: str | None) -> DataFile:
    encoding = find_encoding(source)
    with source.open() as stream, as_text(stream, encoding) as text:
        head = text.read(_HEAD).lstrip("\ufeff \t\r\n")
    if encoding == "utf-8" and head.startswith("[") and (lines := array_as_lines(source)) is not None:
        return _read_json_lines(source, lines)
    if encoding == "utf-8" and head.startswith("{") and is_json_lines(source.path, head):
        return _read_json_lines(source, None)
    return _read_delimited(source, encoding, target)


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
    return DataFile(source.path, _stem(source.path), ".parquet", frame, source, summary="Parquet")


def _read_json_lines(source: Source, converted: bytes | None) -> DataFile:
    data = DataFile(source.path, _stem(source.path), ".jsonl", pd.DataFrame(), source, converted=converted)
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


def _read_delimited(
    source: Source,
    encoding: str,
    target: str | None,
    *,
    converted: bytes | None = None,
    notes: tuple[str, ...] = (),
) -> DataFile:
    path, stem = source.path, _stem(source.path)
    raw = DataFile(path, stem, ".csv", pd.DataFrame(), source, converted=converted, encoding=encoding)
    dialect = _dialect(raw)
    options = dialect.options
    name = encoding_for_pandas(encoding)
    if name != "utf-8":
        options["encoding"] = name
    frame = _frame(raw, dialect, options)
    words = find_missing_words(frame, target)
    if words:
        options["na_values"] = list(words)
        del frame
        frame = _frame(raw, dialect, options)
    suffix = ".csv"
    if dialect.sep == "\t" and ".tsv" in path.suffixes:
        suffix = ".tsv"
        del options["sep"]
    return DataFile(
        path=path,
        stem=stem,
        suffix=suffix + (".gz" if source.packing else ""),
        frame=frame,
        source=source,
        summary=_in_words(source, dialect, encoding, words, is_converted=converted is not None),
        encoding=encoding,
        options=options,
        dialect=dialect,
        converted=converted,
        notes=(*notes, *_notes(dialect, frame)),
    )


def _in_words(
    source: Source, dialect: Dialect, encoding: str, missing: tuple[str, ...], *, is_converted: bool
) -> str:
    """Say how a delimited text was understood: always its separator and encoding, else what is unusual."""
    separator, *unusual = dialect.in_words
    form = ["a workbook, kept as CSV"] if is_converted else [separator, encoding_in_words(encoding)]
    words = [f"{', '.join(map(shown, missing))} missing"] if missing else []
    return ", ".join([*form, *unusual, *words, *_PACKED_IN_WORDS[source.packing]])


def _dialect(raw: DataFile) -> Dialect:
    """Judge the dialect from the first lines, from more of them where one value fills the first."""
    with raw.open() as stream, as_text(stream, raw.encoding) as text:
        head = text.read(_HEAD)
        if len(head) == _HEAD and head.count("\n") < FEWEST_ROWS:
            head += text.read(_LONG_HEAD)
    return find_dialect(head)


def _frame(raw: DataFile, dialect: Dialect, options: Mapping[str, Any]) -> pd.DataFrame:
    try:
        with raw.open() as stream:
            frame: pd.DataFrame = pd.read_csv(stream, low_memory=False, **options)
    except pd.errors.EmptyDataError as error:
        raise DataError(
            f"'{raw.path}' is empty", hint="use a file with a header row and data rows"
        ) from error
    except (pd.errors.ParserError, ValueError) as error:
        reason = first_line(error).removeprefix("Error tokenizing data. C error: ")
        quotes = "close the quote that opens there" if "EOF inside string" in reason else ""
        raise DataError(
            f"'{raw.path}' is no regular CSV: {reason}",
            hint=quotes or "quote values that hold a separator or a line break",
        ) from error
    if isinstance(frame.index, pd.RangeIndex):
        return frame
    if dialect.row_labels and frame.index.nlevels == 1 and frame.index.is_unique:
        return frame.reset_index(drop=True)
    raise DataError(
        f"'{raw.path}' is no regular CSV: its rows have more values than its header has names",
        hint="add the missing column name to the first line",
    )


def _notes(dialect: Dialect, frame: pd.DataFrame) -> tuple[str, ...]:
    """Say what became of a header that cannot be taken as it is."""
    notes = []
    if dialect.names:
        notes.append(
            f"the file has no header: its columns are called {dialect.names[0]} to {dialect.names[-1]}"
        )
    if dialect.row_labels:
        notes.append("the first column has no name in the header, holds row labels, and is left out")
    renamed = []
    for number, (written, name) in enumerate(zip(dialect.header, frame.columns, strict=False), start=1):
        if not written.strip() and frame[name].notna().any():
            renamed.append(f"column {number} has no name and is called '{name}'")
        elif written.strip() and written != name:
            renamed.append(f"column {number} is called '{name}', because {shown(written)} is there already")
    if len(renamed) > _MOST_NOTES:
        renamed[_MOST_NOTES:] = [f"and so are {len(renamed) - _MOST_NOTES} more columns"]
    return (*notes, *renamed)


def _check(path: Path, frame: pd.DataFrame) -> None:
    for name in frame.columns:
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"'{path}' has a column without a name: {name!r}", hint="give each column a name")
    if len(frame.columns) < 2:
        raise DataError(
            f"'{path}' has one column, {shown(frame.columns[0])}"
            if len(frame.columns)
            else f"'{path}' has no columns",
            hint="a model needs a target and something to learn from",
        )
    if len(frame) < FEWEST_ROWS:
        rows = (
            "one row" if len(frame) == 1 else f"{len(frame)} rows" if len(frame) else "a header but no rows"
        )
        raise DataError(f"'{path}' has {rows}", hint=f"use a file with at least {FEWEST_ROWS} rows")


def _stem(path: Path) -> str:
    name = path.name
    while (suffix := next((end for end in _SUFFIXES if name.lower().endswith(end)), None)) and name != suffix:
        name = name[: -len(suffix)]
    return name
