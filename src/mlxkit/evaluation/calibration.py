"""How far probabilities are from what happens: the expected calibration error.

M. P. Naeini, G. F. Cooper and M. Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning
(AAAI 2015), here with bins of equal numbers of rows, after K. Nguyen and B. O'Connor, Posterior calibration
and exploratory analysis for natural language processing models (EMNLP 2015): bins of equal width are mostly
empty where scores crowd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]

BINS = 10


def equal_parts(values: Floats, parts: int) -> list[Rows]:
    """Return the rows in parts of about equal size by value, ascending; equal values stay together."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, parts + 1)[1:-1], method="nearest"))
    codes = np.searchsorted(edges, values, side="left")
    return [np.flatnonzero(codes == code) for code in np.unique(codes)]


def calibration_error(scores: Floats, happened: NDArray[np.bool_]) -> float:
    """Return the mean distance of what happened from what was predicted over ten bins, weighted by rows."""
    if len(scores) == 0:
        return float("nan")
    gaps = [
        len(rows) * abs(float(scores[rows].mean()) - float(happened[rows].mean()))
        for rows in equal_parts(scores, BINS)
    ]
    return sum(gaps) / len(scores)
