"""Bootstrap intervals of many metrics at once: a resample is a vector of weights, and a metric a sum.

With weights, one pass over the rows serves all resamples, and any subset of the rows has the same resamples
as the whole, so that differences between subsets are paired. The intervals are the percentile intervals of
B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mlxkit.evaluation.clusters import Rows, cluster_count
from mlxkit.evaluation.facts import CONFIDENCE, Estimate, Method
from mlxkit.evaluation.regression import RegressionScorer
from mlxkit.evaluation.tally import ClassificationTally, Floats, RegressionTally, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlxkit.evaluation.score import Scorer

SEED = 0
MOST_ROWS = 50_000
_RESAMPLES, _FEWEST = 1000, 200
_MOST_CELLS = 30_000_000
_BLOCK_CELLS = 1_000_000


@dataclass(frozen=True, eq=False)
class Subset:
    """Metrics to resample on some of the rows; `rows` are positions, None for all of them."""

    scorer: Scorer
    metrics: tuple[str, ...]
    rows: Rows | None = None

    @cached_property
    def tally(self) -> Tally:
        """The sums that the metrics need, laid out once."""
        if isinstance(self.scorer, RegressionScorer):
            return RegressionTally(self.scorer, self.metrics)
        return ClassificationTally(self.scorer, self.metrics)

    @property
    def cost(self) -> int:
        """About how many numbers a single resample takes."""
        return self.scorer.rows * self.tally.passes


@dataclass(frozen=True, eq=False)
class Draws:
    """The metrics of every subset on every resample.

    Attributes:
        values: subset -> metric -> one value for each resample, NaN where it is not defined.
        scale: the spread over a sample of the rows, as that over all rows: the root of m / n.
    """

    values: Mapping[str, Mapping[str, Floats]]
    method: Method
    scale: float = 1.0

    def estimate(self, subset: str, metric: str, value: float) -> Estimate:
        """Return a value with the interval of its resamples."""
        return interval(value, self.values.get(subset, {}).get(metric), self.scale)

    def difference(self, one: str, other: str, metric: str, value: float, *, sign: float = 1.0) -> Estimate:
        """Return `sign` times the difference of two subsets, resampled together."""
        ours, theirs = (self.values.get(name, {}).get(metric) for name in (one, other))
        drawn = None if ours is None or theirs is None else sign * (ours - theirs)
        return interval(value, drawn, self.scale)


def interval(value: float, drawn: Floats | None, scale: float = 1.0) -> Estimate:
    """Return the percentile interval of resampled values; without bounds where half of them have none."""
    if drawn is None or not math.isfinite(value):
        return Estimate(value)
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < 2 or len(defined) * 2 < len(drawn):
        return Estimate(value)
    tail = (1 - CONFIDENCE) / 2
    lower, upper = (float(bound) for bound in np.quantile(defined, [tail, 1 - tail]))
    if scale < 1:  # m out of n: P. Bickel, F. Götze and W. van Zwet (1997), Statistica Sinica 7
        center = float(np.median(defined))
        lower, upper = value + (lower - center) * scale, value + (upper - center) * scale
    return Estimate(value, lower, upper)


def bootstrap(
    subsets: Mapping[str, Subset],
    rows: int,
    *,
    clusters: Rows | None = None,
    of: int | None = None,
    seed: int = SEED,
) -> Draws:
    """Resample `rows` rows, all subsets by the same draws; `of` is how many rows they stand for.

    The more there is to compute, the fewer resamples: 1000 to 200. Rows of one cluster are drawn together.
    """
    units = cluster_count(clusters, rows)
    keys = None if clusters is None else units
    if units < 2 or not subsets:
        return Draws({}, Method(0, rows, seed, keys=keys))
    cost = sum(subset.cost for subset in subsets.values())
    count = int(min(_RESAMPLES, max(_FEWEST, _MOST_CELLS // max(1, cost))))
    kept: dict[str, dict[str, list[Floats]]] = {name: {} for name in subsets}
    for weights in weight_blocks(rows, count, seed, clusters):
        for name, subset in subsets.items():
            part = weights if subset.rows is None else weights[subset.rows]
            for metric, values in subset.tally.values(part).items():
                kept[name].setdefault(metric, []).append(values)
    drawn = {name: {m: np.concatenate(v) for m, v in found.items()} for name, found in kept.items()}
    return Draws(drawn, Method(count, rows, seed, keys=keys), math.sqrt(rows / max(rows, of or rows)))


def weight_blocks(rows: int, count: int, seed: int, clusters: Rows | None = None) -> Iterator[Floats]:
    """Yield how often each resample draws each row, shape (rows, resamples of this block)."""
    generator = np.random.default_rng(seed)
    units = cluster_count(clusters, rows)
    step = max(1, _BLOCK_CELLS // rows)
    for start in range(0, count, step):
        size = min(step, count - start)
        drawn = generator.integers(0, units, size=(size, units))
        drawn += np.arange(size)[:, None] * units
        counts = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
        weights = np.ascontiguousarray(counts.T, dtype=np.float64)
        yield weights if clusters is None else weights[clusters]
