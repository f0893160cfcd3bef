import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxkit.errors import DataError
from mlxkit.evaluation.training_rows import TrainingRows, fingerprint, overlap, row_hashes


def frame(first: int, last: int) -> pd.DataFrame:
    numbers = np.arange(first, last)
    return pd.DataFrame({"id": numbers, "x": numbers * 0.1, "name": [f"n{number % 7}" for number in numbers]})


def test_same_rows_in_another_order_index_and_dtype_are_the_same():
    rows = frame(0, 500)
    known = fingerprint(rows, columns=["id", "x", "name"])
    other = rows.sample(frac=1, random_state=0).astype({"id": "float64", "name": "category"})[
        ["x", "name", "id"]
    ]
    assert fingerprint(other, columns=["name", "id", "x"]).to_json() == known.to_json()
    found = overlap(known, other)
    assert (found.rows, found.compared, found.shared, found.share) == (500, 500, 500, 1.0)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pd.Series([1, 2]), pd.Series([1.0, 2.0])),
        (pd.Series([1, 2]), pd.Series(["1", "2"])),
        (pd.Series([1, 2]), pd.Series([1, 2], dtype="Int64")),
        (pd.Series([1, 2]), pd.Series([1, 2], dtype="category")),
        (pd.Series([1, 2], dtype="int8"), pd.Series([1, 2], dtype="uint64")),
        (pd.Series([0.1, 12.5]), pd.Series(["0.1", "12.5"])),
        (pd.Series([0.0]), pd.Series([-0.0])),
        (pd.Series([2**63 + 1, 3]), pd.Series([str(2**63 + 1), "3"])),
        (pd.Series(["a", None]), pd.Series(["a", " "])),
        (pd.Series(pd.to_datetime(["2020-01-01"])), pd.Series(["2020-01-01"])),
        (pd.Series([True]), pd.Series(["True"])),
    ],
)
def test_equal_values_have_equal_hashes(left, right):
    hashes = [row_hashes(column.to_frame("c"), ["c"]).tolist() for column in (left, right)]
    assert hashes[0] == hashes[1]


def test_different_values_have_different_hashes():
    values = pd.Series([1, 0, -1, 1.5, "007", "7", "a", "A", None, 2**63, 2**63 + 1], dtype=object)
    assert len(set(row_hashes(values.to_frame("c"), ["c"]).tolist())) == len(values)
    swapped = pd.DataFrame({"a": [1, 2], "b": [2, 1]})
    assert len(set(row_hashes(swapped, ["a", "b"]).tolist())) == 2


def test_hashes_never_change():
    """Fingerprints lie in models of years ago."""
    rows = pd.DataFrame({"n": [1.5, None], "t": ["a", "ü"]})
    assert row_hashes(rows, ["n", "t"]).tolist() == [12887279065702055759, 16132950573400410490]


def test_rows_never_trained_on_do_not_overlap():
    known = fingerprint(frame(0, 500), columns=["id", "x", "name"], key="id")
    assert known.columns == ("id",)
    found = overlap(known, frame(400, 600)[["id"]])
    assert (found.compared, found.shared, found.share) == (200, 100, 0.5)
    assert overlap(known, frame(500, 600)).share == 0.0


def test_key_that_is_absent_falls_back_to_content():
    known = fingerprint(frame(0, 50), columns=["x", "name"], key="customer")
    assert known.columns == ("name", "x")
    assert overlap(known, frame(25, 75)).share == 0.5


def test_rows_without_the_columns_cannot_be_told():
    known = fingerprint(frame(0, 50), columns=["x"], key="id")
    assert overlap(known, frame(0, 50)[["x"]]) is None


def test_rows_without_a_key_are_not_compared():
    rows = frame(0, 50).astype({"id": "Int64"})
    rows.loc[:9, "id"] = None
    known = fingerprint(rows, columns=["x"], key="id")
    found = overlap(known, rows)
    assert (found.rows, found.compared, found.shared) == (50, 40, 40)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_sample_estimates_the_share(first, length):
    known = fingerprint(frame(0, 1000), columns=["id"], kept=200)
    rows = frame(first, first + length)
    found = overlap(known, rows)
    truth = max(0, min(1000, first + length) - first)
    assert found.shared <= found.compared <= found.rows == length
    if truth == 0:
        assert found.shared == 0
    elif truth == length:
        assert found.share in (1.0, None)
    if length > 300:
        assert found.share == pytest.approx(truth / length, abs=0.25)


def test_json_reads_back_and_is_small():
    rows = frame(0, 30_000)
    known = fingerprint(rows, columns=["id"])
    text = known.to_json()
    read = TrainingRows.from_json(text)
    assert (read.columns, read.rows, read.complete, len(read.hashes)) == (("id",), 30_000, False, 20_000)
    assert read.to_json() == text
    assert overlap(read, rows).share == 1.0
    assert len(text) < 250_000


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"format": 2}'])
def test_text_that_is_no_fingerprint(text):
    with pytest.raises(DataError, match=r"'training_rows\.json' is no record of training rows"):
        TrainingRows.from_json(text)
