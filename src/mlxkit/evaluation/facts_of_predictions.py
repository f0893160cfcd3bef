"""What an evaluation found of the predictions as they are: curves, calibration, thresholds, errors."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - `facts_json` reads the annotations
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; bounds are None where it has none."""

    value: float
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Curve:
    """A line through points, and the area below it; `label` is the class that it is about."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    area: float


@dataclass(frozen=True)
class Bin:
    """Rows of similar prediction: what was predicted, and what happened, with its interval."""

    predicted: float
    observed: Estimate
    rows: int


@dataclass(frozen=True)
class Threshold:
    """What happens when rows of at least this score are flagged; `cost` is the sum over all rows."""

    threshold: float
    flagged: int
    hits: int
    precision: float | None
    recall: float
    cost: float | None = None


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of the positive class.

    Attributes:
        costs: of one wrong row, from mlx.yaml.
        advised: where costs are given, the threshold that is best for calibrated scores.
        at_default: the row at 0.5; `at_advised` likewise.
    """

    table: tuple[Threshold, ...]
    at_default: Threshold
    costs: Mapping[str, float] | None = None
    advised: float | None = None
    at_advised: Threshold | None = None


@dataclass(frozen=True)
class ClassCounts:
    """One class: rows that have it, rows predicted as such, and rows where both hold."""

    label: str
    rows: int
    predicted: int
    hits: int


@dataclass(frozen=True)
class ClassificationFacts:
    """What only a classification has. `confusion[i][j]` counts rows of class i predicted as class j.

    `confusion_labels` may end in a class that stands for all others.
    """

    classes: tuple[ClassCounts, ...]
    confusion_labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    roc: tuple[Curve, ...] = ()
    precision_recall: tuple[Curve, ...] = ()
    calibration: tuple[Bin, ...] = ()
    calibration_error: float | None = None
    thresholds: Thresholds | None = None


@dataclass(frozen=True)
class Tenth:
    """A tenth of the rows, by prediction: mean prediction, mean truth, mean absolute error."""

    predicted: float
    actual: Estimate
    error: Estimate
    rows: int


@dataclass(frozen=True)
class RegressionFacts:
    """What only a regression has.

    Attributes:
        points: predicted and actual values of some rows.
        edges: of the histogram of residuals (actual minus predicted), one more than its `counts`.
        outside: residuals below the first and above the last edge.
        quantiles: of the absolute error: name of the share of rows -> error.
    """

    points: tuple[tuple[float, float], ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    outside: tuple[int, int]
    tenths: tuple[Tenth, ...]
    quantiles: Mapping[str, float]
    bias: Estimate
    actual_mean: float
    actual_spread: float
