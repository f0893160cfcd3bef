"""Where a key repeats, resamples draw keys; so intervals are as wide as the keys are few."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from mlxkit.errors import DataError
from mlxkit.evaluation.against import against
from mlxkit.evaluation.clusters import clusters_at, clusters_of, sample
from mlxkit.evaluation.comparison import compare, paired_bootstrap
from mlxkit.evaluation.describe import Subject, describe
from mlxkit.evaluation.predictions import Predictions, predict
from mlxkit.evaluation.regression import RegressionScorer
from mlxkit.evaluation.resampling import Subset, bootstrap, weight_blocks

if TYPE_CHECKING:
    from mlxkit.evaluation.facts import Estimate

Array = np.ndarray


def visits(seed: int, patients: int = 40) -> tuple[Array, Array]:
    """Patients of one to nine visits, and errors that are mostly the patient's own, of mean zero."""
    generator = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), generator.integers(1, 10, patients))
    own = generator.normal(size=patients)[patient]
    return patient, own + 0.3 * generator.normal(size=len(patient))


def width(estimate: Estimate) -> float:
    assert estimate.lower is not None
    assert estimate.upper is not None
    return estimate.upper - estimate.lower


def test_a_row_without_a_key_is_by_itself() -> None:
    rows = pd.DataFrame(
        {"key": ["b", None, "a", "b", None], "one": range(5), "two": pd.Categorical([*"xyxyx"])}
    )
    assert clusters_of(rows, "key").tolist() == [0, 2, 1, 0, 3]
    assert clusters_of(rows, "two").tolist() == [0, 1, 0, 1, 0]
    assert clusters_of(rows, "one") is None
    assert clusters_of(rows, "gone") is None
    assert clusters_of(rows, None) is None
    assert clusters_at(clusters_of(rows, "key"), np.array([0, 1, 2])) is None


def test_a_sample_has_whole_clusters() -> None:
    patient, _ = visits(0, 200)
    taken = sample(len(patient), 300, clusters=patient, seed=0)
    assert 280 < len(taken) <= 300
    assert not set(patient[taken]) & set(np.delete(patient, taken))
    assert sample(10, 10, clusters=None, seed=0).tolist() == list(range(10))
    assert len(set(patient[sample(len(patient), 1, clusters=patient, seed=0)])) == 2


def test_rows_of_one_key_are_drawn_together() -> None:
    patient, _ = visits(0)
    weights = np.hstack(list(weight_blocks(len(patient), 50, 0, patient)))
    first = np.unique(patient, return_index=True)[1]
    assert np.array_equal(weights, weights[first][patient])
    assert (weights[first].sum(axis=0) == 40).all()


def test_intervals_cover_as_often_as_they_say_only_with_the_keys() -> None:
    """The mean absolute error is ten in truth, and an interval should hold it in 95 % of the trials."""
    trials, held = 100, {"keys": 0, "rows": 0}
    for trial in range(trials):
        patient, errors = visits(trial)
        scorer = RegressionScorer(np.zeros(len(errors)), errors + 10)
        for name, clusters in (("keys", patient), ("rows", None)):
            draws = bootstrap({"m": Subset(scorer, ("mae",))}, len(errors), clusters=clusters)
            estimate = draws.estimate("m", "mae", scorer.value("mae"))
            assert estimate.lower is not None
            assert estimate.upper is not None
            held[name] += estimate.lower <= 10 <= estimate.upper
    assert 0.9 <= held["keys"] / trials <= 0.98
    assert held["rows"] / trials < 0.75


def test_a_bound_on_a_difference_holds_as_often_as_it_says_only_with_the_keys() -> None:
    """Neither model is better in truth, so a gate at 95 % should let one pass in 5 % of the trials."""
    trials, passed = 200, {"keys": 0, "rows": 0}
    for trial in range(trials):
        patient, errors = visits(trial)
        truth, theirs = pd.Series(np.zeros(len(errors))), Predictions(np.full(len(errors), 10.0))
        ours = Predictions(errors + 10)
        for name, clusters in (("keys", patient), ("rows", None)):
            found = compare("mae", "regression", truth, ours, theirs, clusters=clusters, resamples=300)
            passed[name] += found.better
    assert passed["keys"] / trials <= 0.1
    assert passed["rows"] / trials > 0.15


def test_the_bound_is_that_of_rows_drawn_by_key() -> None:
    patient, errors = visits(3)
    generator = np.random.default_rng(0)
    wanted = []
    for _ in range(200):
        drawn = np.concatenate([np.flatnonzero(patient == one) for one in generator.integers(0, 40, size=40)])
        wanted.append(errors[drawn].mean())
    found = paired_bootstrap(
        lambda rows: (errors[rows].mean(), 0.0),
        len(errors),
        metric="gain",
        direction="higher",
        clusters=patient,
        resamples=200,
    )
    assert found.lower == pytest.approx(np.quantile(wanted, 0.05, method="lower"))
    assert (found.rows, found.keys) == (len(errors), 40)


def test_one_key_is_too_few() -> None:
    with pytest.raises(DataError, match="all 5 labelled rows have one key"):
        paired_bootstrap(
            lambda rows: (1.0, 0.0), 5, metric="m", direction="higher", clusters=np.zeros(5, dtype=np.intp)
        )
    draws = bootstrap(
        {"m": Subset(RegressionScorer(np.zeros(5), np.ones(5)), ("mae",))},
        5,
        clusters=np.zeros(5, dtype=np.intp),
    )
    assert (draws.method.resamples, draws.method.keys) == (0, 1)


def test_unlabelled_rows_do_not_shift_the_keys() -> None:
    patient, errors = visits(1)
    truth = pd.Series(np.zeros(len(errors)))
    truth[5:20] = np.nan
    labelled = truth.notna().to_numpy()
    ours, theirs = Predictions(errors), Predictions(np.roll(errors, 1))
    keys = clusters_of(pd.DataFrame({"patient": patient[labelled]}), "patient")
    kept = truth[labelled], ours.at(np.flatnonzero(labelled)), theirs.at(np.flatnonzero(labelled))
    for measure in (
        lambda *sides, clusters: compare("mae", "regression", *sides, clusters=clusters),
        lambda *sides, clusters: against("regression", *sides, positive=None, clusters=clusters),
    ):
        assert measure(truth, ours, theirs, clusters=patient) == measure(*kept, clusters=keys)


def test_an_evaluation_resamples_keys_where_they_repeat() -> None:
    patient, errors = visits(2, 100)
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"x": generator.normal(size=len(errors)), "patient": patient, "row": range(len(errors))}
    )
    rows["y"] = rows["x"] + errors
    model = LinearRegression().fit(rows[["x"]], rows["y"])
    subject = Subject("regression", "y", rows, predict(model, rows, "regression", target="y"), model)
    plain, unique, keyed = (describe(replace(subject, key=key)) for key in (None, "row", "patient"))
    assert plain == unique
    assert (plain.method.keys, keyed.method.keys, keyed.method.rows) == (None, 100, len(errors))
    for name in ("mae", "rmse", "r2"):
        metrics = plain.metric(name), keyed.metric(name)
        assert metrics[0] is not None
        assert metrics[1] is not None
        assert metrics[1].model.value == metrics[0].model.value
        assert width(metrics[1].model) > 1.3 * width(metrics[0].model)
    assert plain.regression is not None
    assert keyed.regression is not None
    assert width(keyed.regression.bias) > 1.5 * width(plain.regression.bias)
