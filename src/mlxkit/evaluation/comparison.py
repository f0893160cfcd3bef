"""Is the challenger really better? A paired bootstrap over the rows, or keys, both models were scored on.

Resampling rows, not models, keeps each row's two predictions together, so what both find hard cancels out.
The bound is the percentile bound of B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993),
chapter 13. Where there is an exact test, it decides instead: see `exact`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlxkit.errors import DataError
from mlxkit.evaluation.clusters import cluster_count, clusters_at
from mlxkit.evaluation.exact import lower_bound, standard_error
from mlxkit.evaluation.score import Label, known_classes, labelled, scorer
from mlxkit.project.metrics import find_metric

if TYPE_CHECKING:
    from pandas import Series

    from mlxkit.evaluation.clusters import Rows
    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.evaluation.score import Scorer
    from mlxkit.project.models import Direction, Task

Statistic = Callable[[NDArray[np.intp]], tuple[float, float]]

_RESAMPLES = 1000
_FEWEST_RESAMPLES = 200
_MOST_DRAWS = 50_000_000


@dataclass(frozen=True)
class Comparison:
    """Challenger against champion on the same rows.

    Attributes:
        difference: positive when the challenger is better, whichever way the metric points.
        lower: one-sided lower bound of the difference at `confidence`.
        resamples: how many resamples the bound rests on; 0 where it does not.
        keys: how many keys the rows have, where some repeat, so that keys were resampled.
        standard_error: of the difference; None where it is not known.
        discordant: rows that the challenger alone and the champion alone has right, after an exact test.
    """

    metric: str
    challenger: float
    champion: float
    difference: float
    lower: float
    confidence: float
    rows: int
    resamples: int
    keys: int | None = None
    standard_error: float | None = None
    discordant: tuple[int, int] | None = None

    @property
    def rows_needed(self) -> int | None:
        """About how many rows would tell a difference of this size; None where there is none to tell.

        The standard error falls with the root of the rows, so that the lower bound of a normal distribution,
        difference - z * error, is expected to reach 0 at n * (z * error / difference) ** 2 rows, z being the
        normal quantile of the confidence. With so many rows half of all evaluations would tell it.
        """
        if self.standard_error is None or self.difference <= 0:
            return None
        z = NormalDist().inv_cdf(self.confidence)
        needed = self.rows * (z * self.standard_error / self.difference) ** 2
        return max(math.ceil(needed), self.rows + 1)

    @property
    def better(self) -> bool:
        """Whether the challenger is better beyond chance; two equal models are not."""
        return self.lower > 0


def compare(
    metric: str,
    task: Task,
    truth: Series[Any],
    challenger: Predictions,
    champion: Predictions,
    *,
    positive: Label | None = None,
    clusters: Rows | None = None,
    confidence: float = 0.95,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two models by one of mlx's own metrics; `clusters` are those of all rows of `truth`.

    Accuracy is decided by McNemar's exact test, unless keys repeat.

    Raises:
        UsageError: the task has no such metric.
        DataError: the metric cannot be computed for one of the models on these rows.
    """
    known = find_metric(metric, task)
    classes = (*known_classes(challenger), *known_classes(champion))
    ours = scorer(task, truth, challenger, positive=positive, classes=classes)
    theirs = scorer(task, truth, champion, positive=positive, classes=classes)
    for name, model in (("challenger", ours), ("champion", theirs)):
        if not math.isfinite(model.value(metric)):
            raise DataError(
                f"'{metric}' cannot be computed for the {name} on these {model.rows} rows",
                hint="gate on another metric, or give the model a 'predict_proba' method"
                if known.needs == "scores"
                else "gate on another metric",
            )
    grouped = clusters_at(clusters, np.flatnonzero(labelled(task, truth)))
    if metric == "accuracy" and grouped is None and ours.rows > 1:
        return _by_discordant_rows(ours, theirs, confidence)
    return paired_bootstrap(
        lambda indices: (ours.value(metric, indices), theirs.value(metric, indices)),
        ours.rows,
        metric=metric,
        direction=known.direction,
        clusters=grouped,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )


def _by_discordant_rows(ours: Scorer, theirs: Scorer, confidence: float) -> Comparison:
    right, other = (model.truth == model.predicted for model in (ours, theirs))
    only_ours, only_theirs = int((right & ~other).sum()), int((other & ~right).sum())
    return Comparison(
        metric="accuracy",
        challenger=ours.value("accuracy"),
        champion=theirs.value("accuracy"),
        difference=(only_ours - only_theirs) / ours.rows,
        lower=lower_bound(only_ours, only_theirs, ours.rows, confidence),
        confidence=confidence,
        rows=ours.rows,
        resamples=0,
        standard_error=standard_error(only_ours, only_theirs, ours.rows),
        discordant=(only_ours, only_theirs),
    )


def paired_bootstrap(
    statistic: Statistic,
    rows: int,
    *,
    metric: str,
    direction: Direction,
    clusters: Rows | None = None,
    confidence: float = 0.95,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Bound the difference of any statistic of two models from below.

    `statistic` takes row indices of shape (rows,), with repeats, and returns the challenger's and the
    champion's value. Resamples where it is not a number (one class drawn alone) are left out. Beyond 50,000
    rows fewer resamples are drawn, at least 200, so that the time stays bounded. Rows of a cluster are drawn
    together. `confidence` lies in (0.5, 1).

    Raises:
        DataError: fewer than two rows or clusters, or fewer than half of the resamples have a value.
    """
    if rows < 2:
        raise DataError(
            f"{rows} labelled rows are too few to compare two models", hint="evaluate on more rows"
        )
    if cluster_count(clusters, rows) < 2:
        raise DataError(
            f"all {rows} labelled rows have one key, which is too few to compare two models",
            hint="evaluate on rows of more keys",
        )
    sign = 1.0 if direction == "higher" else -1.0
    challenger, champion = statistic(np.arange(rows))
    count = min(resamples, max(_FEWEST_RESAMPLES, _MOST_DRAWS // rows))
    differences = sign * _differences(statistic, rows, clusters, count, seed)
    defined = differences[np.isfinite(differences)]
    if not math.isfinite(challenger - champion) or len(defined) * 2 < count:
        raise DataError(
            f"'{metric}' cannot be computed on most resamples of these {rows} rows",
            hint="evaluate on more rows",
        )
    return Comparison(
        metric=metric,
        challenger=challenger,
        champion=champion,
        difference=sign * (challenger - champion),
        lower=float(np.quantile(defined, 1 - confidence, method="lower")),
        confidence=confidence,
        rows=rows,
        resamples=len(defined),
        keys=None if clusters is None else cluster_count(clusters, rows),
        standard_error=float(defined.std()),
    )


def _differences(
    statistic: Statistic, rows: int, clusters: Rows | None, count: int, seed: int
) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    units = cluster_count(clusters, rows)
    values = np.empty(count)
    for number in range(count):
        drawn = generator.integers(0, units, size=units, dtype=np.intp)
        if clusters is not None:
            drawn = np.repeat(np.arange(rows), np.bincount(drawn, minlength=units)[clusters])
        challenger, champion = statistic(drawn)
        values[number] = challenger - champion
    return values
