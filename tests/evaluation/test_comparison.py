import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mlxkit.errors import DataError, UsageError
from mlxkit.evaluation.comparison import compare, paired_bootstrap
from mlxkit.evaluation.predictions import Predictions


def probabilities(truth: np.ndarray, noise: float, generator: np.random.Generator) -> Predictions:
    """Predictions of a model that sees the truth through noise."""
    margin = (truth - 0.5) + generator.normal(0, noise, len(truth))
    scores = 1 / (1 + np.exp(-margin))
    return Predictions((scores > 0.5).astype(int), np.column_stack([1 - scores, scores]), (0, 1))


def brute_force(measure, rows: int, resamples: int, confidence: float, sign: int) -> float:
    generator = np.random.default_rng(0)
    draws = [generator.integers(0, rows, size=rows, dtype=np.intp) for _ in range(resamples)]
    differences = sorted(sign * (measure(0, draw) - measure(1, draw)) for draw in draws)
    return differences[int((1 - confidence) * (resamples - 1))]


@pytest.mark.parametrize(
    ("metric", "sign", "function"),
    [
        ("roc_auc", 1, lambda t, p: sk.roc_auc_score(t, p.scores[:, 1])),
        ("average_precision", 1, lambda t, p: sk.average_precision_score(t, p.scores[:, 1])),
        ("f1", 1, lambda t, p: sk.f1_score(t, p.labels)),
        ("log_loss", -1, lambda t, p: sk.log_loss(t, p.scores[:, 1])),
    ],
)
def test_bound_is_that_of_brute_force(metric, sign, function):
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 2, 80)
    models = [probabilities(truth, 0.5, generator), probabilities(truth, 1.0, generator)]

    def measure(which: int, draw: np.ndarray) -> float:
        model = models[which]
        return function(truth[draw], Predictions(model.labels[draw], model.scores[draw], (0, 1)))

    found = compare(metric, "classification", pd.Series(truth), *models, resamples=100, confidence=0.9)
    assert found.lower == pytest.approx(brute_force(measure, 80, 100, 0.9, sign))
    everything = np.arange(80)
    assert found.challenger == pytest.approx(measure(0, everything))
    assert found.champion == pytest.approx(measure(1, everything))
    assert found.difference == pytest.approx(sign * (found.challenger - found.champion))
    assert (found.rows, found.resamples, found.confidence) == (80, 100, 0.9)


@given(st.integers(0, 1000))
@settings(max_examples=10)
def test_regression_bound_is_that_of_brute_force(seed):
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=50)
    models = [Predictions(truth + generator.normal(0, noise, 50)) for noise in (0.5, 1.0)]
    found = compare("rmse", "regression", pd.Series(truth), *models, resamples=60)
    expected = brute_force(
        lambda which, draw: sk.root_mean_squared_error(truth[draw], models[which].labels[draw]),
        50,
        60,
        0.95,
        -1,
    )
    assert found.lower == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["accuracy", "roc_auc", "log_loss", "brier"])
def test_equal_models_are_not_better(metric):
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, 200)
    model = probabilities(truth, 1.0, generator)
    turned = Predictions(model.labels, model.scores[:, ::-1], (1, 0))
    for other in (model, turned):
        found = compare(metric, "classification", pd.Series(truth), model, other, resamples=200)
        assert found.difference == pytest.approx(0)
        assert not found.better


def test_clearly_better_model_is_better_in_one_direction_only():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, 500)
    good, bad = probabilities(truth, 0.3, generator), probabilities(truth, 2.0, generator)
    for metric in ("roc_auc", "log_loss"):
        assert compare(metric, "classification", pd.Series(truth), good, bad, resamples=200).better
        assert not compare(metric, "classification", pd.Series(truth), bad, good, resamples=200).better


def test_bound_covers_the_true_difference_as_often_as_it_says():
    """Known answer: both models' errors are normal, so the true difference of the mean errors is known."""
    generator = np.random.default_rng(7)
    true = (1.0 - 0.9) * np.sqrt(2 / np.pi)
    covered = 0
    for trial in range(200):
        truth = generator.normal(size=150)
        shared = generator.normal(size=150)
        ours = 0.9 * (0.8 * shared + 0.6 * generator.normal(size=150))
        found = compare(
            "mae",
            "regression",
            pd.Series(truth),
            Predictions(truth + ours),
            Predictions(truth + shared),
            confidence=0.9,
            resamples=200,
            seed=trial,
        )
        covered += found.lower <= true
    assert covered / 200 == pytest.approx(0.9, abs=0.06)


def test_statistic_of_the_user():
    generator = np.random.default_rng(0)
    profit = generator.normal([[3.0], [1.0]], 1.0, (2, 100))

    def total(indices: np.ndarray) -> tuple[float, float]:
        return float(profit[0, indices].sum()), float(profit[1, indices].sum())

    found = paired_bootstrap(total, 100, metric="profit", direction="higher", resamples=100)
    assert found.better
    assert found == paired_bootstrap(total, 100, metric="profit", direction="higher", resamples=100)
    assert found.lower != paired_bootstrap(total, 100, metric="profit", direction="higher", seed=1).lower
    assert not paired_bootstrap(total, 100, metric="cost", direction="lower", resamples=100).better


def test_resamples_are_bounded_on_many_rows():
    found = paired_bootstrap(lambda indices: (1.0, 0.0), 125_000, metric="m", direction="higher")
    assert found.resamples == 400
    assert found.lower == 1.0


def test_models_that_know_different_classes_are_measured_alike():
    truth = pd.Series(["a", "b", "a", "b"])
    wide = Predictions(np.array(["a", "b", "a", "b"]), np.full((4, 3), 1 / 3), ("a", "b", "c"))
    narrow = Predictions(np.array(["a", "b", "a", "b"]))
    found = compare("precision", "classification", truth, wide, narrow, resamples=50)
    assert found.challenger == found.champion == 1.0


def test_what_cannot_be_compared_is_an_error():
    truth = pd.Series([0, 1, 0, 1])
    scored = Predictions(np.array([0, 1, 0, 1]), np.full((4, 2), 0.5), (0, 1))
    with pytest.raises(DataError, match="'roc_auc' cannot be computed for the champion on these 4 rows"):
        compare("roc_auc", "classification", truth, scored, Predictions(scored.labels))
    with pytest.raises(UsageError, match="'profit' is no metric of a classification task"):
        compare("profit", "classification", truth, scored, scored)
    with pytest.raises(DataError, match="1 labelled rows are too few"):
        paired_bootstrap(lambda indices: (1.0, 0.0), 1, metric="m", direction="higher")
    with pytest.raises(DataError, match="on most resamples"):
        paired_bootstrap(lambda indices: (float("nan"), 0.0), 5, metric="m", direction="higher")
