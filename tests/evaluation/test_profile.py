import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxkit.errors import DataError, ToolError
from mlxkit.evaluation.columns import coerce, kind_of
from mlxkit.evaluation.profile import Profile, build_profile, profile_column, read_profile, sketch_numbers


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 3], "numeric"),
        ([1.5, None], "numeric"),
        ([" 12.5", "3", " ", ""], "numeric"),  # blanks do not make numbers text
        (["1", "2", "x"], "categorical"),
        (["1"] * 19 + ["x"], "numeric"),  # 95 %
        ([True, False], "categorical"),
        ([True, None], "categorical"),
        (["a", None], "categorical"),
        ([None, None], "categorical"),
        ([[1], [2]], "categorical"),
        ([dt.datetime(2020, 1, 1)], "datetime"),
        (["2020-01-01", "2020-02-01T10:00:00"], "datetime"),
        (["2020-01-01", "soon"], "categorical"),
        ([dt.timedelta(days=1)], "numeric"),
    ],
)
def test_kind_of(values, kind):
    assert kind_of(pd.Series(values)) == kind


def test_kind_of_pandas_types():
    assert kind_of(pd.Series([1, 2], dtype="category")) == "categorical"
    assert kind_of(pd.Series([1, None], dtype="Int64")) == "numeric"
    assert kind_of(pd.Series([True, None], dtype="boolean")) == "categorical"
    assert kind_of(pd.Series(pd.period_range("2020", periods=2))) == "datetime"
    assert kind_of(pd.Series(["1", "2"], dtype="string")) == "numeric"
    assert kind_of(pd.Series(pd.date_range("2020", periods=2, tz="Europe/Berlin"))) == "datetime"
    assert kind_of(pd.Series([], dtype="float64")) == "numeric"


def test_coerce_gives_missing_for_what_does_not_fit():
    numbers = coerce(pd.Series([" 1.5 ", "x", None, " ", "inf", "1e300"]), "numeric")
    assert numbers.dropna().tolist() == [1.5]
    assert coerce(pd.Series(pd.date_range("2020", periods=2)), "numeric").isna().all()
    dates = coerce(pd.Series(["1970-01-02", "x", None]), "datetime")
    assert dates.dropna().tolist() == [86400.0]
    assert coerce(pd.Series([1.0, 2.0]), "datetime").isna().all()


def test_one_category_however_it_is_spelled():
    for values in ([1, 2], [1.0, 2.0], ["1", "2"], [" 1", "2 "]):
        assert coerce(pd.Series(values), "categorical").tolist() == ["1", "2"]
    assert coerce(pd.Series(["a", " ", None, np.nan], dtype=object), "categorical").isna().tolist() == [
        False,
        True,
        True,
        True,
    ]


def test_profile_of_numbers_written_as_text():
    column = profile_column(pd.Series(["1", "2", "3", " "], name="TotalCharges"))
    assert (column.kind, column.rows, column.missing) == ("numeric", 4, 1)
    assert (column.sketch.mean, column.sketch.minimum, column.sketch.maximum) == (2.0, 1.0, 3.0)
    assert column.sketch.slices == (1.0, 2.0, 3.0)


def test_profile_of_categories_keeps_the_most_frequent():
    names = [f"c{number:03}" for number in range(250) for _ in range(3 if number == 7 else 1)]
    sketch = profile_column(pd.Series(names, name="c")).sketch
    assert sketch.categories[:2] == (("c007", 3), ("c000", 1))
    assert (sketch.count, sketch.distinct, len(sketch.categories), sketch.other) == (252, 250, 200, 50)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=2000))
def test_slices_are_ascending_and_keep_the_mean(values):
    sketch = sketch_numbers(np.array(values))
    slices = np.array(sketch.slices)
    assert len(slices) == min(len(values), 200)
    assert np.diff(slices).min(initial=0) >= -1e-6
    assert slices.mean() == pytest.approx(np.mean(values), abs=1e-5)
    assert slices.min() >= sketch.minimum
    assert slices.max() <= sketch.maximum


def test_slices_are_the_means_of_equal_parts():
    values = np.random.default_rng(0).lognormal(size=1000)
    expected = np.sort(values).reshape(200, 5).mean(axis=1)
    assert sketch_numbers(values).slices == pytest.approx(expected)


def frame(rows: int = 300) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": generator.integers(18, 90, rows),
            "plan": generator.choice(["basic", "plus"], rows),
            "since": pd.date_range("2020", periods=rows),
            "id": [f"id-{number}" for number in range(rows)],
            "churn": generator.integers(0, 2, rows),
        }
    )


def test_profile_of_a_model():
    rows = frame()
    profile = build_profile(
        rows,
        task="classification",
        inputs=["age", "plan", "since"],
        target="churn",
        prediction=pd.Series(rows["churn"].to_numpy()),
    )
    assert [column.kind for column in profile.inputs] == ["numeric", "categorical", "datetime"]
    assert (profile.target.kind, profile.prediction.name) == ("categorical", "prediction")
    assert (profile.rows, profile.unused) == (300, ("id",))


def test_json_is_the_same_for_the_same_rows_and_reads_back():
    def built(rows: pd.DataFrame) -> Profile:
        return build_profile(rows, task="regression", inputs=["age", "plan", "since"], target="churn")

    profile = built(frame())
    text = profile.to_json()
    assert text == built(frame().sample(frac=1, random_state=1)).to_json()
    assert Profile.from_json(text) == profile
    assert json.loads(text)["format"] == 1
    assert Profile.from_json(build_profile(frame(), task="regression", inputs=[]).to_json()).inputs == ()


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"format": 2}', b'{"format": 1, "rows": 1}'])
def test_text_that_is_no_profile(text):
    with pytest.raises(DataError, match=r"'reference_profile\.json' is no reference profile"):
        Profile.from_json(text)


def test_profile_of_a_model_directory(tmp_path):
    with pytest.raises(ToolError, match="the model has no reference profile") as error:
        read_profile(tmp_path)
    assert error.value.hint == "run `mlx run --force train`"
    profile = build_profile(frame(), task="classification", inputs=["plan"], target="churn")
    (tmp_path / "reference_profile.json").write_bytes(profile.to_json())
    assert read_profile(tmp_path) == profile
