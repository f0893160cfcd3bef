"""Read the user's data file for inspection; every way it can be unusable gets its own message."""

from __future__ import annotations

import csv
import gzip
import io
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd
import pyarrow as pa

from mlxkit.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

Suffix = Literal[".csv", ".csv.gz", ".parquet"]
SUFFIXES: tuple[Suffix, ...] = (".csv", ".csv.gz", ".parquet")
FEWEST_ROWS = 20


@dataclass(frozen=True)
class DataFile:
    """A data file that was read.

    Attributes:
        stem: the file's name without its suffix.
        content: the file's bytes, decompressed.
        frame: its rows as `pandas.read_csv` or `pandas.read_parquet` gives them without options.
    """

    path: Path
    stem: str
    suffix: Suffix
    content: bytes
    frame: pd.DataFrame


def read_data(path: Path) -> DataFile:
    """Read a CSV file (plain or gzip) or a Parquet file; raise DataError when it cannot be used."""
    suffix = _suffix(path)
    content = _content(path, suffix)
    frame = _read_parquet(path, content) if suffix == ".parquet" else _read_csv(path, content)
    _check_columns(path, frame)
    if len(frame) < FEWEST_ROWS:
        rows = (
            "one row" if len(frame) == 1 else f"{len(frame)} rows" if len(frame) else "a header but no rows"
        )
        raise DataError(f"'{path}' has {rows}", hint=f"use a file with at least {FEWEST_ROWS} rows")
    stem = path.name[: -len(suffix)]
    return DataFile(path=path, stem=stem, suffix=suffix, content=content, frame=frame)


def _suffix(path: Path) -> Suffix:
    if path.is_dir():
        raise DataError(f"'{path}' is a folder", hint="name one CSV or Parquet file in it")
    if not path.exists():
        raise DataError(f"there is no file '{path}'", hint=f"run `ls {_quoted(path.parent)}`")
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    excel = f'"import pandas as pd; pd.read_excel({str(path)!r}).to_csv({path.stem + ".csv"!r}, index=False)"'
    raise DataError(
        f"'{path}' is neither CSV nor Parquet: its name ends in none of {', '.join(SUFFIXES)}",
        hint=f"run `python -c {excel}`"
        if path.suffix.lower() in {".xlsx", ".xls"}
        else "save the table as CSV or Parquet",
    )


def _content(path: Path, suffix: Suffix) -> bytes:
    try:
        content = path.read_bytes()
        if suffix == ".csv.gz":
            content = gzip.decompress(content)
    except (OSError, EOFError) as error:
        raise DataError(
            f"'{path}' cannot be read: {_first_line(error)}", hint=f"run `file {_quoted(path)}`"
        ) from error
    if not content.strip():
        raise DataError(f"'{path}' is empty", hint="use a file with a header row and data rows")
    return content


def _read_parquet(path: Path, content: bytes) -> pd.DataFrame:
    try:
        return pd.read_parquet(io.BytesIO(content))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"'{path}' is no Parquet file, or a damaged one",
            hint=f"run `file {_quoted(path)}`",
            context=(_first_line(error),),
        ) from error


def _read_csv(path: Path, content: bytes) -> pd.DataFrame:
    _check_text(path, content)
    _check_header(path, content)
    try:
        frame = pd.read_csv(io.BytesIO(content), low_memory=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        reason = _first_line(error).removeprefix("Error tokenizing data. C error: ")
        raise DataError(
            f"'{path}' is no regular CSV: {reason}", hint="quote values that hold a comma or a line break"
        ) from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(
            f"'{path}' is no regular CSV: its rows have more values than its header has names",
            hint="add the missing column name to the first line",
        )
    return frame


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _check_text(path: Path, content: bytes) -> None:
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise DataError(
            f"'{path}' is not UTF-8 text: byte 0x00 in line {line}", hint=f"run `file {_quoted(path)}`"
        )
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        converted = f"utf8_{path.name.removesuffix('.gz')}"
        raise DataError(
            f"'{path}' is not UTF-8 text: byte 0x{content[error.start]:02x} in line {line}",
            hint=f"run `iconv -f WINDOWS-1252 -t UTF-8 {_quoted(path)} > {shlex.quote(converted)}`",
        ) from error


def _check_header(path: Path, content: bytes) -> None:
    header = content.decode("utf-8-sig").lstrip("\r\n").splitlines()[0]
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "'|'")):
        if separator in header and "," not in header:
            raise DataError(
                f"'{path}' separates its columns by {name}, not by commas",
                hint=f'run `python -c "import pandas as pd; pd.read_csv({str(path)!r}, sep={separator!r})'
                f'.to_csv({"commas_" + path.name.removesuffix(".gz")!r}, index=False)"`',
            )
    names = [name for name in next(csv.reader([header])) if name]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise DataError(f"'{path}' has two columns named '{repeated}'", hint="give each column its own name")


def _check_columns(path: Path, frame: pd.DataFrame) -> None:
    for name in frame.columns:
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"'{path}' has a column without a name: {name!r}", hint="give each column a name")
    if len(frame.columns) < 2:
        raise DataError(
            f"'{path}' has one column, '{frame.columns[0]}'",
            hint="a model needs a target and something to learn from",
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
