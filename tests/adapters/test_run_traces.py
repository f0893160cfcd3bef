"""What a training leaves behind, erased."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline

from mlxkit.adapters import run_traces

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2


def test_times_of_a_search_become_zero_and_its_scores_stay() -> None:
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2)
    model = make_pipeline(search).fit(X, Y)
    scores = search.cv_results_["mean_test_score"].copy()
    assert search.refit_time_ > 0
    run_traces.erase(model)
    assert search.refit_time_ == 0
    assert not search.cv_results_["mean_fit_time"].any()
    assert not search.cv_results_["std_score_time"].any()
    assert (search.cv_results_["mean_test_score"] == scores).all()


def test_the_run_that_autologging_notes_is_forgotten_at_any_depth() -> None:
    inner = LogisticRegression()
    model = make_pipeline(VotingClassifier([("only", inner)])).fit(X, Y)
    fitted = model[0].estimators_[0]
    for estimator in (model, inner, fitted):
        estimator._mlflow_run_id = "123"
    run_traces.erase(model)
    assert not any(hasattr(estimator, "_mlflow_run_id") for estimator in (model, inner, fitted))


@pytest.mark.parametrize(("folds", "kept"), [(KFold(2), False), (KFold(2, shuffle=True), True)])
def test_only_folds_that_are_not_shuffled_lose_their_generator(folds: KFold, *, kept: bool) -> None:
    model = StackingClassifier([("one", LogisticRegression())], cv=StratifiedKFold(2)).fit(X, Y)
    model.cv = folds
    folds.random_state = np.random.RandomState()
    run_traces.erase(model)
    assert (folds.random_state is not None) is kept


def test_a_model_that_holds_itself_is_walked_once() -> None:
    model = LogisticRegression()
    model.own = [model, {"again": model}]
    model._mlflow_run_id = "123"
    run_traces.erase(model)
    assert not hasattr(model, "_mlflow_run_id")


def test_models_of_any_kind_are_taken() -> None:
    run_traces.erase(object())
    run_traces.erase({"model": 1})


def test_the_generator_is_fixed_for_a_while() -> None:
    np.random.seed(7)
    expected = np.random.RandomState(7).random(2)
    assert np.random.random() == expected[0]
    with run_traces.fixed_generator():
        assert np.random.random() == np.random.RandomState(0).random()
    assert np.random.random() == expected[1]
