import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from mlxkit.errors import DataError, UsageError
from mlxkit.evaluation.predictions import Predictions, fitted_columns, predict
from mlxkit.evaluation.score import baseline, score, scorer
from mlxkit.project.metrics import direction_of, find_metric, metrics_of


def binary_case(seed: int, rows: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, predicted and a score with many ties; every class occurs in the truth."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, rows)
    truth[:2] = [0, 1]
    scores = generator.integers(1, 9, rows) / 10
    return truth, generator.integers(0, 2, rows), scores


@given(st.integers(0, 10_000))
def test_binary_values_are_those_of_scikit_learn(seed):
    truth, labels, scores = binary_case(seed)
    found = score(
        "classification",
        pd.Series(truth),
        Predictions(labels, np.column_stack([1 - scores, scores]), (0, 1)),
    )
    assert found == {
        "accuracy": sk.accuracy_score(truth, labels),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, labels),
        "f1": sk.f1_score(truth, labels, zero_division=0),
        "precision": sk.precision_score(truth, labels, zero_division=0),
        "recall": sk.recall_score(truth, labels, zero_division=0),
        "roc_auc": sk.roc_auc_score(truth, scores),
        "average_precision": sk.average_precision_score(truth, scores),
        "log_loss": sk.log_loss(truth, scores),
        "brier": sk.brier_score_loss(truth, scores),
    }


@given(st.integers(0, 10_000))
def test_counting_agrees_with_scikit_learn_on_any_sample(seed):
    truth, labels, scores = binary_case(seed)
    prepared = scorer(
        "classification", pd.Series(truth), Predictions(labels, np.column_stack([1 - scores, scores]), (0, 1))
    )
    for name in ("roc_auc", "average_precision", "brier"):
        assert prepared.value(name, np.arange(len(truth))) == pytest.approx(prepared.value(name))


@given(st.integers(0, 10_000))
def test_multiclass_values_are_macro_averages_of_scikit_learn(seed):
    generator = np.random.default_rng(seed)
    truth = np.concatenate([list("abc"), generator.choice(list("abc"), 50)])
    labels = generator.choice(list("abc"), len(truth))
    scores = generator.dirichlet([1, 1, 1], len(truth))
    found = score("classification", pd.Series(truth), Predictions(labels, scores, ("a", "b", "c")))
    onehot = truth[:, None] == np.array(list("abc"))
    assert found == {
        "accuracy": sk.accuracy_score(truth, labels),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, labels),
        "f1": sk.f1_score(truth, labels, average="macro", zero_division=0),
        "precision": sk.precision_score(truth, labels, average="macro", zero_division=0),
        "recall": sk.recall_score(truth, labels, average="macro", zero_division=0),
        "roc_auc": sk.roc_auc_score(truth, scores, multi_class="ovr"),
        "average_precision": sk.average_precision_score(onehot, scores),
        "log_loss": sk.log_loss(truth, scores),
        "brier": sk.brier_score_loss(truth, scores, labels=["a", "b", "c"]),
    }


@given(st.integers(0, 10_000))
def test_regression_values_are_those_of_scikit_learn(seed):
    generator = np.random.default_rng(seed)
    truth, values = generator.normal(5, 2, 40), generator.normal(5, 2, 40)
    assert score("regression", pd.Series(truth), Predictions(values)) == pytest.approx(
        {
            "r2": sk.r2_score(truth, values),
            "mae": sk.mean_absolute_error(truth, values),
            "rmse": sk.root_mean_squared_error(truth, values),
            "median_absolute_error": sk.median_absolute_error(truth, values),
            "mape": sk.mean_absolute_percentage_error(truth, values),
        }
    )


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        ((0, 1), 1),
        ((0, 1), "1"),
        ((0, 1), True),
        ((0.0, 1.0), 1),
        (("0", "1"), 1),
        ((False, True), True),
        ((False, True), "true"),
        (("No", "Yes"), "Yes"),
        (("No", "Yes"), True),  # YAML 1.1 reads an unquoted Yes as a boolean
        (("-", "yes"), "Yes"),
        (("a", "b"), None),  # the last one in sorted order
    ],
)
def test_positive_names_a_label_however_it_is_spelled(labels, positive):
    truth = pd.Series([labels[1], labels[1], labels[1], labels[0]])
    predictions = Predictions(np.array([labels[1], labels[0], labels[0], labels[0]], dtype=object))
    assert score("classification", truth, predictions, positive=positive)["recall"] == pytest.approx(1 / 3)


def test_positive_can_be_the_first_label():
    truth = pd.Series(["bad", "bad", "good"])
    predictions = Predictions(
        np.array(["bad", "good", "good"]), np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]]), ("bad", "good")
    )
    found = score("classification", truth, predictions, positive="bad")
    assert (found["recall"], found["precision"], found["roc_auc"]) == (0.5, 1.0, 1.0)


def test_unknown_positive_is_an_error_that_names_the_labels():
    with pytest.raises(DataError, match="the positive label 'Yes' is none of the labels: 'a', 'b'"):
        score("classification", pd.Series(["a", "b"]), Predictions(np.array(["a", "b"])), positive="Yes")


def test_truth_read_as_text_or_float_meets_the_models_integers():
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    predictions = Predictions(np.array([0, 1, 0]), scores, (0, 1))
    for truth in (
        pd.Series(["0", "1", "1"]),
        pd.Series([0.0, 1.0, 1.0]),
        pd.Series([0, 1, 1], dtype="category"),
    ):
        assert score("classification", truth, predictions)["accuracy"] == pytest.approx(2 / 3)


def test_rows_without_label_are_not_scored():
    truth = pd.Series(["a", None, "b", np.nan])
    found = score("classification", truth, Predictions(np.array(["a", "a", "b", "a"])))
    assert found["accuracy"] == 1.0
    with pytest.raises(DataError, match="no row has a label"):
        score("classification", pd.Series([None, None], dtype=object), Predictions(np.array(["a", "b"])))
    with pytest.raises(DataError, match="no row has a label"):
        score("regression", pd.Series([np.nan, np.inf]), Predictions(np.array([1.0, 2.0])))


def test_one_class_in_the_rows_leaves_out_what_is_not_defined():
    predictions = Predictions(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]), (0, 1))
    found = score("classification", pd.Series([0, 0]), predictions)
    assert "roc_auc" not in found
    assert "average_precision" not in found
    assert found["recall"] == 0.0
    assert np.isfinite(list(found.values())).all()


def test_only_negatives_do_not_score_as_the_positive_class():
    found = score(
        "classification", pd.Series(["No", "No"]), Predictions(np.array(["No", "No"])), positive="Yes"
    )
    assert (found["precision"], found["accuracy"]) == (0.0, 1.0)


def test_class_unseen_in_training_is_scored_without_warning_or_nan():
    predictions = Predictions(
        np.array(["a", "b", "a"]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), ("a", "b")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score("classification", pd.Series(["a", "b", "c"]), predictions, positive="b")
    assert set(found) == {m.name for m in metrics_of("classification")}
    assert np.isfinite(list(found.values())).all()


def test_undefined_regression_metrics_are_left_out():
    assert set(score("regression", pd.Series([0.0, 0.0]), Predictions(np.array([1.0, 2.0])))) == {
        "mae",
        "rmse",
        "median_absolute_error",
    }
    assert "rmse" not in score("regression", pd.Series([1e300, 2.0]), Predictions(np.array([-1e300, 2.0])))


def test_missing_prediction_is_an_error():
    with pytest.raises(DataError, match="no usable prediction for 1 of 2 rows"):
        score("regression", pd.Series([1.0, 2.0]), Predictions(np.array([1.0, np.nan])))
    with pytest.raises(DataError, match="no usable prediction for 1 of 2 rows"):
        score("classification", pd.Series(["a", "b"]), Predictions(np.array(["a", None], dtype=object)))


def test_probabilities_that_are_not_finite_give_no_score_metrics():
    predictions = Predictions(np.array([0, 1]), np.array([[0.9, 0.1], [np.nan, np.nan]]), (0, 1))
    assert "log_loss" not in score("classification", pd.Series([0, 1]), predictions)


@pytest.mark.parametrize("labels", [(0, 1), ("No", "Yes"), ("a", "b", "c")])
def test_baseline_is_scikit_learns_dummy_classifier(labels):
    generator = np.random.default_rng(1)
    training = pd.Series(generator.choice(labels, 200))
    truth = pd.Series(generator.choice(labels, 50))
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((200, 1)), training)
    expected = score(
        "classification", truth, predict(dummy, pd.DataFrame({"x": np.zeros(50)}), "classification")
    )
    assert baseline("classification", truth, training=training) == pytest.approx(expected)


def test_baseline_of_a_regression_is_the_mean():
    truth = pd.Series([1.0, 2.0, 6.0])
    dummy = DummyRegressor().fit(np.zeros((3, 1)), truth)
    expected = score("regression", truth, predict(dummy, pd.DataFrame({"x": np.zeros(3)}), "regression"))
    assert baseline("regression", truth) == pytest.approx(expected)


def test_baseline_ranks_nothing():
    found = baseline("classification", pd.Series(["a"] * 30 + ["b"] * 10), positive="b")
    assert (found["roc_auc"], found["average_precision"], found["accuracy"]) == (0.5, 0.25, 0.75)


def test_every_metric_has_a_direction():
    assert direction_of("roc_auc") == "higher"
    assert direction_of("rmse") == "lower"
    assert direction_of("profit") is None
    with pytest.raises(UsageError) as error:
        find_metric("roc_acu", "classification")
    assert error.value.hint == "did you mean 'roc_auc'?"


class TestPredict:
    rows = pd.DataFrame({"b": [0.0, 1.0, 2.0, 3.0], "a": [1.0, 0.0, 1.0, 0.0], "y": ["n", "n", "p", "p"]})

    def test_classifier_gives_labels_and_probabilities(self):
        model = LogisticRegression().fit(self.rows[["a", "b"]], self.rows["y"])
        found = predict(model, self.rows, "classification", target="y")
        assert found.classes == ("n", "p")
        assert found.labels.tolist() == ["n", "n", "p", "p"]
        assert found.scores is not None
        assert found.scores.shape == (4, 2)

    def test_model_without_predict_proba_gives_no_scores(self):
        model = LinearSVC().fit(self.rows[["a", "b"]], self.rows["y"])
        found = predict(model, self.rows, "classification", target="y")
        assert found.scores is None
        assert "roc_auc" not in score("classification", self.rows["y"], found)

    def test_model_with_predict_alone_gets_all_columns_but_the_target(self):
        class Model:
            def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
                assert list(rows.columns) == ["b", "a"]
                return rows[["a"]]

        assert predict(Model(), self.rows, "regression", target="y").labels.tolist() == [1.0, 0.0, 1.0, 0.0]
        with pytest.raises(DataError, match=r"gave an array of shape \(4, 2\) for 4 rows"):
            predict(type("M", (), {"predict": lambda self, x: x})(), self.rows, "regression", target="y")

    def test_absent_column_is_named(self):
        model = LinearRegression().fit(self.rows[["a", "b"]], [1, 2, 3, 4])
        with pytest.raises(DataError, match="lack columns that the model needs: 'b'"):
            predict(model, self.rows[["a"]], "regression")

    def test_object_that_cannot_predict_is_named(self):
        with pytest.raises(UsageError, match="a model of type 'dict' has no 'predict' method"):
            predict({}, self.rows, "regression")


class Numbers:
    """A booster or a network: `predict` answers with numbers, and there are no `classes_`."""

    def __init__(self, output):
        self.output = np.asarray(output)

    def predict(self, rows):
        return self.output


def predicted(output, task="classification"):
    return predict(Numbers(output), pd.DataFrame({"x": range(len(output))}), task)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_numbers_between_0_and_1_are_probabilities_of_class_1(shape):
    found = predicted(np.array([0.1, 0.5, 0.6, 1.0]).reshape(shape))
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.classes == (0, 1)
    assert found.scores.tolist() == [[0.9, 0.1], [0.5, 0.5], [0.4, 0.6], [0.0, 1.0]]
    assert found.output.shape == shape


def test_a_column_for_each_class_may_hold_probabilities():
    found = predicted([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    assert found.labels.tolist() == [0, 2]
    assert found.classes == (0, 1, 2)
    assert found.scores.shape == (2, 3)


class Named:
    """A network behind MLflow's pyfunc, which says itself what its columns stand for."""

    def __init__(self, classes):
        self.classes_ = classes
        self.feature_names_in_ = ["b"]
        self.asked = None

    def predict(self, rows):
        self.asked = list(rows.columns)
        return np.array([[0.2, 0.8], [0.6, 0.4]])


class Wrapped:
    def __init__(self, network):
        self.network, self.predict = network, network.predict

    def get_raw_model(self):
        return self.network


def test_a_network_may_name_its_classes_and_columns():
    network = Named(["cat", "dog"])
    rows = pd.DataFrame({"a": [1, 2], "b": [3, 4], "label": ["dog", "dog"]})
    found = predict(Wrapped(network), rows, "classification", target="label")
    assert found.labels.tolist() == ["dog", "cat"]
    assert found.classes == ("cat", "dog")
    assert network.asked == ["b"]
    assert score("classification", rows["label"], found)["accuracy"] == 0.5


def test_names_that_do_not_fit_the_columns_of_a_network_are_no_classes():
    found = predict(Wrapped(Named(["cat"])), pd.DataFrame({"b": [3, 4]}), "classification")
    assert found.labels.tolist() == [1, 0]


def test_a_column_for_each_class_may_hold_scores_of_any_scale():
    found = predicted([[-3.0, 2.0], [5.0, 1.0]])
    assert found.labels.tolist() == [1, 0]
    assert found.scores is None
    assert score("classification", pd.Series([1, 1]), found)["accuracy"] == 0.5


@pytest.mark.parametrize("labels", [[0.0, 1.0, 2.0], [1, 0, 1], ["a", "b", "a"], [True, False, True]])
def test_labels_stay_labels(labels):
    found = predicted(labels)
    assert found.labels.tolist() == labels
    assert found.scores is None
    assert found.output is None


def test_numbers_of_a_regression_stay_as_they_are():
    assert predicted([0.25, 0.75], "regression").labels.tolist() == [0.25, 0.75]


def test_numbers_that_mean_nothing_are_refused():
    with pytest.raises(DataError) as raised:
        predicted([-1.5, 0.3, 2.0])
    assert raised.value.message == (
        "the model's 'predict' gave numbers that are neither labels nor probabilities"
    )
    assert raised.value.hint == "let the model end in a sigmoid, or in one output for each class"


def test_numbered_classes_do_not_fit_rows_with_other_labels():
    with pytest.raises(DataError) as raised:
        score("classification", pd.Series(["Yes", "No", "Yes"]), predicted([0.2, 0.7, 0.9]))
    assert raised.value.message == (
        "the model answers with the classes 0 to 1, but the rows are labelled 'Yes', 'No'"
    )


@pytest.mark.parametrize("truth", [[0, 1, 1], [0.0, 1.0, 1.0], ["0", "1", "1"], [False, True, True]])
def test_numbered_classes_meet_numbers_however_they_are_spelled(truth):
    found = score("classification", pd.Series(truth), predicted([0.2, 0.7, 0.9]))
    assert found["accuracy"] == 1.0
    assert found["roc_auc"] == 1.0


class Fitted:
    def __init__(self, names):
        self.feature_names_in_ = np.array(names, dtype=object)


class Booster:
    def __init__(self, names):
        self.feature_names = names


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (Fitted(["mean_radius", "b"]), ["mean radius", "b"]),
        (Fitted(["b", "gone"]), ["b", "gone"]),
        (Booster(["mean_radius"]), ["mean radius"]),
        (Booster(["Column_0", "Column_1"]), None),
        (Booster(None), None),
        (object(), None),
    ],
)
def test_columns_are_spelled_as_in_the_rows(model, found):
    assert fitted_columns(model, ["a", "b", "mean radius"]) == found


def test_a_column_with_underscores_of_its_own_comes_first():
    assert fitted_columns(Fitted(["mean_radius"]), ["mean radius", "mean_radius"]) == ["mean_radius"]


def test_scores_are_left_out_where_they_are_not_wanted():
    rows = pd.DataFrame({"x": [0.0, 1.0]})
    model = LogisticRegression().fit(rows, [0, 1])
    assert predict(model, rows, "classification").scores is not None
    assert predict(model, rows, "classification", with_scores=False).scores is None
