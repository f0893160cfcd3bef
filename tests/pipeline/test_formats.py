from __future__ import annotations

import dataclasses
import datetime
import gzip
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlxkit.errors import DataError, StageFailed
from mlxkit.pipeline.formats import TABLE_SUFFIXES, Library, load_object, load_table, suffix_of
from mlxkit.pipeline.saving import save

ROWS = {
    "id": ["007", "8", 'größe, "quoted"\nline'],
    "n": [1, -2, 3],
    "x": [0.1, None, 1e-300],
    "ok": [True, False, True],
    "sold_at": [1_700_000_000, 0, 5],
}
FRAME = pd.DataFrame(ROWS)


def needs(library: str) -> Any:
    missing = importlib.util.find_spec(library) is None
    return pytest.param(library, marks=pytest.mark.skipif(missing, reason=f"{library} is not installed"))


def make(library: str, rows: dict[str, list[Any]]) -> Any:
    if library == "pandas":
        return pd.DataFrame(rows)
    if library == "pyarrow":
        return pa.table(rows)
    import polars

    return polars.DataFrame(rows)


def to_pandas(table: Any) -> pd.DataFrame:
    return table if isinstance(table, pd.DataFrame) else table.to_pandas()


@pytest.mark.parametrize("reader", ["pandas", "pyarrow", needs("polars")])
@pytest.mark.parametrize("writer", ["pandas", "pyarrow", needs("polars")])
@pytest.mark.parametrize("suffix", TABLE_SUFFIXES)
def test_tables_come_back(tmp_path: Path, suffix: str, writer: str, reader: str) -> None:
    path = tmp_path / f"rows{suffix}"
    rows = dict(ROWS) if "sv" not in suffix else {**ROWS, "id": ["a7", "b", ROWS["id"][2]]}
    save(make(writer, rows), path)
    loaded = load_table(path, reader)  # type: ignore[arg-type]
    assert type(loaded).__module__.startswith(reader)
    frame = to_pandas(loaded)
    assert list(frame.columns) == list(rows)
    assert len(frame) == 3
    for name in ("id", "n", "ok", "sold_at"):
        assert frame[name].tolist() == rows[name], name
    assert frame["x"].isna().tolist() == [False, True, False]
    assert frame["x"].iloc[0] == 0.1


@pytest.mark.parametrize("suffix", TABLE_SUFFIXES)
def test_the_same_table_is_the_same_file(tmp_path: Path, suffix: str) -> None:
    one, two = tmp_path / f"rows{suffix}", tmp_path / "other" / f"rows{suffix}"
    save(FRAME, one)
    save(FRAME.copy(), two)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("suffix", [".csv.gz", ".tsv.gz"])
def test_gz_is_gzip(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    save(FRAME, path)
    assert gzip.decompress(path.read_bytes()).startswith(b"id")


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".json", ".jsonl"])
def test_dates_are_kept_or_become_texts(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    save(pd.DataFrame({"date": [pd.Timestamp("2024-01-31"), pd.Timestamp("2024-02-01 10:30")]}), path)
    loaded = load_table(path)
    if suffix == ".parquet":
        assert loaded["date"].dtype.kind == "M"
    else:
        assert loaded["date"].iloc[0].startswith("2024-01-31")
        assert pd.to_datetime(loaded["date"], format="ISO8601").dt.day.tolist() == [31, 1]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_a_series_is_a_table_of_one_column(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    save(pd.Series([1, 2], name="n"), path)
    assert load_table(path).to_dict("list") == {"n": [1, 2]}


def test_parquet_keeps_types_that_csv_cannot(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "c": pd.Categorical(["a", "b"]),
            "i": pd.array([1, None], "Int64"),
            "t": pd.to_timedelta([1, 2], "s"),
        }
    )
    save(frame, tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(load_table(tmp_path / "rows.parquet"), frame)


@dataclasses.dataclass(frozen=True)
class Result:
    score: float
    labels: tuple[str, ...]


OBJECTS: list[tuple[str, Any, Any]] = [
    ("a.json", {"n": 1, "größe": [1.5, None, True]}, None),
    ("a.json", [1, "2"], None),
    ("a.json", "text", None),
    ("a.json", 3, None),
    ("a.json", {"x": np.float64(0.1), "n": np.int64(2), "a": np.arange(2)}, {"x": 0.1, "n": 2, "a": [0, 1]}),
    ("a.json", Result(0.5, ("a", "b")), {"score": 0.5, "labels": ["a", "b"]}),
    ("a.json", {"results": [Result(0.5, ())]}, {"results": [{"score": 0.5, "labels": []}]}),
    (
        "a.json",
        {"day": datetime.date(2024, 1, 31), "at": pd.Timestamp("2024-01-31")},
        {"day": "2024-01-31", "at": "2024-01-31T00:00:00"},
    ),
    ("a.json", {"path": Path("a/b")}, {"path": "a/b"}),
    ("a.yaml", {"b": 1, "a": {"größe": [1, 2]}}, None),
    ("a.yml", ["x", 1.5], None),
    ("a.txt", "größe\n", None),
    ("a.md", "# Title\n", None),
    ("A.HTML", "<p>", None),
    ("a.pkl", {"any": {1, 2}}, None),
    ("a.joblib", [(1, 2)], None),
]


@pytest.mark.parametrize(("name", "value", "expected"), OBJECTS, ids=[str(o[:2]) for o in OBJECTS])
def test_objects_come_back(tmp_path: Path, name: str, value: Any, expected: Any) -> None:
    path = tmp_path / "deep" / "er" / name
    save(value, path)
    assert load_object(path) == (value if expected is None else expected)


def test_arrays_come_back(tmp_path: Path) -> None:
    array = np.arange(6.0).reshape(2, 3)
    save(array, tmp_path / "a.npy")
    assert np.array_equal(load_object(tmp_path / "a.npy"), array)


def test_a_table_without_annotation_is_pandas(tmp_path: Path) -> None:
    save(FRAME, tmp_path / "a.csv")
    assert isinstance(load_object(tmp_path / "a.csv"), pd.DataFrame)


@pytest.mark.parametrize("library", ["pandas", "pyarrow", needs("polars")])
def test_a_csv_file_is_read_as_it_is_told(tmp_path: Path, library: Library) -> None:
    (tmp_path / "a.csv").write_bytes("größe;n\n1,5;-\n2,5;3\n".encode("cp1252"))
    read = {"sep": ";", "decimal": ",", "encoding": "cp1252", "na_values": ["-"]}
    table = load_table(tmp_path / "a.csv", library, read=read)
    frame = table if library == "pandas" else table.to_pandas()
    assert frame.fillna(0).to_dict("list") == {"größe": [1.5, 2.5], "n": [0, 3]}


REFUSED = [
    (3, "a.csv", "int", "a table"),
    ({"a": [1]}, "a.parquet", "dict", "a table"),
    (FRAME, "a.yaml", "pandas.DataFrame", "something else"),
    (FRAME, "a.txt", "pandas.DataFrame", "something else"),
    ("text", "a.npy", "str", "something else"),
    ("text", "a.yml", "str", "something else"),
    ("text", "a.png", "str", "something else"),
    ({}, "folder", "dict", "something else"),
    (np.arange(3), "a.csv", "numpy.ndarray", "a table"),
]


@pytest.mark.parametrize(
    ("value", "name", "kind", "wanted"), REFUSED, ids=[f"{r[2]} {r[1]}" for r in REFUSED]
)
def test_a_type_that_does_not_fit_is_refused(
    tmp_path: Path, value: Any, name: str, kind: str, wanted: str
) -> None:
    with pytest.raises(StageFailed) as caught:
        save(value, tmp_path / name)
    assert caught.value.message == f"the function returned {kind}, which cannot be saved as '{name}'"
    assert caught.value.hint == (
        f"return {wanted}, or write the file yourself to a parameter annotated `Path`"
    )


@pytest.mark.parametrize(
    ("value", "kind"), [({1, 2}, "set"), ({"a": object()}, "object"), ([1 + 2j], "complex"), (Result, "type")]
)
def test_what_json_cannot_hold_is_named(tmp_path: Path, value: Any, kind: str) -> None:
    with pytest.raises(StageFailed) as caught:
        save(value, tmp_path / "a.json")
    assert caught.value.message == f"{kind} inside the result cannot be saved as JSON"
    assert caught.value.hint == "return plain numbers, texts and lists"


def test_nothing_is_refused_for_every_suffix(tmp_path: Path) -> None:
    for name in ("a.csv", "a.json", "a.pkl", "a.txt"):
        with pytest.raises(StageFailed) as caught:
            save(None, tmp_path / name)
        assert caught.value.message == f"the function returned nothing for '{name}'"
        assert caught.value.hint == "return the value"


UNWRITABLE: list[tuple[str, Any]] = [
    ("a.json", {(1, 2): 3}),
    ("a.yaml", {"a": np.float64(1)}),
    ("a.pkl", lambda: None),
    ("a.parquet", pd.DataFrame({"mixed": [1, "a", object()]})),
    ("a.parquet", pd.DataFrame([[1, 2]], columns=["same", "same"])),
]


@pytest.mark.parametrize(("name", "value"), UNWRITABLE, ids=[f"{u[0]} {i}" for i, u in enumerate(UNWRITABLE)])
def test_a_value_that_cannot_be_written_is_the_stages_failure(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(StageFailed) as caught:
        save(value, tmp_path / name)
    start = f"the result cannot be saved as '{name}': "
    assert caught.value.message.startswith(start)
    assert len(caught.value.message) > len(start)
    assert "\n" not in caught.value.message


UNREADABLE = [
    ("a.csv", b""),
    ("a.csv", b"a,b\n1,2\n1,2,3\n"),
    ("a.csv", b"a\n\xff\xfe\n"),
    ("a.csv.gz", b"no gzip"),
    ("a.csv.gz", gzip.compress(b"a\n1\n")[:-6]),
    ("a.parquet", b"PAR1 nothing"),
    ("a.jsonl", b"{"),
    ("a.json", b"{"),
]


@pytest.mark.parametrize(("name", "content"), UNREADABLE, ids=[f"{u[0]} {u[1][:8]!r}" for u in UNREADABLE])
def test_a_broken_table_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_table(path)
    assert caught.value.message.startswith(f"'{path}' cannot be read as a table: ")
    assert "\n" not in caught.value.message


BROKEN = [
    ("a.json", b"{"),
    ("a.json", b"\xff"),
    ("a.yaml", b"a: ["),
    ("a.txt", b"\xff"),
    ("a.npy", b""),
    ("a.npy", b"nothing"),
    ("a.pkl", b""),
    ("a.pkl", b"nothing"),
    ("a.joblib", b"\x80\x04cno_such_module\nname\n."),
]


@pytest.mark.parametrize(("name", "content"), BROKEN, ids=[f"{b[0]} {b[1][:8]!r}" for b in BROKEN])
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_object(path)
    assert caught.value.message.startswith(f"'{path}' cannot be read: ")


def test_what_mlx_cannot_load_is_left_to_the_user(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError) as caught:
        load_object(tmp_path / "a.png")
    assert caught.value.message == f"mlx does not know how to load '{tmp_path}/a.png'"
    assert caught.value.hint == "annotate the parameter as `Path` and read the file yourself"
    with pytest.raises(DataError) as caught:
        load_object(tmp_path / "folder")
    assert caught.value.message == f"'{tmp_path}/folder' is a directory without a model"
    with pytest.raises(DataError) as caught:
        load_object(tmp_path / "none.json")
    assert caught.value.message == f"there is no file or directory '{tmp_path}/none.json'"
    with pytest.raises(DataError) as caught:
        load_table(tmp_path / "none.csv")
    assert caught.value.message == f"there is no file '{tmp_path}/none.csv'"
    with pytest.raises(DataError) as caught:
        load_table(tmp_path / "a.png")
    assert caught.value.message == (
        f"'{tmp_path}/a.png' is no table: its suffix must be one of "
        ".csv, .csv.gz, .tsv, .tsv.gz, .parquet, .json, .jsonl"
    )


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.csv", ".csv"),
        ("a.b.csv.gz", ".csv.gz"),
        ("A.CSV", ".csv"),
        ("v1.2", ".2"),
        ("a", ""),
        ("x.gz", ".gz"),
    ],
)
def test_the_suffix_decides(name: str, suffix: str) -> None:
    assert suffix_of(Path("deep.folder") / name) == suffix
