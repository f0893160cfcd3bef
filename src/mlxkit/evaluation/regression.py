"""Regression metrics over any resample of the rows. Values agree with `sklearn.metrics`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RegressionScorer:
    """One model's labelled rows: finite true and predicted values."""

    truth: Floats
    predicted: Floats

    @property
    def rows(self) -> int:
        """How many rows are scored."""
        return len(self.truth)

    def at(self, rows: Indices) -> RegressionScorer:
        """Return the scorer of some of the rows."""
        return RegressionScorer(self.truth[rows], self.predicted[rows])

    def value(self, metric: str, indices: Indices | None = None) -> float:
        """Return a metric over the rows at `indices` (default all); NaN where it is not defined there.

        r2 is not defined where all true values are equal, mape where one of them is zero.
        """
        truth = self.truth if indices is None else self.truth[indices]
        errors = self.errors if indices is None else self.errors[indices]
        with np.errstate(over="ignore", invalid="ignore"):
            match metric:
                case "mae":
                    return float(errors.mean())
                case "median_absolute_error":
                    return float(np.median(errors))
                case "rmse":
                    return float(np.sqrt(np.mean(errors**2)))
                case "mape":
                    return float(np.mean(errors / np.abs(truth))) if truth.all() else float("nan")
                case _:
                    return _r2(truth, errors)

    @cached_property
    def errors(self) -> Floats:
        """Each row's absolute error."""
        with np.errstate(over="ignore"):
            return np.abs(self.truth - self.predicted)


def _r2(truth: Floats, errors: Floats) -> float:
    spread = float(np.sum((truth - truth.mean()) ** 2))
    if spread == 0 or truth.min() == truth.max():
        return float("nan")
    return 1 - float(np.sum(errors**2)) / spread
