"""SHAP values: those of the definition, of any model and any type of column, in a bounded number of rows."""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from mlxkit.evaluation.describe import Subject, describe
from mlxkit.evaluation.facts_json import read_evaluation, write_evaluation
from mlxkit.evaluation.predictions import predict

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlxkit.evaluation.facts import Contribution, Contributions, Evaluation
    from mlxkit.project.models import Task

FEW = 12
"""So few rows are all explained, in their order, and all stand for the others."""


def evaluated(model: Any, rows: pd.DataFrame, task: Task, target: str) -> Evaluation:
    return describe(Subject(task, target, rows, predict(model, rows, task, target=target), model))


def contributions_of(model: Any, rows: pd.DataFrame, task: Task, target: str) -> Contributions:
    found = evaluated(model, rows, task, target).contributions
    assert found is not None
    return found


def by_name(found: Contributions) -> dict[str, Contribution]:
    return {c.column: c for c in found.columns}


def sums(found: Contributions) -> Any:
    return found.base + np.sum([c.values for c in found.columns], axis=0)


class Formula:
    """A regression that is a function of its columns."""

    def __init__(self, answer: Callable[[pd.DataFrame], Any]) -> None:
        self.answer = answer

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.asarray(self.answer(rows), dtype=float)


def numbers(count: int, columns: str, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    rows = pd.DataFrame(generator.normal(size=(count, len(columns))), columns=list(columns))
    return rows.assign(y=generator.normal(size=count))


def shapley(model: Any, rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The definition: the mean gain by a column, over sets of the others and rows of the background."""

    def worth(row: int, players: tuple[str, ...]) -> float:
        mixed = rows[columns].copy()
        for column in players:
            mixed[column] = rows[column].iloc[row]
        return float(model.predict(mixed).mean())

    found = np.zeros((len(rows), len(columns)))
    for row, (place, column) in itertools.product(range(len(rows)), enumerate(columns)):
        others = [c for c in columns if c != column]
        for size in range(len(columns)):
            weight = 1 / (len(columns) * math.comb(len(others), size))
            for players in itertools.combinations(others, size):
                found[row, place] += weight * (worth(row, (*players, column)) - worth(row, players))
    return pd.DataFrame(found, columns=columns)


def test_of_a_linear_model_they_are_weight_times_distance_from_the_mean() -> None:
    rows = numbers(FEW, "abc")
    model = LinearRegression().fit(rows[["a", "b", "c"]], rows["y"])
    found = contributions_of(model, rows, "regression", "y")
    assert (found.rows, found.background, found.outcome) == (FEW, FEW, None)
    assert found.base == pytest.approx(model.predict(rows[["a", "b", "c"]]).mean())
    for weight, column in zip(model.coef_, "abc", strict=True):
        one = by_name(found)[column]
        wanted = weight * (rows[column] - rows[column].mean())
        assert one.values == pytest.approx(wanted.to_numpy())
        assert one.size == pytest.approx(wanted.abs().mean())
        assert one.trend == pytest.approx(math.copysign(1, weight), abs=0.2)
    assert [c.size for c in found.columns] == sorted((c.size for c in found.columns), reverse=True)


def test_where_two_columns_act_together_they_are_those_of_the_definition() -> None:
    rows = numbers(FEW, "abcd", seed=1)
    model = Formula(lambda r: 2 * r["a"] + r["a"] * r["b"] - 3 * np.abs(r["b"] * r["c"]) + np.exp(r["d"]))
    found = by_name(contributions_of(model, rows, "regression", "y"))
    for column, wanted in shapley(model, rows, list("abcd")).items():
        assert found[str(column)].values == pytest.approx(wanted.to_numpy())


def test_where_more_act_together_they_are_near_and_still_add_up() -> None:
    rows = numbers(FEW, "abcd", seed=2)
    model = Formula(lambda r: np.where((r["a"] > 0) & (r["b"] > 0) & (r["c"] > 0), 10.0, r["d"]))
    found = contributions_of(model, rows, "regression", "y")
    wanted = shapley(model, rows, list("abcd"))
    error = np.array([by_name(found)[c].values for c in "abcd"]).T - wanted.to_numpy()
    # Of the 24 orders of four columns, each row sees as many as there are rows.
    assert np.sqrt((error**2).mean()) < 0.2 * np.sqrt((wanted.to_numpy() ** 2).mean())
    assert np.abs(error.mean(axis=0)).max() < 0.1 * wanted.abs().to_numpy().mean()
    assert sums(found) == pytest.approx(model.predict(rows))


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    """Columns of many types, some values missing; the label follows `plan` and `months`."""
    generator = np.random.default_rng(0)
    count = 300
    days = pd.to_timedelta(generator.integers(0, 500, count), unit="D")
    rows = pd.DataFrame(
        {
            "plan": generator.choice(["monthly", "yearly", "rare"], count, p=[0.5, 0.48, 0.02]),
            "months": generator.integers(1, 60, count).astype(float),
            "paperless": generator.random(count) < 0.5,
            "since": pd.Timestamp("2024-01-01") + days,
        }
    )
    score = 2.0 * (rows["plan"] == "monthly") - 0.1 * rows["months"] + generator.normal(size=count)
    rows["churn"] = np.where(score > score.median(), "Yes", "No")
    rows.loc[::7, "months"] = np.nan
    rows.loc[::11, "plan"] = None
    rows["size"] = pd.Categorical(generator.choice(["S", "L"], count))
    return rows


class Typed:
    """A classifier that needs each column to be of the type that it was trained on."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.types = rows.drop(columns="churn").dtypes
        encoder = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["plan", "size"]),
            ("passthrough", ["months", "paperless"]),
        )
        inner = make_pipeline(encoder, HistGradientBoostingClassifier(max_iter=30))
        self.inner = inner.fit(rows, rows["churn"])
        self.classes_ = inner.classes_
        self.feature_names_in_ = list(self.types.index)

    def predict(self, rows: pd.DataFrame) -> Any:
        assert rows.dtypes.equals(self.types)
        return self.inner.predict(rows)

    def predict_proba(self, rows: pd.DataFrame) -> Any:
        assert rows.dtypes.equals(self.types)
        return self.inner.predict_proba(rows)


def test_columns_of_every_type(customers: pd.DataFrame) -> None:
    found = contributions_of(Typed(customers), customers, "classification", "churn")
    assert found.outcome == "Yes"
    columns = by_name(found)
    assert set(columns) == {"plan", "months", "paperless", "since", "size"}
    assert {c.column for c in found.columns[:2]} == {"plan", "months"}
    assert columns["plan"].ends is not None
    assert columns["plan"].ends[1] == "monthly"
    assert "rare" not in columns["plan"].ends
    assert columns["plan"].places == columns["size"].places == ()
    trend = columns["months"].trend
    assert trend is not None
    assert trend < -0.5
    known = [place for place in columns["months"].places if place is not None]
    assert 0 < len(known) < found.rows
    assert (min(known), max(known)) == (0, 1)
    assert columns["since"].size == 0  # the model never looks at it
    assert all(0 <= p <= 1 for p in sums(found))


def test_values_add_up_to_probabilities(customers: pd.DataFrame) -> None:
    model, rows = Typed(customers), customers.head(FEW)
    found = contributions_of(model, rows, "classification", "churn")
    assert sums(found) == pytest.approx(model.predict_proba(rows.drop(columns="churn"))[:, 1])


def test_a_model_without_probabilities_is_explained_by_its_labels() -> None:
    rows = numbers(FEW, "ab").assign(label=lambda r: np.where(r["a"] > 0, "yes", "no"))
    model = LinearSVC().fit(rows[["a", "b"]], rows["label"])
    found = contributions_of(model, rows, "classification", "label")
    said = model.predict(rows[["a", "b"]]) == found.outcome
    assert sums(found) == pytest.approx(said.astype(float))


def test_of_many_columns_those_that_matter_least_are_taken_as_one() -> None:
    generator = np.random.default_rng(0)
    names = [f"c{i:02}" for i in range(40)]
    rows = pd.DataFrame(generator.normal(size=(FEW, 40)), columns=names).assign(y=0.0)
    model = Formula(lambda r: sum((i + 1) * r[name] for i, name in enumerate(names)))
    found = contributions_of(model, rows, "regression", "y")
    assert len(found.columns) == 20
    assert sum(c.stands_for for c in found.columns) == 40
    (rest,) = [c for c in found.columns if c.stands_for > 1]
    assert (rest.column, rest.places, rest.trend) == ("", (), None)
    assert sums(found) == pytest.approx(model.predict(rows))
    shown = by_name(found)
    for i, name in enumerate(names):
        if name in shown:
            wanted = (i + 1) * (rows[name] - rows[name].mean())
            assert shown[name].values == pytest.approx(wanted.to_numpy())


def test_a_column_that_matters_is_by_itself_also_where_labels_are_cut_to_the_same_text() -> None:
    generator = np.random.default_rng(0)
    names = [*(f"other {i}" for i in range(19)), *(f"{'long ' * 20}{i}" for i in range(6))]
    rows = pd.DataFrame(generator.normal(size=(FEW, 25)), columns=names)
    rows["y"] = rows[names[20]]
    found = contributions_of(Formula(lambda r: r[names[20]]), rows, "regression", "y")
    assert found.columns[0].stands_for == 1
    assert found.columns[0].size > 0
    assert {c.size for c in found.columns[1:]} == {0.0}


def test_the_rows_that_stand_for_all_have_the_mean_of_all() -> None:
    rows = numbers(3000, "ab")
    model = Formula(lambda r: np.exp(r["a"]) + r["b"])
    found = contributions_of(model, rows, "regression", "y")
    assert found.background < 20
    assert found.base == pytest.approx(model.predict(rows).mean(), abs=0.1 * model.predict(rows).std())


# --- models that do not answer, and files without these values


class Picky:
    """Answers rows in which three of four columns are from one row, as shuffling a column leaves them."""

    def __init__(self, otherwise: float | None) -> None:
        self.otherwise = otherwise

    def predict(self, rows: pd.DataFrame) -> Any:
        same = rows[list("abcd")].nunique(axis=1) == 1
        for left in "abcd":
            same |= rows[[c for c in "abcd" if c != left]].nunique(axis=1) == 1
        if self.otherwise is None and not same.all():
            raise RuntimeError("no such rows")
        return np.where(same, rows["a"], self.otherwise if self.otherwise is not None else 0.0)


@pytest.mark.parametrize(
    ("otherwise", "reason"),
    [
        (None, "the model did not answer: RuntimeError: no such rows"),
        (math.inf, "the model does not answer with numbers on rows that are mixed from others"),
    ],
)
def test_a_model_that_refuses_mixed_rows_loses_them_alone(otherwise: float | None, reason: str) -> None:
    rows = pd.DataFrame({c: np.arange(50.0) for c in "abcd"}).assign(y=np.arange(50.0))
    found = evaluated(Picky(otherwise), rows, "regression", "y")
    assert found.contributions is None
    assert found.questions is not None
    assert {gap.part: gap.reason for gap in found.gaps}["SHAP values"] == reason


def test_an_evaluation_from_before_them_can_still_be_read(customers: pd.DataFrame) -> None:
    model = LogisticRegression().fit(customers[["paperless"]], customers["churn"])
    found = evaluated(model, customers, "classification", "churn")
    data = json.loads(write_evaluation(found))
    assert data["contributions"]["columns"][0]["column"] == "paperless"
    del data["contributions"]
    again = read_evaluation(json.dumps(data))
    assert again.contributions is None
    assert again.metrics == read_evaluation(write_evaluation(found)).metrics
