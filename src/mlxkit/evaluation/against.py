"""The model beside the champion of an environment, on the same test rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mlxkit.evaluation.facts import ChampionMetric
from mlxkit.evaluation.resampling import MOST_ROWS, SEED, Subset, bootstrap
from mlxkit.evaluation.score import known_classes, scorer
from mlxkit.project.metrics import metrics_of

if TYPE_CHECKING:
    from pandas import Series

    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.evaluation.score import Label
    from mlxkit.project.models import Task


def against(
    task: Task, truth: Series[Any], ours: Predictions, theirs: Predictions, *, positive: Label | None
) -> tuple[ChampionMetric, ...]:
    """Compare two models by every metric that both have, resampled together.

    Raises:
        DataError: one of them cannot be scored.
    """
    classes = (*known_classes(ours), *known_classes(theirs))
    one = scorer(task, truth, ours, positive=positive, classes=classes)
    other = scorer(task, truth, theirs, positive=positive, classes=classes)
    values = {m: (one.value(m.name), other.value(m.name)) for m in metrics_of(task)}
    known = {m: pair for m, pair in values.items() if all(map(math.isfinite, pair))}
    names = tuple(metric.name for metric in known)
    taken = np.arange(one.rows)
    if one.rows > MOST_ROWS:
        taken = np.sort(np.random.default_rng(SEED).choice(one.rows, MOST_ROWS, replace=False))
    subsets = {"ours": Subset(one.at(taken), names), "theirs": Subset(other.at(taken), names)}
    draws = bootstrap(subsets, len(taken), of=one.rows)
    found = []
    for metric, (our_value, their_value) in known.items():
        sign = 1.0 if metric.direction == "higher" else -1.0
        gain = draws.difference("ours", "theirs", metric.name, sign * (our_value - their_value), sign=sign)
        found.append(ChampionMetric(metric.name, their_value, gain))
    return tuple(found)
