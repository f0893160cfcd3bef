"""An evaluation in full: everything that a report says about a model on test rows, as facts.

The work is bounded whatever the rows: what rests on a sample says how many rows that had.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from mlxkit.errors import MlxError
from mlxkit.evaluation.asking import Asked
from mlxkit.evaluation.classification import ClassificationScorer
from mlxkit.evaluation.clusters import clusters_at, clusters_of, sample
from mlxkit.evaluation.curves import classification_facts, wilson
from mlxkit.evaluation.facts import (
    Evaluation,
    Gap,
    Group,
    MetricFact,
    OverTime,
    Period,
    Protected,
    Questions,
    WeakSlices,
)
from mlxkit.evaluation.groups import grouped, shortened
from mlxkit.evaluation.importance import questions
from mlxkit.evaluation.labels import LabelIndex
from mlxkit.evaluation.periods import Periods, periods
from mlxkit.evaluation.regression import RegressionScorer
from mlxkit.evaluation.resampling import MOST_ROWS, SEED, Draws, Subset, bootstrap
from mlxkit.evaluation.residuals import regression_facts
from mlxkit.evaluation.score import guess, labelled, scorer
from mlxkit.evaluation.weak_slices import weak_slices
from mlxkit.project.metrics import METRICS, metrics_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from numpy.typing import NDArray
    from pandas import DataFrame, Series

    from mlxkit.evaluation.groups import Grouped
    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.evaluation.score import Label, Scorer
    from mlxkit.project.models import Task

    T = TypeVar("T")

_GROUPS, _LEAST_GROUP, _LEAST_PERIOD = 8, 10, 10
_SLICED_COLUMNS = 40
MODEL, BASELINE = "model", "baseline"


@dataclass(frozen=True, eq=False)
class Subject:
    """What is evaluated: a model's predictions on test rows, and what mlx.yaml says about those.

    Attributes:
        model: to ask about changed rows.
        training: labels distributed as in training, for the baseline.
        own: metrics of the project's own function.
        costs: of one wrong row: `false_positive` and `false_negative`.
    """

    task: Task
    target: str
    rows: DataFrame
    predictions: Predictions
    model: object
    training: Series[Any] | None = None
    positive: Label | None = None
    key: str | None = None
    time: str | None = None
    protected: Sequence[str] = ()
    costs: Mapping[str, float] | None = None
    own: Mapping[str, float] = field(default_factory=dict)


def describe(subject: Subject) -> Evaluation:
    """Work out the facts of an evaluation; what cannot be computed is named among the `gaps`.

    Raises:
        DataError: nothing can be scored; see `score`.
    """
    # One thread: the calls are many and small, and beside other work threads wait for each other.
    with threadpool_limits(limits=1):
        return _Description(subject).evaluation()


class _Description:
    """The rows that count, scored once, and the parts that are drawn from them."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        kept = np.flatnonzero(labelled(subject.task, subject.rows[subject.target]))
        self._rows = subject.rows.iloc[kept].reset_index(drop=True)
        self._truth = self._rows[subject.target]
        self._clusters = clusters_of(self._rows, subject.key)
        predictions = subject.predictions.at(kept)
        self._scorer = scorer(subject.task, self._truth, predictions, positive=subject.positive)
        self._gaps: list[Gap] = []
        self._metrics = tuple(
            m.name for m in metrics_of(subject.task) if math.isfinite(self._scorer.value(m.name))
        )
        self._gaps += [
            Gap(m.title, _why_not(m.name, self._scorer))
            for m in metrics_of(subject.task)
            if m.name not in self._metrics
        ]
        self._headline = self._choose_headline()

    def evaluation(self) -> Evaluation:
        """Put all parts together."""
        subject, found = self._subject, self._scorer
        asked = self._part("importance and dependence", self._questions)
        classification = isinstance(found, ClassificationScorer)
        return Evaluation(
            task=subject.task,
            target=shortened(subject.target),
            positive=self._positive_text,
            rows=len(subject.rows),
            labelled=found.rows,
            columns=len(self._inputs),
            headline=self._headline,
            metrics=tuple(self._metric(name) for name in self._metrics),
            method=self._draws.method,
            own=dict(subject.own),
            protected=tuple(self._protected()),
            weak=self._part("weak slices", lambda: self._weak(asked)),
            classification=self._part(
                "ranking and calibration", lambda: classification_facts(found, costs=subject.costs)
            )
            if isinstance(found, ClassificationScorer)
            else None,
            regression=None
            if classification
            else self._part("residuals", lambda: regression_facts(self._regression, self._clusters)),
            questions=asked,
            over_time=self._over_time(),
            gaps=tuple(self._gaps),
        )

    def _choose_headline(self) -> str:
        """Return the metric that people are told: how well it ranks, how many it gets right, how far off."""
        if self._subject.task == "regression":
            return "mae"
        ranks = isinstance(self._scorer, ClassificationScorer) and self._scorer.positive is not None
        return "roc_auc" if ranks and "roc_auc" in self._metrics else "accuracy"

    def _part(self, name: str, make: Callable[[], T]) -> T | None:
        """Make a part of the report, or note why there is none: a report must not fail the stage."""
        try:
            return make()
        except MlxError as error:
            self._gaps.append(Gap(name, error.message))
        except Exception as error:  # the numerics of odd data, and the user's own model
            self._gaps.append(Gap(name, f"{type(error).__name__}: {error}"))
        return None

    # --- metrics

    @cached_property
    def _baseline(self) -> Scorer:
        subject = self._subject
        guessed = guess(subject.task, self._truth, training=subject.training)
        return scorer(subject.task, self._truth, guessed, positive=subject.positive)

    @cached_property
    def _draws(self) -> Draws:
        """Resample the model, the baseline, the protected groups and the periods, by the same draws."""
        total = self._scorer.rows
        taken = sample(total, MOST_ROWS, clusters=self._clusters, seed=SEED)
        subsets = {
            MODEL: Subset(self._scorer.at(taken), self._metrics),
            BASELINE: Subset(self._baseline.at(taken), self._metrics),
        }
        for name, rows, metrics in self._parts_to_draw():
            inside = np.flatnonzero(np.isin(taken, rows, assume_unique=True))
            if len(inside) > 1:
                subsets[name] = Subset(self._scorer.at(taken[inside]), metrics, inside)
        return bootstrap(subsets, len(taken), clusters=clusters_at(self._clusters, taken), of=total)

    def _parts_to_draw(self) -> list[tuple[str, NDArray[np.intp], tuple[str, ...]]]:
        parts = []
        headline = (self._headline,)
        for column, groups in self._groups.items():
            for code in range(min(len(groups.names), _GROUPS)):
                if groups.counts[code] >= _LEAST_GROUP:
                    parts.append((f"{column}={code}", groups.rows_of(code), self._metrics))
                    parts.append((f"{column}!={code}", np.flatnonzero(groups.codes != code), headline))
        if self._periods is not None:
            for code in range(len(self._periods.starts)):
                parts.append((f"period {code}", np.flatnonzero(self._periods.codes == code), headline))
        return parts

    def _metric(self, name: str) -> MetricFact:
        value, guessed = self._scorer.value(name), self._baseline.value(name)
        direction = METRICS[name].direction
        sign = 1.0 if direction == "higher" else -1.0
        gain = None
        if math.isfinite(guessed):
            gain = self._draws.difference(MODEL, BASELINE, name, sign * (value - guessed), sign=sign)
        return MetricFact(
            name,
            direction,
            self._draws.estimate(MODEL, name, value),
            guessed if math.isfinite(guessed) else None,
            gain,
        )

    # --- groups

    @cached_property
    def _groups(self) -> dict[str, Grouped]:
        found = {}
        for column in self._subject.protected:
            if column not in self._rows.columns:
                self._gaps.append(Gap(f"groups of {column}", "the test rows have no such column"))
                continue
            groups = self._part(f"groups of {column}", partial(grouped, self._rows[column]))
            if groups is not None:
                found[column] = groups
        return found

    def _protected(self) -> list[Protected]:
        found = []
        for column, groups in self._groups.items():
            shown = range(min(len(groups.names), _GROUPS))
            described = tuple(self._group(column, groups, code) for code in shown)
            found.append(Protected(shortened(column), described, len(groups.names) - len(shown)))
        return found

    def _group(self, column: str, groups: Grouped, code: int) -> Group:
        rows = groups.rows_of(code)
        ours, rest = self._scorer.at(rows), self._scorer.at(np.flatnonzero(groups.codes != code))
        metrics, difference = {}, None
        if len(rows) >= _LEAST_GROUP:
            name = f"{column}={code}"
            values = {metric: ours.value(metric) for metric in self._metrics}
            metrics = {
                metric: self._draws.estimate(name, metric, value)
                for metric, value in values.items()
                if math.isfinite(value)
            }
            gap = values[self._headline] - (rest.value(self._headline) if rest.rows else math.nan)
            if math.isfinite(gap):
                difference = self._draws.difference(name, f"{column}!={code}", self._headline, gap)
        flagged, actual = None, None
        if isinstance(ours, ClassificationScorer) and ours.positive is not None:
            flagged = wilson(int((ours.predicted == ours.positive).sum()), ours.rows)
            actual = float((ours.truth == ours.positive).mean())
        return Group(groups.names[code], len(rows), metrics, difference, flagged, actual)

    # --- slices, questions, time

    @cached_property
    def _inputs(self) -> list[str]:
        subject = self._subject
        return Asked(subject.model, subject.task, subject.target, self._rows, self._truth).columns

    def _weak(self, asked: Questions | None) -> WeakSlices | None:
        """Search the columns that move predictions most, the protected ones first: labels choose nothing."""
        subject = self._subject
        skipped = {subject.target, subject.key}
        names = [str(c) for c in self._inputs]
        if asked is not None:
            moved = {i.column: i.moved for i in asked.importance}
            names.sort(key=lambda name: -moved.get(shortened(name), 0.0))
        columns = [c for c in dict.fromkeys([*self._groups, *names]) if c not in skipped]
        found = self._scorer
        if isinstance(found, ClassificationScorer):
            errors = (found.truth != found.predicted).astype(np.float64)
            searched = partial(weak_slices, self._rows, errors, measure="wrong")
        else:
            searched = partial(weak_slices, self._rows, found.errors, measure="absolute_error")
        weak = searched(columns=columns[:_SLICED_COLUMNS], clusters=self._clusters)
        if weak is None:
            self._gaps.append(Gap("weak slices", f"{len(self._rows)} rows are too few to search"))
        return weak

    def _questions(self) -> Questions:
        subject = self._subject
        asked = Asked(subject.model, subject.task, subject.target, self._rows, self._truth, subject.positive)
        return questions(asked, self._headline, outcome=self._outcome)

    @property
    def _outcome(self) -> object:
        """The class whose probability is shown: the positive one, else the most common."""
        found = self._scorer
        if not isinstance(found, ClassificationScorer):
            return None
        index = LabelIndex(self._subject.predictions.classes)
        index.encode(self._truth.astype(object))
        common = int(np.bincount(found.truth, minlength=found.n_classes).argmax())
        position = found.positive if found.positive is not None else common
        return index.values[position] if position < len(index.values) else found.labels[position]

    @property
    def _positive_text(self) -> str | None:
        found = self._scorer
        if not isinstance(found, ClassificationScorer) or found.positive is None:
            return None
        return shortened(found.labels[found.positive])

    @cached_property
    def _periods(self) -> Periods | None:
        time = self._subject.time
        if time is None:
            return None
        if time not in self._rows.columns:
            self._gaps.append(Gap("metrics over time", f"the test rows have no column '{time}'"))
            return None
        found = self._part("metrics over time", lambda: periods(self._rows[time]))
        if found is None and not any(gap.part == "metrics over time" for gap in self._gaps):
            self._gaps.append(Gap("metrics over time", f"'{time}' does not span two periods"))
        return found

    def _over_time(self) -> OverTime | None:
        if self._periods is None:
            return None
        found = []
        for code, start in enumerate(self._periods.starts):
            rows = np.flatnonzero(self._periods.codes == code)
            value = self._scorer.at(rows).value(self._headline) if len(rows) >= _LEAST_PERIOD else math.nan
            estimate = None
            if math.isfinite(value):
                estimate = self._draws.estimate(f"period {code}", self._headline, value)
            found.append(Period(start, len(rows), estimate))
        return OverTime(shortened(str(self._subject.time)), self._periods.unit, tuple(found))

    @property
    def _regression(self) -> RegressionScorer:
        assert isinstance(self._scorer, RegressionScorer)
        return self._scorer


def _why_not(metric: str, found: Scorer) -> str:
    """Say why a metric has no value on these rows."""
    if isinstance(found, RegressionScorer):
        return "some true values are zero" if metric == "mape" else "all true values are equal"
    if found.scores is None:
        return "the model gives no probabilities"
    return "the test rows are of one class"
