"""An evaluation in full: what it finds agrees with scikit-learn, and odd models and rows fail nothing."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score
from sklearn.svm import LinearSVC

from mlxkit.evaluation import resampling
from mlxkit.evaluation.describe import Subject, describe
from mlxkit.evaluation.facts import Condition, Evaluation
from mlxkit.evaluation.facts_json import read_evaluation, write_evaluation
from mlxkit.evaluation.predictions import predict
from mlxkit.evaluation.weak_slices import weak_slices

if TYPE_CHECKING:
    from mlxkit.project.models import Task


def rows_of(count: int, seed: int = 0) -> pd.DataFrame:
    """Rows of two numbers, a text and a label; the label follows `x`, and is noise where text is `odd`."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": generator.normal(size=count),
            "z": generator.normal(size=count),
            "text": generator.choice(["plain", "odd", "other"], count, p=[0.6, 0.2, 0.2]),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(count) * 700 // count, unit="D"),
        }
    )
    noise = np.where(frame["text"] == "odd", 3.0, 0.3)
    frame["number"] = 2 * frame["x"] + noise * generator.normal(size=count)
    frame["label"] = np.where(frame["number"] > 0, "yes", "no")
    return frame


def evaluated(model: Any, rows: pd.DataFrame, task: Task, target: str, **more: Any) -> Evaluation:
    found = predict(model, rows, task, target=target)
    return describe(Subject(task, target, rows, found, model, training=rows[target], **more))


@pytest.fixture(scope="module")
def binary() -> tuple[pd.DataFrame, Any, Evaluation]:
    rows = rows_of(600)
    model = LogisticRegression().fit(rows[["x", "z"]], rows["label"])
    costs = {"false_positive": 1, "false_negative": 4}
    found = evaluated(
        model, rows, "classification", "label", protected=["text", "gone"], costs=costs, time="day"
    )
    return rows, model, found


def test_binary_facts_agree_with_scikit_learn(binary: tuple[pd.DataFrame, Any, Evaluation]) -> None:
    rows, model, found = binary
    truth, score = rows["label"] == "yes", model.predict_proba(rows[["x", "z"]])[:, 1]
    facts = found.classification
    assert facts is not None
    assert (found.positive, found.headline, found.labelled) == ("yes", "roc_auc", 600)
    assert facts.roc[0].area == pytest.approx(roc_auc_score(truth, score))
    assert facts.precision_recall[0].area == pytest.approx(average_precision_score(truth, score))
    assert facts.confusion_labels == ("no", "yes")
    assert np.array_equal(facts.confusion, confusion_matrix(rows["label"], model.predict(rows[["x", "z"]])))
    assert len(facts.roc[0].x) <= 102
    assert sum(b.rows for b in facts.calibration) == 600
    first = np.argsort(score)[: facts.calibration[0].rows]
    assert facts.calibration[0].predicted == pytest.approx(score[first].mean())
    assert facts.calibration[0].observed.value == pytest.approx(truth.to_numpy()[first].mean())


def test_thresholds_count_and_cost(binary: tuple[pd.DataFrame, Any, Evaluation]) -> None:
    rows, model, found = binary
    assert found.classification is not None
    thresholds = found.classification.thresholds
    assert thresholds is not None
    assert thresholds.advised == 0.2  # 1 / (1 + 4)
    truth, score = rows["label"] == "yes", model.predict_proba(rows[["x", "z"]])[:, 1]
    for row in thresholds.table:
        flags = score >= row.threshold
        assert (row.flagged, row.hits) == (flags.sum(), (flags & truth).sum())
        assert row.cost == (flags & ~truth).sum() + 4 * (~flags & truth).sum()
    assert thresholds.at_advised in thresholds.table


def test_every_metric_has_an_interval_and_a_gain_over_the_baseline(
    binary: tuple[pd.DataFrame, Any, Evaluation],
) -> None:
    for metric in binary[2].metrics:
        assert metric.model.lower is not None
        assert metric.model.upper is not None
        assert metric.model.lower <= metric.model.value <= metric.model.upper
        assert metric.gain is not None
        assert metric.gain.value > 0


def test_groups_are_scored_by_themselves(binary: tuple[pd.DataFrame, Any, Evaluation]) -> None:
    rows, model, found = binary
    (protected,) = found.protected
    assert [group.value for group in protected.groups] == rows["text"].value_counts().index.tolist()
    for group in protected.groups:
        inside = rows[rows["text"] == group.value]
        score = model.predict_proba(inside[["x", "z"]])[:, 1]
        assert group.metrics["roc_auc"].value == pytest.approx(roc_auc_score(inside["label"] == "yes", score))
    odd = next(group for group in protected.groups if group.value == "odd")
    assert odd.difference is not None
    assert odd.difference.upper is not None
    assert odd.difference.upper < 0
    assert [gap.reason for gap in found.gaps] == ["the test rows have no such column"]


def test_periods_cover_the_rows(binary: tuple[pd.DataFrame, Any, Evaluation]) -> None:
    over_time = binary[2].over_time
    assert over_time is not None
    assert (over_time.unit, over_time.periods[0].start) == ("quarter", "2024 Q1")
    assert sum(period.rows for period in over_time.periods) == 600


def test_importance_is_that_of_scikit_learn(binary: tuple[pd.DataFrame, Any, Evaluation]) -> None:
    rows, model, found = binary
    assert found.questions is not None
    wanted = permutation_importance(
        model, rows[["x", "z"]], rows["label"], scoring="roc_auc", n_repeats=20, random_state=0
    )
    found_by_name = {i.column: i.loss for i in found.questions.importance}
    for column, mean, spread in zip(["x", "z"], wanted.importances_mean, wanted.importances_std, strict=True):
        assert found_by_name[column] == pytest.approx(mean, abs=5 * spread + 0.01)


def test_dependence_is_the_mean_prediction_with_the_column_set(
    binary: tuple[pd.DataFrame, Any, Evaluation],
) -> None:
    found = binary[2].questions
    assert found is not None
    by_x = next(d for d in found.dependence if d.column == "x")
    assert by_x.positions is not None
    assert list(by_x.mean) == sorted(by_x.mean)  # the label rises with x
    assert all(low <= mean <= high for low, mean, high in zip(by_x.low, by_x.mean, by_x.high, strict=True))


def test_regression_facts() -> None:
    rows = rows_of(500)
    model = LinearRegression().fit(rows[["x", "z"]], rows["number"])
    found = evaluated(model, rows, "regression", "number", protected=["text"])
    facts = found.regression
    assert facts is not None
    residuals = rows["number"] - model.predict(rows[["x", "z"]])
    assert sum(facts.counts) + sum(facts.outside) == 500
    assert facts.bias.value == pytest.approx(residuals.mean(), abs=1e-12)
    assert sum(tenth.rows for tenth in facts.tenths) == 500
    assert facts.quantiles["0.9"] == pytest.approx(np.quantile(np.abs(residuals), 0.9))
    assert found.weak is not None
    assert found.weak.found[0].conditions == (Condition("text", "odd"),)


def test_the_same_rows_give_the_same_bytes_that_can_be_read_again(
    binary: tuple[pd.DataFrame, Any, Evaluation],
) -> None:
    rows, model, found = binary
    again = evaluated(
        model,
        rows,
        "classification",
        "label",
        protected=["text", "gone"],
        costs={"false_positive": 1, "false_negative": 4},
        time="day",
    )
    assert write_evaluation(again) == write_evaluation(found)
    assert write_evaluation(read_evaluation(write_evaluation(found))) == write_evaluation(found)


@pytest.mark.parametrize("text", ["[]", "{}", '{"version": 1}', '{"version": 99}', "no json"])
def test_what_is_no_evaluation_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a|Expecting"):
        read_evaluation(text)


# --- weak slices: the planted one is found, and noise is none


def test_noise_is_rarely_a_finding() -> None:
    findings = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        rows = pd.DataFrame(generator.normal(size=(800, 10)), columns=list("abcdefghij"))
        errors = (generator.random(800) < 0.2).astype(float)
        found = weak_slices(rows, errors, measure="wrong", columns=list(rows))
        assert found is not None
        assert found.candidates > 300
        findings += bool(found.found)
    assert findings <= 6  # 5 % of 40 is 2; more than 6 happens once in 200


def test_a_planted_slice_of_two_columns_is_found_first() -> None:
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({"a": generator.choice(["u", "v"], 2000), "b": generator.choice(["p", "q"], 2000)})
    bad = (rows["a"] == "u") & (rows["b"] == "q")
    errors = (generator.random(2000) < np.where(bad, 0.4, 0.1)).astype(float)
    found = weak_slices(rows, errors, measure="wrong", columns=["a", "b"])
    assert found is not None
    first = found.found[0]
    assert first.conditions == (Condition("a", "u"), Condition("b", "q"))
    assert first.difference.lower is not None
    assert first.difference.lower > 0
    assert first.error.value == pytest.approx(errors[bad].mean())
    assert first.rest == pytest.approx(errors[~bad].mean())


# --- odd models, odd rows


class Silent:
    """Answers only the rows that it has seen before, as they were."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        if len(rows) != self.rows:
            raise RuntimeError("no such rows")
        return np.where(rows["x"] > 0, "yes", "no")


def test_a_model_that_refuses_changed_rows_loses_that_part_alone() -> None:
    rows = rows_of(200)
    found = evaluated(Silent(200), rows, "classification", "label")
    assert found.questions is None
    reasons = {gap.part: gap.reason for gap in found.gaps}
    assert reasons["importance and dependence"] == "the model did not answer: RuntimeError: no such rows"
    assert reasons["ROC AUC"] == "the model gives no probabilities"
    assert found.headline == "accuracy"
    assert found.weak is not None


def constant(rows: pd.DataFrame) -> Any:
    return DummyClassifier(strategy="prior").fit(rows[["x"]], rows["label"])


def logistic(rows: pd.DataFrame) -> Any:
    return LogisticRegression().fit(rows[["x", "z"]], rows["label"])


ODD: dict[str, tuple[Any, Any]] = {
    "five rows": (logistic, lambda rows: rows.head(5)),
    "one row": (logistic, lambda rows: rows.head(1)),
    "one class": (logistic, lambda rows: rows[rows["label"] == "yes"]),
    "constant predictions": (constant, lambda rows: rows),
    "no probabilities": (lambda rows: LinearSVC().fit(rows[["x", "z"]], rows["label"]), lambda rows: rows),
    "labels missing": (logistic, lambda rows: rows.assign(label=rows["label"].where(rows.index % 3 > 0))),
    "a class that was not trained": (
        logistic,
        lambda rows: rows.assign(label=rows["label"].where(rows.index > 5, "perhaps")),
    ),
    "a group for each row": (logistic, lambda rows: rows.assign(text=[f"<{i}>&" for i in range(len(rows))])),
    "a group column without a value": (logistic, lambda rows: rows.assign(text=None)),
    "lists": (logistic, lambda rows: rows.assign(text=[[1]] * len(rows))),
    "no time": (logistic, lambda rows: rows.assign(day="never")),
}


@pytest.mark.parametrize(("make", "change"), ODD.values(), ids=ODD)
def test_odd_models_and_rows_fail_nothing(make: Any, change: Any) -> None:
    rows = rows_of(200)
    found = evaluated(make(rows), change(rows), "classification", "label", protected=["text"], time="day")
    assert read_evaluation(write_evaluation(found)).metrics
    for gap in found.gaps:
        assert "Error:" not in gap.reason, gap


def test_four_hundred_columns_are_asked_in_bounded_calls() -> None:
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(generator.normal(size=(2000, 400))).add_prefix("c")
    rows["number"] = rows["c7"] + generator.normal(size=2000)
    model = LinearRegression().fit(rows.drop(columns="number"), rows["number"])
    asked: list[int] = []
    answer = model.predict

    def counting(frame: pd.DataFrame) -> Any:
        asked.append(len(frame))
        return answer(frame)

    model.predict = counting
    found = evaluated(model, rows, "regression", "number")
    assert found.questions is not None
    assert found.questions.importance[0].column == "c7"
    assert sum(asked) < 100_000
    assert len(asked) < 10


def test_thousands_of_columns_are_not_shuffled() -> None:
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(generator.normal(size=(100, 3000))).add_prefix("pixel_")
    rows["number"] = rows["pixel_7"]
    model = DummyRegressor().fit(rows.drop(columns="number"), rows["number"])
    found = evaluated(model, rows, "regression", "number")
    assert found.questions is None
    reasons = {gap.part: gap.reason for gap in found.gaps}
    expected = "3000 columns are too many to shuffle each, 500 are the most"
    assert reasons["importance and dependence"] == expected


def test_many_rows_are_resampled_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlxkit.evaluation.describe.MOST_ROWS", 300)
    assert resampling.MOST_ROWS == 50_000
    rows = rows_of(900)
    found = evaluated(logistic(rows), rows, "classification", "label", protected=["text"])
    assert (found.labelled, found.method.rows) == (900, 300)


def test_several_classes() -> None:
    rows = rows_of(600)
    rows["label"] = pd.cut(rows["number"], [-np.inf, -1, 1, np.inf], labels=["low", "middle", "high"])
    model = LogisticRegression().fit(rows[["x", "z"]], rows["label"].astype(str))
    found = evaluated(model, rows, "classification", "label")
    assert (found.headline, found.positive) == ("accuracy", None)
    facts = found.classification
    assert facts is not None
    assert len(facts.roc) == 3
    assert facts.thresholds is None
    assert sum(c.rows for c in facts.classes) == 600
    assert found.questions is not None
    assert found.questions.outcome == max(facts.classes, key=lambda c: c.rows).label


def test_forty_classes_are_shown_as_ten() -> None:
    rows = rows_of(2000)
    rows["label"] = [f"c{i:02}" for i in np.random.default_rng(0).integers(0, 40, 2000)]
    found = evaluated(LogisticRegression().fit(rows[["x"]], rows["label"]), rows, "classification", "label")
    facts = found.classification
    assert facts is not None
    assert len(facts.confusion_labels) == 10
    assert facts.confusion_labels[-1] == "all others"
    assert sum(map(sum, facts.confusion)) == 2000


def test_facts_are_plain_json(binary: tuple[pd.DataFrame, Any, Evaluation]) -> None:
    data = json.loads(write_evaluation(binary[2]))
    assert data["version"] == 1
    assert set(data) == {field.name for field in dataclasses.fields(Evaluation)}
