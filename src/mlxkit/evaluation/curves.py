"""What a classification's scores are worth: ROC, precision and recall, calibration, thresholds, confusion.

Curves are thinned to at most a hundred points, evenly along the line; areas are those of all points.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from mlxkit.evaluation.calibration import BINS, equal_parts
from mlxkit.evaluation.facts import (
    Bin,
    ClassCounts,
    ClassificationFacts,
    Curve,
    Estimate,
    Threshold,
    Thresholds,
)
from mlxkit.evaluation.groups import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mlxkit.evaluation.classification import ClassificationScorer

    Floats = NDArray[np.float64]

_POINTS, _CURVES, _CLASSES = 100, 4, 10
_Z = 1.959963984540054
OTHERS = "all others"


def classification_facts(
    scorer: ClassificationScorer, *, costs: Mapping[str, float] | None = None
) -> ClassificationFacts:
    """Return all that only a classification has; `costs` are those of mlx.yaml."""
    names = [shortened(label) for label in scorer.labels]
    counts = _class_counts(scorer, names)
    ranked = [scorer.positive] if scorer.positive is not None else _largest(scorer)[:_CURVES]
    roc, precision_recall = [], []
    for code in ranked if scorer.scores is not None else ():
        truth = scorer.truth == code
        if truth.any() and not truth.all():
            roc.append(_roc(scorer, code, names[code]))
            precision_recall.append(_precision_recall(scorer, code, names[code]))
    shown, confusion = _confusion(scorer, names)
    calibration = _calibration(scorer)
    binary = scorer.positive is not None and scorer.scores is not None
    return ClassificationFacts(
        classes=counts,
        confusion_labels=shown,
        confusion=confusion,
        roc=tuple(roc),
        precision_recall=tuple(precision_recall),
        calibration=calibration,
        calibration_error=_calibration_error(calibration),
        thresholds=_thresholds(scorer, costs) if binary else None,
    )


def wilson(hits: int, rows: int) -> Estimate:
    """Return a share with its interval: E. B. Wilson (1927), Journal of the ASA 22, page 209."""
    share = hits / rows
    center = (share + _Z**2 / (2 * rows)) / (1 + _Z**2 / rows)
    half = _Z / (1 + _Z**2 / rows) * math.sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2))
    return Estimate(share, max(0.0, center - half), min(1.0, center + half))


def _largest(scorer: ClassificationScorer) -> list[int]:
    counts = np.bincount(scorer.truth, minlength=scorer.n_classes)
    return [int(code) for code in np.argsort(-counts, kind="stable") if counts[code] > 0]


def _class_counts(scorer: ClassificationScorer, names: Sequence[str]) -> tuple[ClassCounts, ...]:
    size = scorer.n_classes
    rows = np.bincount(scorer.truth, minlength=size)
    predicted = np.bincount(scorer.predicted, minlength=size)
    hits = np.bincount(scorer.truth[scorer.truth == scorer.predicted], minlength=size)
    order = np.argsort(-rows, kind="stable")[:50]
    return tuple(ClassCounts(names[i], int(rows[i]), int(predicted[i]), int(hits[i])) for i in order)


def _roc(scorer: ClassificationScorer, code: int, label: str) -> Curve:
    assert scorer.scores is not None
    x, y, _ = roc_curve(scorer.truth == code, scorer.scores[:, code])
    return Curve(label, *_thinned(x, y), float(np.trapezoid(y, x)))


def _precision_recall(scorer: ClassificationScorer, code: int, label: str) -> Curve:
    assert scorer.scores is not None
    precision, recall, _ = precision_recall_curve(scorer.truth == code, scorer.scores[:, code])
    area = float(-np.sum(np.diff(recall) * precision[:-1]))
    # The area counts the first hits from recall 0 on; before them, precision jumps with every row.
    known = recall > 0
    recall, precision = recall[known][::-1], precision[known][::-1]
    recall, precision = np.append(0.0, recall), np.append(precision[0], precision)
    return Curve(label, *_thinned(recall, precision), area)


def _thinned(x: Floats, y: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Keep points at even distances along the line, both ends among them."""
    way = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    kept = np.unique(np.searchsorted(way, np.linspace(0, way[-1], _POINTS)).clip(max=len(x) - 1))
    kept = np.unique([0, *kept, len(x) - 1])
    return tuple(x[kept].tolist()), tuple(y[kept].tolist())


def _confusion(
    scorer: ClassificationScorer, names: Sequence[str]
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Count truth against prediction; beyond ten classes the rarest are one."""
    occurring = np.unique(np.concatenate([scorer.truth, scorer.predicted])).tolist()
    if scorer.positive is not None and len(occurring) <= 2:
        # As such tables are usually read: the negative class first.
        kept = [code for code in range(scorer.n_classes) if code != scorer.positive] + [scorer.positive]
    elif len(occurring) <= _CLASSES:
        kept = occurring
    else:
        kept = sorted(_largest(scorer)[: _CLASSES - 1])
    position = np.full(scorer.n_classes, len(kept))
    position[kept] = np.arange(len(kept))
    shown = [names[code] for code in kept]
    if set(occurring) - set(kept):
        shown.append(OTHERS)
    table = confusion_matrix(position[scorer.truth], position[scorer.predicted], labels=np.arange(len(shown)))
    return tuple(shown), tuple(tuple(row) for row in table.tolist())


def _calibration(scorer: ClassificationScorer) -> tuple[Bin, ...]:
    """Return tenths of the rows by score: of the positive class, else of the class that is predicted."""
    if scorer.scores is None or scorer.rows == 0:
        return ()
    scores, happened = scorer.forecast
    return tuple(
        Bin(float(scores[rows].mean()), wilson(int(happened[rows].sum()), len(rows)), len(rows))
        for rows in equal_parts(scores, BINS)
    )


def _calibration_error(bins: Sequence[Bin]) -> float | None:
    """Return the mean distance of what happened from what was predicted, weighted by rows."""
    rows = sum(b.rows for b in bins)
    return sum(b.rows * abs(b.predicted - b.observed.value) for b in bins) / rows if rows else None


def _thresholds(scorer: ClassificationScorer, costs: Mapping[str, float] | None) -> Thresholds | None:
    """Count what each threshold flags.

    The advised threshold is that of C. Elkan, The Foundations of Cost-Sensitive Learning (IJCAI 2001),
    equation 2. It follows from the costs alone, so that the rows it is judged on did not choose it.
    """
    assert scorer.scores is not None
    scores, truth = scorer.scores[:, scorer.positive], scorer.truth == scorer.positive
    if not np.isfinite(scores).all():
        return None

    def at(threshold: float) -> Threshold:
        flags = scores >= threshold
        flagged, hits, positives = int(flags.sum()), int((flags & truth).sum()), int(truth.sum())
        missed, alarms = positives - hits, flagged - hits
        return Threshold(
            threshold,
            flagged,
            hits,
            hits / flagged if flagged else None,
            hits / positives if positives else 0.0,
            None
            if costs is None
            else float(alarms * costs["false_positive"] + missed * costs["false_negative"]),
        )

    advised = None if costs is None else _advised(costs)
    table = [at(round(float(threshold), 2)) for threshold in np.linspace(0.1, 0.9, 9)]
    if advised is not None and all(row.threshold != advised for row in table):
        table = sorted([*table, at(advised)], key=lambda row: row.threshold)
    return Thresholds(
        tuple(table),
        at(0.5),
        None if costs is None else {name: float(cost) for name, cost in costs.items()},
        advised,
        None if advised is None else at(advised),
    )


def _advised(costs: Mapping[str, float]) -> float | None:
    total = costs["false_positive"] + costs["false_negative"]
    return round(costs["false_positive"] / total, 4) if total > 0 else None
