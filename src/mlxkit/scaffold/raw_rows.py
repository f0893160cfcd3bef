"""Divide a data file into two, keeping the user's own bytes: no value goes through a data frame and back."""

from __future__ import annotations

import csv
import gzip
import io
from itertools import compress
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from mlxkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from mlxkit.scaffold.reading import DataFile

_LONGEST_VALUE = 2**31 - 1


def divide_rows(data: DataFile, held_out: NDArray[np.bool_]) -> tuple[bytes, bytes]:
    """Return the rows that stay and the rows held out: Parquet with its schema, CSV as its own text."""
    if data.suffix == ".parquet":
        table = pq.read_table(pa.BufferReader(data.content))
        return _parquet(table, ~held_out), _parquet(table, held_out)
    header, *records = _records(data)
    if len(records) != len(held_out):
        raise DataError(
            f"'{data.path}' cannot be divided into rows: {len(records)} records for {len(held_out)} rows",
            hint="quote values that hold a comma or a line break",
        )
    if not records[-1].endswith(("\n", "\r")):
        records[-1] += "\r\n" if header.endswith("\r\n") else "\n"
    staying, held = compress(records, ~held_out), compress(records, held_out)
    return "".join((header, *staying)).encode("utf-8"), "".join((header, *held)).encode("utf-8")


def gzipped(content: bytes) -> bytes:
    """Compress without a time stamp, so that equal rows are equal files."""
    return gzip.compress(content, mtime=0)


def _parquet(table: pa.Table, rows: NDArray[np.bool_]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table.filter(pa.array(rows)), sink)
    return sink.getvalue()


def _records(data: DataFile) -> Iterator[str]:
    """Yield each CSV record as it stands in the file, blank lines left out, as pandas does."""
    lines = io.StringIO(data.content.decode("utf-8"), newline="")
    consumed: list[str] = []
    previous = csv.field_size_limit(_LONGEST_VALUE)
    try:
        for _ in csv.reader(_remember(lines, consumed)):
            record = "".join(consumed)
            consumed.clear()
            if record.strip():
                yield record
    except csv.Error as error:
        raise DataError(
            f"'{data.path}' is no regular CSV: {error}", hint="mend the line and try again"
        ) from error
    finally:
        csv.field_size_limit(previous)


def _remember(lines: Iterable[str], consumed: list[str]) -> Iterator[str]:
    for line in lines:
        consumed.append(line)
        yield line
