"""Divide a data file into two, keeping the user's own bytes: no value goes through a data frame and back."""

from __future__ import annotations

import csv
import gzip
import io
from contextlib import contextmanager
from itertools import chain, islice, zip_longest
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from mlxkit.errors import DataError
from mlxkit.scaffold.containers import as_text
from mlxkit.scaffold.dialect import LONGEST_VALUE, WHITESPACE, Dialect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from mlxkit.scaffold.data_file import DataFile


def divide_rows(data: DataFile, held_out: NDArray[np.bool_], staying: Path, held: Path) -> None:
    """Write the rows that stay and the rows held out: Parquet with its schema, text as it stands there."""
    if data.suffix == ".parquet":
        with data.open() as stream:
            table = pq.read_table(io.BytesIO(stream.read()))
        pq.write_table(table.filter(pa.array(~held_out)), staying)
        pq.write_table(table.filter(pa.array(held_out)), held)
        return
    with (
        data.open() as stream,
        as_text(stream, data.encoding) as lines,
        _text_file(staying, data.encoding) as kept,
        _text_file(held, data.encoding) as new,
    ):
        try:
            rows = _divide_text(lines, data.dialect, held_out, kept, new)
        except csv.Error as error:
            raise DataError(
                f"'{data.path}' is no regular CSV: {error}", hint="mend the line and try again"
            ) from error
    if rows != len(held_out):
        raise DataError(
            f"'{data.path}' cannot be divided into rows: {rows} records for {len(held_out)} rows",
            hint="quote values that hold a separator or a line break",
        )


def _divide_text(
    lines: Iterator[str], dialect: Dialect | None, held_out: NDArray[np.bool_], kept: IO[str], new: IO[str]
) -> int:
    """Write each record to one of two files, and to both what stands before; return the number of records."""
    before: list[str] = []
    records: Iterator[str] = (line for line in lines if line.strip())
    if dialect is not None:
        before = list(islice(lines, dialect.skiprows))
        records = _records(lines, dialect)
        before += islice(records, 0 if dialect.names else 1)
    for out in (kept, new):
        out.writelines(before)
    end = "\r\n" if before and before[-1].endswith("\r\n") else "\n"
    rows = 0
    for record, is_held in zip_longest(records, held_out):
        rows += record is not None
        if record is not None and is_held is not None:
            (new if is_held else kept).write(record if record.endswith(("\n", "\r")) else record + end)
    return rows


@contextmanager
def _text_file(path: Path, encoding: str) -> Iterator[IO[str]]:
    """Open a file to write; compressed without a time stamp, so that equal rows are equal files."""
    with path.open("wb") as plain:
        if path.suffix != ".gz":
            with io.TextIOWrapper(plain, encoding=encoding, newline="") as text:
                yield text
            return
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0) as packed,
            io.TextIOWrapper(packed, encoding=encoding, newline="") as text,
        ):
            yield text


def _records(lines: Iterable[str], dialect: Dialect) -> Iterator[str]:
    """Yield each record as it stands in the file, blank lines left out, as pandas does."""
    blank = " \t\r\n".replace(dialect.sep, "") if dialect.sep != WHITESPACE else None
    sep = " " if dialect.sep == WHITESPACE else dialect.sep
    previous = csv.field_size_limit(LONGEST_VALUE)
    rest = iter(lines)
    try:
        for line in rest:
            record = line
            if dialect.quotechar in line:
                consumed: list[str] = []
                reader = csv.reader(
                    _remember(chain([line], rest), consumed),
                    delimiter=sep,
                    quotechar=dialect.quotechar,
                    escapechar=dialect.escapechar or None,
                    skipinitialspace=dialect.skipinitialspace or dialect.sep == WHITESPACE,
                )
                next(reader)
                record = "".join(consumed)
            if record.strip(blank):
                yield record
    finally:
        csv.field_size_limit(previous)


def _remember(lines: Iterable[str], consumed: list[str]) -> Iterator[str]:
    for line in lines:
        consumed.append(line)
        yield line
