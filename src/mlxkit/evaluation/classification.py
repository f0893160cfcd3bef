"""Classification metrics over any resample of the rows, in time linear in the rows.

All values come from counts: a confusion matrix for labels, a histogram over the distinct scores for rankings.
So a bootstrap sorts once, and no resample pays scikit-learn's validation. Values agree with
`sklearn.metrics`; over all rows they are its own, to the last digit, where it adds up in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from mlxkit.evaluation.calibration import calibration_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]

_RANKING = ("roc_auc", "average_precision")
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class ClassificationScorer:
    """One model's labelled rows.

    Attributes:
        truth: positions of the true labels among the classes.
        predicted: positions of the predicted labels.
        scores: shape (n, n_classes), in the order of the classes, or None.
        n_classes: how many classes the task has.
        positive: position of the positive class, or None with other than two classes.
        labels: the classes as text.
    """

    truth: Indices
    predicted: Indices
    scores: Floats | None
    n_classes: int
    positive: int | None
    labels: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows are scored."""
        return len(self.truth)

    def at(self, rows: Indices) -> ClassificationScorer:
        """Return the scorer of some of the rows."""
        scores = None if self.scores is None else self.scores[rows]
        return ClassificationScorer(
            self.truth[rows], self.predicted[rows], scores, self.n_classes, self.positive, self.labels
        )

    def value(self, metric: str, indices: Indices | None = None) -> float:
        """Return a metric over the rows at `indices` (default all); NaN where it is not defined there."""
        if metric in ("accuracy", "balanced_accuracy", "precision", "recall", "f1"):
            return _from_confusion(metric, self._confusion(indices), self.positive)
        if self.scores is None:
            return float("nan")
        if metric == "calibration_error":
            scores, happened = self.forecast
            rows = slice(None) if indices is None else indices
            return calibration_error(scores[rows], happened[rows])
        if metric in _RANKING:
            values = self._exact(metric) if indices is None else self._counted(metric, indices)
            defined = [value for value in values if not np.isnan(value)]
            return float(np.mean(defined)) if defined else float("nan")
        if metric == "brier" and indices is None and self.positive is not None:
            return float(brier_score_loss(self.truth == self.positive, self.scores[:, self.positive]))
        losses = self.losses[metric]
        return float(np.mean(losses if indices is None else losses[indices]))

    @cached_property
    def forecast(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Each row's probability of the positive (else the predicted) class, and whether that came."""
        assert self.scores is not None
        if self.positive is not None:
            return self.scores[:, self.positive], self.truth == self.positive
        return self.scores[np.arange(self.rows), self.predicted], self.truth == self.predicted

    def _exact(self, metric: str) -> list[float]:
        """Return a ranking metric of each ranked class over all rows; NaN where it is not defined."""
        assert self.scores is not None
        function = roc_auc_score if metric == "roc_auc" else average_precision_score
        defined = 2 if metric == "roc_auc" else 1
        values = []
        for code in self._ranked:
            truth = self.truth == code
            known = truth.any() and len(np.unique(truth)) >= defined
            values.append(float(function(truth, self.scores[:, code])) if known else float("nan"))
        return values

    def _counted(self, metric: str, indices: Indices) -> list[float]:
        return [_ranking(metric, *counts) for counts in self._histograms(indices)]

    @property
    def _ranked(self) -> Sequence[int]:
        """The classes that are ranked against the rest."""
        return range(self.n_classes) if self.positive is None else (self.positive,)

    def _confusion(self, indices: Indices | None) -> Indices:
        cells = self._cells if indices is None else self._cells[indices]
        return np.bincount(cells, minlength=self.n_classes**2).reshape(self.n_classes, self.n_classes)

    @cached_property
    def _cells(self) -> Indices:
        return self.truth * self.n_classes + self.predicted

    def _histograms(self, indices: Indices) -> Iterator[tuple[Indices, Indices]]:
        """Yield, for each ranked class, its rows and the rest counted by distinct score, ascending."""
        for cells, size in self.ranks:
            counts = np.bincount(cells[indices], minlength=2 * size).reshape(size, 2)
            yield counts[:, 1], counts[:, 0]

    @cached_property
    def ranks(self) -> list[tuple[Indices, int]]:
        """For each ranked class: each row's score rank, doubled, plus one in the class; how many ranks."""
        assert self.scores is not None
        found = []
        for code in self._ranked:
            distinct, ranks = np.unique(self.scores[:, code], return_inverse=True)
            found.append((2 * ranks + (self.truth == code), len(distinct)))
        return found

    @cached_property
    def losses(self) -> dict[str, Floats]:
        """Each row's part of the metrics that are plain means."""
        assert self.scores is not None
        own = self.scores[np.arange(self.rows), self.truth]
        if self.positive is None:
            brier = ((np.eye(self.n_classes)[self.truth] - self.scores) ** 2).sum(axis=1)
        else:
            brier = (self.scores[:, self.positive] - (self.truth == self.positive)) ** 2
        return {"log_loss": -np.log(np.clip(own, _EPS, 1 - _EPS)), "brier": brier}


def _from_confusion(metric: str, confusion: Indices, positive: int | None) -> float:
    hits, support, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    match metric:
        case "accuracy":
            return float(hits.sum() / support.sum())
        case "balanced_accuracy":
            return float(_ratio(hits, support)[support > 0].mean())
        case "precision":
            values = _ratio(hits, predicted)
        case "recall":
            values = _ratio(hits, support)
        case _:
            values = _ratio(2 * hits, support + predicted)
    return float(values[support + predicted > 0].mean() if positive is None else values[positive])


def _ratio(part: Indices, whole: Indices) -> Floats:
    """Divide, with 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _ranking(metric: str, positives: Indices, negatives: Indices) -> float:
    total, rest = int(positives.sum()), int(negatives.sum())
    if total == 0 or (rest == 0 and metric == "roc_auc"):
        return float("nan")
    if metric == "roc_auc":
        # Mann-Whitney U: pairs ranked rightly, ties count one half.
        below = np.cumsum(negatives) - negatives / 2
        return float(positives @ below) / (total * rest)
    hits = np.cumsum(positives[::-1])
    retrieved = np.cumsum((positives + negatives)[::-1])
    return float(np.sum(positives[::-1] * hits / np.maximum(retrieved, 1))) / total
