"""Two models on the same rows: against scikit-learn, the other comparison, and themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, mean_absolute_error

from mlxkit.errors import DataError
from mlxkit.evaluation.against import against
from mlxkit.evaluation.pairs import Bout, pair, pair_own
from mlxkit.evaluation.predictions import Predictions

ROWS = 300


@pytest.fixture
def rows() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    labels = generator.choice(["a", "b", "c"], ROWS)
    return pd.DataFrame(
        {
            "label": labels,
            "value": generator.normal(size=ROWS),
            "group": generator.choice(["x", "y"], ROWS, p=[0.98, 0.02]),
            "person": np.repeat(np.arange(ROWS // 3), 3),
        }
    )


def guessing(truth: pd.Series, right: float, classes: tuple[str, ...], seed: int) -> Predictions:
    """Predict the truth with some probability, else any class."""
    generator = np.random.default_rng(seed)
    scores = generator.random((len(truth), len(classes)))
    hit = (generator.random(len(truth)) < right) & truth.isin(classes).to_numpy()
    known = truth.where(truth.isin(classes), classes[0])
    scores[hit, [classes.index(label) for label in known[hit]]] += 2
    scores /= scores.sum(axis=1, keepdims=True)
    return Predictions(np.asarray(classes, dtype=object)[scores.argmax(axis=1)], scores, classes)


def test_three_classes(rows: pd.DataFrame) -> None:
    truth = rows["label"]
    first, second = (guessing(truth, right, ("a", "b", "c"), 1) for right in (0.3, 0.8))
    found = pair(Bout("classification", "label", rows, protected=("group", "nowhere")), first, second)
    assert found.headline == "accuracy"
    by_name = {entry.name: entry for entry in found.metrics}
    assert by_name["accuracy"].second is not None
    assert by_name["accuracy"].second.value == accuracy_score(truth, second.labels)
    assert by_name["accuracy"].verdict == "better"
    others = {m.name: m for m in against("classification", truth, second, first, positive=None)}
    for name, entry in by_name.items():
        assert entry.gain == others[name].gain
    small = next(group for group in found.groups if group.value == "y")
    assert (small.rows < 10, small.pair) == (True, None)


def test_models_that_know_other_classes_in_another_order(rows: pd.DataFrame) -> None:
    truth = rows["label"]
    first = guessing(truth, 1.0, ("a", "b", "c"), 1)
    second = guessing(truth, 1.0, ("c", "b"), 1)
    apart = pair(Bout("classification", "label", rows), first, second).disagreement
    assert apart.differ == int((truth == "a").sum())
    assert (apart.first_right, apart.second_right) == (apart.differ, 0)


def test_a_model_without_probabilities_has_fewer_metrics(rows: pd.DataFrame) -> None:
    truth = rows["label"]
    first = guessing(truth, 0.5, ("a", "b", "c"), 1)
    second = Predictions(guessing(truth, 0.5, ("a", "b", "c"), 2).labels)
    by_name = {
        entry.name: entry for entry in pair(Bout("classification", "label", rows), first, second).metrics
    }
    assert by_name["log_loss"].first is not None
    assert (by_name["log_loss"].second, by_name["log_loss"].verdict) == (None, None)
    assert by_name["accuracy"].gain is not None


def test_a_regression_with_keys_that_repeat(rows: pd.DataFrame) -> None:
    truth = rows["value"].to_numpy()
    noise = np.repeat(np.random.default_rng(1).normal(size=ROWS // 3), 3)
    first, second = Predictions(truth + noise), Predictions(truth + 0.5 * noise)
    plain = pair(Bout("regression", "value", rows), first, second)
    keyed = pair(Bout("regression", "value", rows, key="person"), first, second)
    assert plain.method.keys is None
    assert keyed.method.keys == ROWS // 3
    mae = [next(m for m in found.metrics if m.name == "mae") for found in (plain, keyed)]
    assert mae[0].first is not None
    assert mae[0].first.value == pytest.approx(mean_absolute_error(truth, truth + noise))
    widths = [m.gain.upper - m.gain.lower for m in mae if m.gain and m.gain.upper and m.gain.lower]
    # Rows of one key err alike here, so taking each for news makes an interval too narrow.
    assert widths[1] > 1.3 * widths[0]
    assert keyed.disagreement.closer == 1.0
    assert keyed.disagreement.distance == pytest.approx(0.5 * np.abs(noise).mean())


def test_rows_without_a_label_do_not_count(rows: pd.DataFrame) -> None:
    rows.loc[:99, "label"] = None
    truth = rows["label"].fillna("a")
    model = guessing(truth, 0.5, ("a", "b", "c"), 1)
    found = pair(Bout("classification", "label", rows), model, model)
    assert (found.rows, found.labelled) == (ROWS, ROWS - 100)
    assert {entry.verdict for entry in found.metrics} == {"same"}
    rows["label"] = None
    with pytest.raises(DataError, match="no row has a label"):
        pair(Bout("classification", "label", rows), model, model)


def test_one_row_has_no_interval(rows: pd.DataFrame) -> None:
    one = rows.head(1)
    model = Predictions(one["value"].to_numpy() + 1)
    found = pair(Bout("regression", "value", one), model, model)
    assert found.method.resamples == 0
    assert {entry.verdict for entry in found.metrics} == {None}


def test_a_metric_of_ones_own() -> None:
    values = np.random.default_rng(0).normal(size=(200, 2)) + np.array([0, 1])

    def statistic(chosen: np.ndarray) -> tuple[float, float]:
        return float(values[chosen, 0].mean()), float(values[chosen, 1].mean())

    up = pair_own("mean", "higher", statistic, 200, clusters=None)
    down = pair_own("mean", "lower", statistic, 200, clusters=None)
    assert (up.verdict, down.verdict) == ("better", "worse")
    assert pair_own("mean", None, statistic, 200, clusters=None).gain is None
