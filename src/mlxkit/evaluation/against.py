"""The model beside the champion of an environment, on the same test rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mlxkit.evaluation.clusters import clusters_at, sample
from mlxkit.evaluation.facts import ChampionMetric
from mlxkit.evaluation.resampling import MOST_ROWS, SEED, Subset, bootstrap
from mlxkit.evaluation.score import known_classes, labelled, scorer
from mlxkit.project.metrics import metrics_of

if TYPE_CHECKING:
    from pandas import Series

    from mlxkit.evaluation.clusters import Rows
    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.evaluation.score import Label
    from mlxkit.project.models import Task


def against(
    task: Task,
    truth: Series[Any],
    ours: Predictions,
    theirs: Predictions,
    *,
    positive: Label | None,
    clusters: Rows | None = None,
) -> tuple[ChampionMetric, ...]:
    """Compare two models by every metric that both have, resampled together.

    `clusters` are those of all rows of `truth`.

    Raises:
        DataError: one of them cannot be scored.
    """
    classes = (*known_classes(ours), *known_classes(theirs))
    one = scorer(task, truth, ours, positive=positive, classes=classes)
    other = scorer(task, truth, theirs, positive=positive, classes=classes)
    values = {m: (one.value(m.name), other.value(m.name)) for m in metrics_of(task)}
    known = {m: pair for m, pair in values.items() if all(map(math.isfinite, pair))}
    names = tuple(metric.name for metric in known)
    clusters = clusters_at(clusters, np.flatnonzero(labelled(task, truth)))
    taken = sample(one.rows, MOST_ROWS, clusters=clusters, seed=SEED)
    subsets = {"ours": Subset(one.at(taken), names), "theirs": Subset(other.at(taken), names)}
    draws = bootstrap(subsets, len(taken), clusters=clusters_at(clusters, taken), of=one.rows)
    found = []
    for metric, (our_value, their_value) in known.items():
        sign = 1.0 if metric.direction == "higher" else -1.0
        gain = draws.difference("ours", "theirs", metric.name, sign * (our_value - their_value), sign=sign)
        found.append(ChampionMetric(metric.name, their_value, gain))
    return tuple(found)
