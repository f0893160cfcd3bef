"""Bootstrap intervals of many metrics at once: a resample is a vector of weights, and a metric a sum.

With weights, one pass over the rows serves all resamples, and any subset of the rows has the same resamples
as the whole, so that differences between subsets are paired. The intervals are the percentile intervals of
B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mlxkit.evaluation.clusters import Rows, cluster_count
from mlxkit.evaluation.facts import CONFIDENCE, Estimate, Method
from mlxkit.evaluation.regression import RegressionScorer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlxkit.evaluation.classification import ClassificationScorer
    from mlxkit.evaluation.score import Scorer

Floats = NDArray[np.float64]

SEED = 0
MOST_ROWS = 50_000
_RESAMPLES, _FEWEST = 1000, 200
_MOST_CELLS = 30_000_000
_BLOCK_CELLS = 1_000_000
_LABELLED = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")


@dataclass(frozen=True, eq=False)
class Subset:
    """Metrics to resample on some of the rows; `rows` are positions, None for all of them."""

    scorer: Scorer
    metrics: tuple[str, ...]
    rows: Rows | None = None

    @cached_property
    def tally(self) -> _Tally:
        """The sums that the metrics need, laid out once."""
        if isinstance(self.scorer, RegressionScorer):
            return _RegressionTally(self.scorer, self.metrics)
        return _ClassificationTally(self.scorer, self.metrics)

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


class _Tally(Protocol):
    """The sums that metrics need, over rows that are weighted; `passes` is how often it goes over them."""

    passes: int

    def values(self, weights: Floats) -> dict[str, Floats]:
        """Return each metric on each resample; `weights` has the shape (rows, resamples)."""
        ...


@dataclass(frozen=True, eq=False)
class _Ranked:
    """The rows of one class and of the rest, summed by distinct score, ascending."""

    inside: Any
    outside: Any


@dataclass(eq=False)
class _ClassificationTally:
    scorer: ClassificationScorer
    metrics: Sequence[str]
    passes: int = field(init=False)

    def __post_init__(self) -> None:
        ranked = sum(metric in ("roc_auc", "average_precision") for metric in self.metrics)
        classes = self.scorer.n_classes if self.scorer.positive is None else 1
        self.passes = 1 + ranked * classes

    def values(self, weights: Floats) -> dict[str, Floats]:
        """Return each metric for every resample; NaN where it is not defined."""
        wanted = set(self.metrics)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self._from_labels(weights) if wanted & set(_LABELLED) else {}
            if self.scorer.scores is not None:
                found |= self._losses(weights)
                if wanted & {"roc_auc", "average_precision"}:
                    found |= self._rankings(weights)
        return {name: values for name, values in found.items() if name in wanted}

    @cached_property
    def _labels(self) -> tuple[Any, Any, Any]:
        truth, predicted, size = self.scorer.truth, self.scorer.predicted, self.scorer.n_classes
        right = np.flatnonzero(truth == predicted)
        hits = csr_matrix((np.ones(len(right)), (truth[right], right)), shape=(size, len(truth)))
        return hits, _sums(truth, size), _sums(predicted, size)

    def _from_labels(self, weights: Floats) -> dict[str, Floats]:
        hits, support, predicted = (matrix @ weights for matrix in self._labels)
        positive = self.scorer.positive
        occurs = support + predicted > 0

        def of_classes(values: Floats) -> Floats:
            if positive is not None:
                return np.asarray(values[positive])
            return np.asarray(np.where(occurs, values, 0).sum(axis=0) / occurs.sum(axis=0))

        rates = _ratio(hits, support)
        return {
            "accuracy": hits.sum(axis=0) / support.sum(axis=0),
            "balanced_accuracy": rates.sum(axis=0) / (support > 0).sum(axis=0),
            "precision": of_classes(_ratio(hits, predicted)),
            "recall": of_classes(rates),
            "f1": of_classes(_ratio(2 * hits, support + predicted)),
        }

    def _losses(self, weights: Floats) -> dict[str, Floats]:
        losses = self.scorer.losses
        sums = np.vstack([losses["log_loss"], losses["brier"]]) @ weights / weights.sum(axis=0)
        return {"log_loss": sums[0], "brier": sums[1]}

    @cached_property
    def _ranks(self) -> list[_Ranked]:
        return [
            _Ranked(
                _sums_where(cells // 2, cells % 2 == 1, size), _sums_where(cells // 2, cells % 2 == 0, size)
            )
            for cells, size in self.scorer.ranks
        ]

    def _rankings(self, weights: Floats) -> dict[str, Floats]:
        areas, precisions = [], []
        for ranked in self._ranks:
            inside, outside = ranked.inside @ weights, ranked.outside @ weights
            total, rest = inside.sum(axis=0), outside.sum(axis=0)
            below = np.cumsum(outside, axis=0) - outside / 2
            areas.append(np.where(total * rest > 0, (inside * below).sum(axis=0) / (total * rest), np.nan))
            if "average_precision" in self.metrics:
                hits = np.cumsum(inside[::-1], axis=0)
                retrieved = np.cumsum((inside + outside)[::-1], axis=0)
                parts = (inside[::-1] * hits / np.maximum(retrieved, 1)).sum(axis=0)
                precisions.append(np.where(total > 0, parts / total, np.nan))
        found = {"roc_auc": _mean_of_defined(areas)}
        return found | ({"average_precision": _mean_of_defined(precisions)} if precisions else {})


@dataclass(eq=False)
class _RegressionTally:
    scorer: RegressionScorer
    metrics: Sequence[str]
    passes: int = 3

    def values(self, weights: Floats) -> dict[str, Floats]:
        """Return each metric for every resample; NaN where it is not defined."""
        truth, errors = self.scorer.truth, self.scorer.errors
        # The mean is taken off first: squares of large values of one sign would leave nothing of the rest.
        centered = truth - truth.mean() if len(truth) else truth
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            sums = np.vstack([errors, errors**2, centered, centered**2]) @ weights
            total = weights.sum(axis=0)
            spread = sums[3] - sums[2] ** 2 / total
            constant = spread <= 1e-12 * np.maximum(sums[3], 1e-300)
            found = {
                "mae": sums[0] / total,
                "rmse": np.sqrt(sums[1] / total),
                "r2": np.where(constant, np.nan, 1 - sums[1] / spread),
                "mape": errors / np.abs(truth) @ weights / total
                if truth.all()
                else np.full(len(total), np.nan),
            }
        if "median_absolute_error" in self.metrics:
            found["median_absolute_error"] = _weighted_median(errors, self._order, weights)
        return {name: values for name, values in found.items() if name in self.metrics}

    @cached_property
    def _order(self) -> Rows:
        return np.argsort(self.scorer.errors, kind="stable")


def _weighted_median(values: Floats, order: Rows, weights: Floats) -> Floats:
    """Return the median of each resample: the middle value, or the mean of the two."""
    reached = np.cumsum(weights[order], axis=0)
    total = reached[-1]
    ranked = values[order]
    middle = [(reached >= k).argmax(axis=0) for k in (np.floor((total + 1) / 2), np.floor(total / 2) + 1)]
    return np.where(total > 0, (ranked[middle[0]] + ranked[middle[1]]) / 2, np.nan)


def _sums(codes: Rows, size: int) -> Any:
    return csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(size, len(codes)))


def _sums_where(codes: Rows, mask: NDArray[np.bool_], size: int) -> Any:
    rows = np.flatnonzero(mask)
    return csr_matrix((np.ones(len(rows)), (codes[rows], rows)), shape=(size, len(codes)))


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Divide, with 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _mean_of_defined(values: Sequence[Floats]) -> Floats:
    stacked = np.vstack(values)
    known = np.isfinite(stacked)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, stacked, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
