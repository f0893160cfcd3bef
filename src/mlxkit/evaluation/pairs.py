"""Two models on the same rows: every metric of both, what differs, and where they disagree.

All intervals come from the same draws, so that a difference is paired: what both find hard cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlxkit.evaluation.classification import ClassificationScorer
from mlxkit.evaluation.clusters import cluster_count, clusters_at, clusters_of, sample
from mlxkit.evaluation.facts_of_pairs import Disagreement, GroupPair, MetricPair, Paired
from mlxkit.evaluation.groups import grouped, shortened
from mlxkit.evaluation.regression import RegressionScorer
from mlxkit.evaluation.resampling import MOST_ROWS, SEED, Subset, bootstrap, interval
from mlxkit.evaluation.score import known_classes, labelled, scorer
from mlxkit.project.metrics import METRICS, direction_of, metrics_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pandas import DataFrame

    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.evaluation.resampling import Draws
    from mlxkit.evaluation.score import Label, Scorer
    from mlxkit.project.models import Direction, Task

Rows = NDArray[np.intp]
Statistic = Callable[[Rows], tuple[float, float]]

_GROUPS, _LEAST_GROUP = 8, 10
_OWN_RESAMPLES = 200


@dataclass(frozen=True, eq=False)
class Bout:
    """The rows on which two models are compared, and what mlx.yaml says about them."""

    task: Task
    target: str
    rows: DataFrame
    positive: Label | None = None
    key: str | None = None
    protected: Sequence[str] = ()


def pair(bout: Bout, first: Predictions, second: Predictions) -> Paired:
    """Compare two models by every metric, over all rows and by protected group.

    Raises:
        DataError: one of them cannot be scored.
    """
    truth = bout.rows[bout.target]
    classes = (*known_classes(first), *known_classes(second))
    one, other = (
        _Scored.of(label, bout.task, scorer(bout.task, truth, model, positive=bout.positive, classes=classes))
        for label, model in (("first", first), ("second", second))
    )
    rows = bout.rows.iloc[np.flatnonzero(labelled(bout.task, truth))]
    names = [m.name for m in metrics_of(bout.task) if m.name in one.values or m.name in other.values]
    headline = _headline(bout.task, one.scorer, names)
    parts = list(_parts(bout, rows))
    draws = _draws(one, other, headline, parts, clusters_of(rows, bout.key))
    return Paired(
        headline=headline,
        rows=len(bout.rows),
        labelled=one.scorer.rows,
        metrics=tuple(_metric(name, one, other, draws) for name in names),
        groups=tuple(_group(part, headline, one, other, draws) for part in parts),
        disagreement=_disagreement(one.scorer, other.scorer),
        method=draws.method,
    )


def pair_own(
    name: str, direction: Direction | None, statistic: Statistic, rows: int, *, clusters: Rows | None
) -> MetricPair:
    """Compare two models by a metric of the project's own; `statistic` gives both values on some rows.

    Without a direction nobody knows which of two values is better, so there is no gain.
    """
    generator = np.random.default_rng(SEED)
    units = cluster_count(clusters, rows)
    drawn = np.empty((_OWN_RESAMPLES, 2))
    for number in range(_OWN_RESAMPLES):
        chosen = generator.integers(0, units, size=units, dtype=np.intp)
        if clusters is not None:
            chosen = np.repeat(np.arange(rows), np.bincount(chosen, minlength=units)[clusters])
        drawn[number] = statistic(chosen)
    ours, theirs = statistic(np.arange(rows))
    gain = None
    if direction is not None:
        sign = 1.0 if direction == "higher" else -1.0
        gain = interval(sign * (theirs - ours), sign * (drawn[:, 1] - drawn[:, 0]))
    return MetricPair(name, direction, interval(ours, drawn[:, 0]), interval(theirs, drawn[:, 1]), gain)


@dataclass(frozen=True, eq=False)
class _Scored:
    """One of the two models: its scored rows, and its metrics over all of them."""

    label: str
    scorer: Scorer
    values: Mapping[str, float]

    @classmethod
    def of(cls, label: str, task: Task, found: Scorer) -> _Scored:
        values = {metric.name: found.value(metric.name) for metric in metrics_of(task)}
        return cls(label, found, {name: value for name, value in values.items() if math.isfinite(value)})

    def part(self, part: _Part, headline: str) -> _Scored:
        """Return the same of some of the rows, for one metric."""
        found = self.scorer.at(part.rows)
        value = found.value(headline)
        return _Scored(f"{self.label} {part.name}", found, {headline: value} if math.isfinite(value) else {})


@dataclass(frozen=True, eq=False)
class _Part:
    """The rows of one group, by position among those that are labelled."""

    column: str
    value: str
    rows: Rows

    @property
    def name(self) -> str:
        return f"{self.column}={self.value}"


def _headline(task: Task, found: Scorer, names: Sequence[str]) -> str:
    """Return what people are told first: how well it ranks, how many it gets right, how far off."""
    if task == "regression":
        return "mae"
    ranks = isinstance(found, ClassificationScorer) and found.positive is not None
    return "roc_auc" if ranks and "roc_auc" in names else "accuracy"


def _parts(bout: Bout, rows: DataFrame) -> Iterator[_Part]:
    for column in bout.protected:
        if column in rows.columns:
            groups = grouped(rows[column])
            for code, name in enumerate(groups.names[:_GROUPS]):
                yield _Part(shortened(str(column)), name, groups.rows_of(code))


def _draws(
    one: _Scored, other: _Scored, headline: str, parts: Sequence[_Part], clusters: Rows | None
) -> Draws:
    """Resample both models, and their groups, by the same draws."""
    total = one.scorer.rows
    taken = sample(total, MOST_ROWS, clusters=clusters, seed=SEED)
    subsets = {model.label: Subset(model.scorer.at(taken), tuple(model.values)) for model in (one, other)}
    for part in parts:
        inside = np.flatnonzero(np.isin(taken, part.rows, assume_unique=True))
        if len(part.rows) >= _LEAST_GROUP and len(inside) > 1:
            for model in (one, other):
                sampled = model.scorer.at(taken[inside])
                subsets[f"{model.label} {part.name}"] = Subset(sampled, (headline,), inside)
    return bootstrap(subsets, len(taken), clusters=clusters_at(clusters, taken), of=total)


def _metric(name: str, one: _Scored, other: _Scored, draws: Draws) -> MetricPair:
    first, second = (
        draws.estimate(model.label, name, model.values[name]) if name in model.values else None
        for model in (one, other)
    )
    gain = None
    if first is not None and second is not None:
        sign = 1.0 if METRICS[name].direction == "higher" else -1.0
        by = sign * (second.value - first.value)
        gain = draws.difference(other.label, one.label, name, by, sign=sign)
    return MetricPair(name, direction_of(name), first, second, gain)


def _group(part: _Part, headline: str, one: _Scored, other: _Scored, draws: Draws) -> GroupPair:
    found = None
    if len(part.rows) >= _LEAST_GROUP:
        found = _metric(headline, one.part(part, headline), other.part(part, headline), draws)
        found = found if found.first is not None or found.second is not None else None
    return GroupPair(part.column, part.value, len(part.rows), found)


def _disagreement(one: Scorer, other: Scorer) -> Disagreement:
    if isinstance(one, RegressionScorer) and isinstance(other, RegressionScorer):
        apart = np.abs(one.predicted - other.predicted)
        closer = other.errors < one.errors
        return Disagreement(one.rows, distance=float(apart.mean()), closer=float(closer.mean()))
    assert isinstance(one, ClassificationScorer)
    assert isinstance(other, ClassificationScorer)
    # Each model numbers the classes in its own order.
    names = [np.asarray(model.labels, dtype=object)[model.predicted] for model in (one, other)]
    apart = names[0] != names[1]
    return Disagreement(
        one.rows,
        differ=int(apart.sum()),
        first_right=int((apart & (one.predicted == one.truth)).sum()),
        second_right=int((apart & (other.predicted == other.truth)).sum()),
    )
