"""Metrics as sums over weighted rows: one pass serves as many weightings of the rows as there are columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlxkit.evaluation.classification import ClassificationScorer
    from mlxkit.evaluation.regression import RegressionScorer

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_LABELLED = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")


class Tally(Protocol):
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
class ClassificationTally:
    """The metrics of a classifier's scorer."""

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
class RegressionTally:
    """The metrics of a regression's scorer."""

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
