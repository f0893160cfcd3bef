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

from mlxkit.evaluation.asking import Asked
from mlxkit.evaluation.breakdown import Breakdown, Scored
from mlxkit.evaluation.classification import ClassificationScorer
from mlxkit.evaluation.clusters import clusters_at, clusters_of, sample
from mlxkit.evaluation.curves import classification_facts
from mlxkit.evaluation.facts import (
    Contributions,
    Evaluation,
    MetricFact,
    Questions,
    WeakSlices,
)
from mlxkit.evaluation.gaps import Gaps
from mlxkit.evaluation.groups import shortened
from mlxkit.evaluation.importance import questions
from mlxkit.evaluation.labels import LabelIndex
from mlxkit.evaluation.regression import RegressionScorer
from mlxkit.evaluation.resampling import MOST_ROWS, SEED, Draws, Subset, bootstrap
from mlxkit.evaluation.residuals import regression_facts
from mlxkit.evaluation.score import guess, labelled, scorer
from mlxkit.evaluation.shap_values import contributions
from mlxkit.evaluation.weak_slices import weak_slices
from mlxkit.project.metrics import METRICS, metrics_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeVar

    from pandas import DataFrame, Series

    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.evaluation.score import Label, Scorer
    from mlxkit.project.models import Task

    T = TypeVar("T")

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
        self._gaps = Gaps()
        self._metrics = tuple(
            m.name for m in metrics_of(subject.task) if math.isfinite(self._scorer.value(m.name))
        )
        for m in metrics_of(subject.task):
            if m.name not in self._metrics:
                self._gaps.note(m.title, _why_not(m.name, self._scorer))
        self._headline = self._choose_headline()
        self._breakdown = Breakdown(
            Scored(self._rows, self._scorer, self._metrics, self._headline),
            self._gaps,
            protected=subject.protected,
            time=subject.time,
        )

    def evaluation(self) -> Evaluation:
        """Put all parts together."""
        subject, found = self._subject, self._scorer
        asked = self._gaps.part("importance and dependence", self._questions)
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
            protected=self._breakdown.protected(self._draws),
            weak=self._gaps.part("weak slices", lambda: self._weak(asked)),
            classification=self._gaps.part(
                "ranking and calibration", lambda: classification_facts(found, costs=subject.costs)
            )
            if isinstance(found, ClassificationScorer)
            else None,
            regression=None
            if classification
            else self._gaps.part("residuals", lambda: regression_facts(self._regression, self._clusters)),
            questions=asked,
            contributions=self._gaps.part("SHAP values", lambda: self._contributions(asked)),
            over_time=self._breakdown.over_time(self._draws),
            gaps=tuple(self._gaps.found),
        )

    def _choose_headline(self) -> str:
        """Return the metric that people are told: how well it ranks, how many it gets right, how far off."""
        if self._subject.task == "regression":
            return "mae"
        ranks = isinstance(self._scorer, ClassificationScorer) and self._scorer.positive is not None
        return "roc_auc" if ranks and "roc_auc" in self._metrics else "accuracy"

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
        for name, rows, metrics in self._breakdown.parts():
            inside = np.flatnonzero(np.isin(taken, rows, assume_unique=True))
            if len(inside) > 1:
                subsets[name] = Subset(self._scorer.at(taken[inside]), metrics, inside)
        return bootstrap(subsets, len(taken), clusters=clusters_at(self._clusters, taken), of=total)

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

    # --- slices, questions

    @cached_property
    def _inputs(self) -> list[str]:
        return self._asked.columns

    def _weak(self, asked: Questions | None) -> WeakSlices | None:
        """Search the columns that move predictions most, the protected ones first: labels choose nothing."""
        subject = self._subject
        skipped = {subject.target, subject.key}
        names = [str(c) for c in self._inputs]
        if asked is not None:
            moved = {i.column: i.moved for i in asked.importance}
            names.sort(key=lambda name: -moved.get(shortened(name), 0.0))
        columns = [c for c in dict.fromkeys([*self._breakdown.columns, *names]) if c not in skipped]
        found = self._scorer
        if isinstance(found, ClassificationScorer):
            errors = (found.truth != found.predicted).astype(np.float64)
            searched = partial(weak_slices, self._rows, errors, measure="wrong")
        else:
            searched = partial(weak_slices, self._rows, found.errors, measure="absolute_error")
        weak = searched(columns=columns[:_SLICED_COLUMNS], clusters=self._clusters)
        if weak is None:
            self._gaps.note("weak slices", f"{len(self._rows)} rows are too few to search")
        return weak

    @cached_property
    def _asked(self) -> Asked:
        subject = self._subject
        return Asked(subject.model, subject.task, subject.target, self._rows, self._truth, subject.positive)

    def _questions(self) -> Questions:
        return questions(self._asked, self._headline, outcome=self._outcome)

    def _contributions(self, asked: Questions | None) -> Contributions | None:
        """Return None where the model has refused changed rows already."""
        if asked is None:
            return None
        # Of columns whose labels are cut to the same text, the largest counts.
        moved = {i.column: i.moved for i in sorted(asked.importance, key=lambda i: i.moved)}
        return contributions(self._asked, moved, outcome=self._outcome)

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
