"""The user's rows reach the project byte for byte, in two parts."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxkit.scaffold.containers import Source
from mlxkit.scaffold.dialect import Dialect
from mlxkit.scaffold.hold_out import choose_cutoff, hold_out_newest, hold_out_random, is_test
from mlxkit.scaffold.raw_rows import divide_rows
from mlxkit.scaffold.reading import DataFile, read_data

if TYPE_CHECKING:
    from conftest import TmpDir

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)


def as_file(content: bytes) -> DataFile:
    frame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    source = Source(Path("c.csv"), "", "", "text")
    return DataFile(source.path, "c", ".csv", frame, source, dialect=Dialect(), converted=content)


def divided(data: DataFile, held: np.ndarray) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        parts = Path(folder, f"staying{data.suffix}"), Path(folder, f"held{data.suffix}")
        divide_rows(data, held, *parts)
        return parts[0].read_bytes(), parts[1].read_bytes()


@given(
    rows=st.lists(st.tuples(st.booleans(), texts, texts), min_size=1, max_size=20),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
def test_any_csv_is_divided_into_its_own_records(
    rows: list[tuple[bool, str, str]], end: str, quoting: int
) -> None:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator=end, quoting=quoting)
    writer.writerows([("a", "b"), *((first, second) for _, first, second in rows)])
    data = as_file(written.getvalue().encode())
    held = np.array([row[0] for row in rows])

    staying, new_rows = (as_file(part).frame for part in divided(data, held))

    assert staying.to_numpy().tolist() == data.frame[~held].to_numpy().tolist()
    assert new_rows.to_numpy().tolist() == data.frame[held].to_numpy().tolist()


BYTES = {
    "quoted line breaks": b'a,b\n1,"x\ny"\n2,"a ""b"", c"\n3,z\n',
    "a quote inside": b'a,b\n1,5" pipe\n2,6" pipe\n3,z\n',
    "line ends of Windows": b"a,b\r\n1,x\r\n2,y\r\n3,z\r\n",
    "a byte order mark": b"\xef\xbb\xbfa,b\n1,x\n2,y\n3,z\n",
    "odd numbers": b"a,b\n1.50,007\n+2,1e3\n3.,0x1\n",
}


@pytest.mark.parametrize("case", BYTES)
def test_values_keep_their_bytes(case: str) -> None:
    content = BYTES[case]
    staying, new_rows = divided(as_file(content), np.array([False, True, False]))
    header, first, second, third = (
        content.splitlines(keepends=True)
        if case != "quoted line breaks"
        else [b"a,b\n", b'1,"x\ny"\n', b'2,"a ""b"", c"\n', b"3,z\n"]
    )
    assert staying == header + first + third
    assert new_rows == header + second


def test_blank_lines_and_a_missing_last_line_end() -> None:
    parts = divided(as_file(b"a,b\n\n1,x\n \n2,y\n3,z"), np.array([False, False, True]))
    assert parts == (b"a,b\n1,x\n2,y\n", b"a,b\n3,z\n")


def test_parquet_keeps_its_types(tmp_dir: TmpDir) -> None:
    schema = pa.schema(
        [
            ("when", pa.date32()),
            ("price", pa.decimal128(9, 2)),
            ("kind", pa.dictionary(pa.int8(), pa.string())),
        ]
    )
    rows = [{"when": date(2024, 1, 1 + n), "price": Decimal(n), "kind": "ab"[n % 2]} for n in range(30)]
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(table, tmp_dir / "c.parquet")
    held = np.arange(30) >= 27
    staying, new_rows = (
        pq.read_table(pa.BufferReader(part)) for part in divided(read_data(tmp_dir / "c.parquet"), held)
    )
    assert staying.schema == new_rows.schema == schema
    assert staying.equals(table.slice(0, 27))
    assert new_rows.equals(table.slice(27))


def test_equal_rows_are_equal_archives() -> None:
    data = replace(as_file(b"a,b\n1,x\n2,y\n"), suffix=".csv.gz")
    first, second = (divided(data, np.array([False, True])) for _ in range(2))
    assert first == second
    assert [gzip.decompress(part) for part in first] == [b"a,b\n1,x\n", b"a,b\n2,y\n"]


def test_the_newest_rows_are_held_out() -> None:
    times = pd.Series([5.0, None, *range(100, 118)])
    assert list(np.flatnonzero(hold_out_newest(times))) == [18, 19]


def test_random_rows_come_from_every_large_class_and_no_tiny_one() -> None:
    labels = pd.Series(["a"] * 600 + ["b"] * 398 + ["c"] * 2)
    held = hold_out_random(labels, 1000, seed=0)
    assert labels[held].value_counts().to_dict() == {"a": 60, "b": 40}
    assert (held == hold_out_random(labels, 1000, seed=0)).all()
    assert (held != hold_out_random(labels, 1000, seed=1)).any()


@given(st.lists(st.integers(0, 30), min_size=10, max_size=200).filter(lambda times: len(set(times)) > 1))
def test_a_cutoff_leaves_rows_on_both_sides(times: list[int]) -> None:
    series = pd.Series(times)
    assert 0 < is_test(series, choose_cutoff(series)).sum() < len(series)


@pytest.mark.parametrize(
    ("times", "cutoff"),
    [
        (pd.Series(pd.date_range("2024-01-01", periods=10, tz="UTC")), "2024-01-09"),
        (pd.Series(pd.date_range("2024-01-01", periods=10, freq="6h", tz="UTC")), "2024-01-03"),
        (pd.Series(pd.date_range("2024-01-01", periods=10, freq="7h", tz="UTC")), "2024-01-03 08:00:00"),
        (pd.Series(range(10)), 8),
        (pd.Series(np.arange(10) / 4), 2),
    ],
)
def test_cutoff(times: pd.Series, cutoff: str | float) -> None:
    assert choose_cutoff(times) == cutoff
