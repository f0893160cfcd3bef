"""McNemar's exact test agrees with scipy's binomial test, and two equal models rarely differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from mlxkit.evaluation.comparison import compare
from mlxkit.evaluation.exact import lower_bound, standard_error
from mlxkit.evaluation.predictions import Predictions


@pytest.mark.parametrize("confidence", [0.6, 0.9, 0.95, 0.99])
def test_better_means_a_small_p_value(confidence: float) -> None:
    for ours in range(30):
        for theirs in range(30):
            if ours + theirs == 0:
                continue
            p = binomtest(ours, ours + theirs, 0.5, alternative="greater").pvalue
            assert (lower_bound(ours, theirs, 100, confidence) > 0) == bool(p < 1 - confidence), (
                ours,
                theirs,
            )


def test_the_bound_is_that_of_the_share_of_discordant_rows() -> None:
    share = binomtest(21, 28, alternative="greater").proportion_ci(0.95, method="exact").low
    assert lower_bound(21, 7, 400, 0.95) == pytest.approx((2 * share - 1) * 28 / 400)
    assert lower_bound(0, 0, 400, 0.95) == 0
    assert lower_bound(0, 8, 400, 0.95) == -8 / 400


def test_the_standard_error_is_that_of_paired_rows() -> None:
    paired = np.repeat([1, -1, 0], [21, 7, 372])
    assert standard_error(21, 7, 400) == pytest.approx(paired.std() / 20)


def _accuracy(rng: np.random.Generator, rows: int, chances: tuple[float, float]) -> bool:
    truth = pd.Series(rng.integers(0, 2, rows))
    models = [np.where(rng.random(rows) < chance, truth, 1 - truth) for chance in chances]
    ours, theirs = (Predictions(answers) for answers in models)
    return compare("accuracy", "classification", truth, ours, theirs).better


def test_two_equal_models_seldom_pass() -> None:
    """Of 2,000 at most 124 may pass: the 99 % bound of a true 5 %."""
    rng = np.random.default_rng(0)
    assert sum(_accuracy(rng, 200, (0.8, 0.8)) for _ in range(2000)) <= 124


def test_a_better_model_often_passes() -> None:
    rng = np.random.default_rng(1)
    assert sum(_accuracy(rng, 1000, (0.9, 0.8)) for _ in range(200)) >= 195


def test_keys_that_repeat_are_resampled() -> None:
    truth = pd.Series([1, 0] * 50)
    ours, theirs = Predictions(truth.to_numpy()), Predictions(np.where(np.arange(100) < 90, truth, 1 - truth))
    exact = compare("accuracy", "classification", truth, ours, theirs)
    assert (exact.discordant, exact.resamples) == ((10, 0), 0)
    keyed = compare("accuracy", "classification", truth, ours, theirs, clusters=np.repeat(np.arange(10), 10))
    assert (keyed.discordant, keyed.keys) == (None, 10)
    assert exact.better
    assert not keyed.better
