"""Metrics by weights are those of the scorers, which agree with scikit-learn, on every resample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxkit.evaluation.classification import ClassificationScorer
from mlxkit.evaluation.regression import RegressionScorer
from mlxkit.evaluation.resampling import Subset, bootstrap, interval, weight_blocks
from mlxkit.project.metrics import metrics_of

CLASSIFICATION = tuple(metric.name for metric in metrics_of("classification"))
REGRESSION = tuple(metric.name for metric in metrics_of("regression"))


def drawn_rows(rows: int, count: int) -> list[np.ndarray]:
    """The rows of each resample, as the weights draw them."""
    weights = np.hstack(list(weight_blocks(rows, count, 0))).astype(int)
    return [np.repeat(np.arange(rows), weights[:, i]) for i in range(count)]


def agree(scorer: ClassificationScorer | RegressionScorer, metrics: tuple[str, ...], count: int = 20) -> None:
    weights = np.hstack(list(weight_blocks(scorer.rows, count, 0)))
    found = Subset(scorer, metrics).tally.values(weights)
    for metric in metrics:
        if metric not in found:
            assert not np.isfinite(scorer.value(metric))
            continue
        wanted = [scorer.value(metric, rows) for rows in drawn_rows(scorer.rows, count)]
        np.testing.assert_allclose(found[metric], wanted, rtol=1e-9, atol=1e-12, err_msg=metric)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(2, 4), st.booleans())
def test_classification(seed: int, rows: int, classes: int, ties: bool) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.dirichlet(np.ones(classes), rows)
    if ties:
        scores = np.round(scores * 4) / 4
    truth, predicted = generator.integers(0, classes, rows), generator.integers(0, classes, rows)
    agree(
        ClassificationScorer(truth, predicted, scores, classes, 1 if classes == 2 else None), CLASSIFICATION
    )


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.sampled_from([1.0, 1e6]))
def test_regression(seed: int, rows: int, offset: float) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 5, rows) + offset
    agree(RegressionScorer(truth.astype(float), truth + generator.normal(size=rows)), REGRESSION)


def test_a_model_without_probabilities_has_metrics_of_its_labels_alone() -> None:
    scorer = ClassificationScorer(np.array([0, 1, 1]), np.array([0, 1, 0]), None, 2, 1)
    agree(scorer, CLASSIFICATION)


def test_the_interval_of_a_mean_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        truth = np.zeros(80)
        scorer = RegressionScorer(truth, np.abs(generator.normal(size=80)))
        draws = bootstrap({"model": Subset(scorer, ("mae",))}, 80)
        estimate = draws.estimate("model", "mae", scorer.value("mae"))
        assert estimate.lower is not None
        assert estimate.upper is not None
        inside += estimate.lower <= np.sqrt(2 / np.pi) <= estimate.upper
    assert 180 <= inside <= 198


def test_a_subset_has_the_resamples_of_the_whole() -> None:
    generator = np.random.default_rng(2)
    scorer = RegressionScorer(np.zeros(50), generator.normal(size=50))
    part = np.arange(0, 50, 2)
    draws = bootstrap({"all": Subset(scorer, ("mae",)), "part": Subset(scorer.at(part), ("mae",), part)}, 50)
    for number, rows in enumerate(drawn_rows(50, 10)):
        inside = rows[rows % 2 == 0]
        assert draws.values["part"]["mae"][number] == pytest.approx(scorer.value("mae", inside))
        assert draws.values["all"]["mae"][number] == pytest.approx(scorer.value("mae", rows))


def test_a_sample_of_the_rows_gives_the_interval_of_all_rows() -> None:
    generator = np.random.default_rng(3)
    errors = generator.exponential(size=40_000)
    whole = RegressionScorer(np.zeros(40_000), errors)
    part = whole.at(np.arange(4000))
    value = whole.value("mae")
    full = bootstrap({"m": Subset(whole, ("mae",))}, 40_000).estimate("m", "mae", value)
    scaled = bootstrap({"m": Subset(part, ("mae",))}, 4000, of=40_000).estimate("m", "mae", value)
    assert full.upper is not None
    assert scaled.upper is not None
    assert scaled.upper - value == pytest.approx(full.upper - value, rel=0.35)


def test_more_rows_mean_fewer_resamples_and_never_less_than_two_hundred() -> None:
    small = bootstrap({"m": Subset(RegressionScorer(np.zeros(9), np.arange(9.0)), ("mae",))}, 9)
    large = RegressionScorer(np.zeros(20_000), np.ones(20_000))
    many = bootstrap({str(i): Subset(large, ("mae",)) for i in range(5)}, 20_000)
    assert (small.method.resamples, many.method.resamples) == (1000, 200)


def test_no_interval_where_half_of_the_resamples_have_no_value() -> None:
    assert interval(0.5, np.array([np.nan, np.nan, np.nan, 0.5])).lower is None
    assert interval(0.5, None).lower is None
