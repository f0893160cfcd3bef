"""The metrics mlx knows: which way is better, and what each needs from a model.

With more than two classes the names keep their meaning as macro averages: precision, recall and f1 over the
classes that occur, roc_auc and average_precision one class against the rest. brier is then the sum over
classes, in [0, 2]. calibration_error is that of the positive class, else of the class that is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from mlxkit.errors import UsageError
from mlxkit.project.suggestions import closest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.project.models import Direction, Task

Needs = Literal["labels", "scores"]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        needs: "labels" where predicted labels or values do, "scores" where it takes class probabilities.
    """

    name: str
    task: Task
    direction: Direction
    needs: Needs
    title: str


_TABLE = (
    Metric("accuracy", "classification", "higher", "labels", "Accuracy"),
    Metric("balanced_accuracy", "classification", "higher", "labels", "Balanced accuracy"),
    Metric("f1", "classification", "higher", "labels", "F1"),
    Metric("precision", "classification", "higher", "labels", "Precision"),
    Metric("recall", "classification", "higher", "labels", "Recall"),
    Metric("roc_auc", "classification", "higher", "scores", "ROC AUC"),
    Metric("average_precision", "classification", "higher", "scores", "Average precision"),
    Metric("log_loss", "classification", "lower", "scores", "Log loss"),
    Metric("brier", "classification", "lower", "scores", "Brier score"),
    Metric("r2", "regression", "higher", "labels", "R²"),
    Metric("mae", "regression", "lower", "labels", "Mean absolute error"),
    Metric("rmse", "regression", "lower", "labels", "Root mean squared error"),
    Metric("median_absolute_error", "regression", "lower", "labels", "Median absolute error"),
    Metric("mape", "regression", "lower", "labels", "Mean absolute percentage error"),
)

_FOR_GATES = (
    # Kept out of `evaluate`, whose report draws it: nobody should choose a model by it.
    Metric("calibration_error", "classification", "lower", "scores", "Calibration error"),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in (*_TABLE, *_FOR_GATES)})


def direction_of(metric: str) -> Direction | None:
    """Return which way `metric` is better, or None for a metric that mlx does not know."""
    known = METRICS.get(metric)
    return None if known is None else known.direction


def metrics_of(task: Task) -> tuple[Metric, ...]:
    """Return the metrics of a task that every evaluation has, in the order of reports."""
    return tuple(metric for metric in _TABLE if metric.task == task)


def metric_names(task: Task) -> list[str]:
    """Return the names of all metrics of a task, with those that only gates ask for."""
    return [metric.name for metric in METRICS.values() if metric.task == task]


def find_metric(name: str, task: Task) -> Metric:
    """Return the metric of that name.

    Raises:
        UsageError: the task has no such metric.
    """
    metric = METRICS.get(name)
    if metric is not None and metric.task == task:
        return metric
    names = metric_names(task)
    close = closest(name, names)
    hint = f"did you mean '{close}'?" if close else f"use one of: {', '.join(names)}"
    raise UsageError(f"'{name}' is no metric of a {task} task", hint=hint)
