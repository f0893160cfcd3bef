import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from mlxkit.evaluation.distances import (
    categorical_distance,
    jensen_shannon,
    missing_threshold,
    new_category_share,
    numeric_distance,
    threshold,
    wasserstein,
)
from mlxkit.evaluation.profile import CategorySketch, profile_column, sketch_numbers

FINITE = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)
COUNTS = st.lists(st.integers(0, 100), min_size=3, max_size=3).filter(sum)


def categories(values) -> CategorySketch:
    return profile_column(pd.Series(values, name="c", dtype=object)).sketch


@given(FINITE, FINITE)
def test_wasserstein_is_that_of_scipy(left, right):
    left, right = np.array(left), np.array(right)
    assert wasserstein(left, right) == pytest.approx(wasserstein_distance(left, right), rel=1e-9, abs=1e-9)


@given(COUNTS, COUNTS)
def test_jensen_shannon_is_that_of_scipy(left, right):
    left, right = np.array(left) / sum(left), np.array(right) / sum(right)
    assert jensen_shannon(left, right) == pytest.approx(jensenshannon(left, right, base=2), abs=1e-7)


def test_numeric_distance_is_in_standard_deviations():
    values = np.random.default_rng(0).normal(50, 10, 5000)
    reference = sketch_numbers(values)
    assert numeric_distance(reference, values) < 0.01
    assert numeric_distance(reference, values + 5) == pytest.approx(0.5, abs=0.01)


@given(st.integers(0, 1000))
def test_sketch_is_as_good_as_the_values(seed):
    generator = np.random.default_rng(seed)
    reference, new = generator.normal(size=2000), generator.normal(0.3, 1.2, 500)
    exact = wasserstein_distance(reference, new) / reference.std()
    assert numeric_distance(sketch_numbers(reference), new) == pytest.approx(exact, abs=0.01)


def test_one_wild_value_does_not_make_the_rest_drift():
    values = np.random.default_rng(0).lognormal(0, 2, 20_000)
    values[0] = 1e7
    assert numeric_distance(sketch_numbers(values), values) < 0.1


def test_constant_reference_counts_the_share_that_changed():
    reference = sketch_numbers(np.full(100, 0.1))
    assert numeric_distance(reference, np.full(10, 0.1)) == 0
    assert numeric_distance(reference, np.array([0.1, 0.1, 0.1, 7.0])) == 0.25
    assert threshold(reference, 10, column="c") == 0.1


def test_categorical_distance_is_that_of_scipy_where_categories_repeat():
    reference = categories(["a"] * 60 + ["b"] * 40)
    expected = jensenshannon([0.6, 0.4, 0.0], [0.1, 0.5, 0.4], base=2)
    assert categorical_distance(reference, {"a": 1, "b": 5, "new": 4}) == pytest.approx(expected)
    assert categorical_distance(reference, {"a": 6, "b": 4}) == pytest.approx(0)
    assert categorical_distance(reference, {"new": 4}) == 1


def test_new_categories_are_known_only_where_all_are_listed():
    assert new_category_share(categories(["a", "a", "b"]), {"a": 1, "b": 1, "new": 2}) == 0.5
    assert new_category_share(categories([f"c{n}" for n in range(300)]), {"new": 2}) is None
    assert new_category_share(categories(["a"]), {}) == 0.0


def test_identifiers_are_no_distance_apart():
    reference = categories([f"id-{number}" for number in range(150)])
    assert categorical_distance(reference, {f"new-{number}": 1 for number in range(80)}) == 0


def alarms(draw, measure, reference_rows: int, rows: int, trials: int = 40) -> float:
    """Share of trials in which new rows of the same origin exceed their threshold."""
    generator = np.random.default_rng(5)
    found = 0
    for _ in range(trials):
        sketch = profile_column(pd.Series(draw(generator, reference_rows), name="c")).sketch
        found += measure(sketch, draw(generator, rows)) > threshold(sketch, rows, column="c")
    return found / trials


@pytest.mark.parametrize(("reference_rows", "rows"), [(5000, 57), (400, 57), (400, 10_000)])
@pytest.mark.parametrize("origin", ["normal", "lognormal", "few categories", "many categories", "long tail"])
def test_rows_of_the_same_origin_seldom_exceed_the_threshold(origin, reference_rows, rows):
    def numbers(sketch, values):
        return numeric_distance(sketch, np.asarray(values))

    def names(sketch, values):
        return categorical_distance(sketch, pd.Series(values).value_counts().to_dict())

    draws = {
        "normal": (lambda g, n: g.normal(size=n), numbers),
        "lognormal": (lambda g, n: g.lognormal(size=n), numbers),
        "few categories": (lambda g, n: g.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]), names),
        "many categories": (lambda g, n: [f"c{c}" for c in g.integers(0, 150, n)], names),
        "long tail": (lambda g, n: [f"c{c}" for c in g.zipf(1.3, n)], names),
    }
    assert alarms(*draws[origin], reference_rows, rows) <= 0.1


def test_threshold_shrinks_to_the_minimum_effect_with_more_rows():
    reference = sketch_numbers(np.random.default_rng(0).normal(size=5000))
    found = [threshold(reference, rows, column="c") for rows in (30, 100, 300, 5000)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.3
    assert found[-1] == 0.1
    assert threshold(reference, 57, column="c") == threshold(reference, 57, column="c")


def test_missing_threshold_allows_for_chance():
    assert missing_threshold(0, 1000, 1000, column="c") == 0.1
    assert 0.15 < missing_threshold(300, 1000, 40, column="c") < 0.3
