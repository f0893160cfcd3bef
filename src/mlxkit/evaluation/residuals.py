"""What only a regression has: residuals, predicted against actual, error by tenth of the predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlxkit.evaluation.calibration import equal_parts
from mlxkit.evaluation.clusters import cluster_count, clusters_at
from mlxkit.evaluation.facts import Estimate, RegressionFacts, Tenth
from mlxkit.evaluation.resampling import interval, weight_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlxkit.evaluation.clusters import Rows
    from mlxkit.evaluation.regression import RegressionScorer

    Floats = NDArray[np.float64]

_POINTS, _BARS, _PARTS, _RESAMPLES, _MOST_ROWS = 400, 30, 10, 500, 50_000
_SHARES = (0.5, 0.8, 0.9, 0.95)


def regression_facts(
    scorer: RegressionScorer, clusters: Rows | None = None, *, seed: int = 0
) -> RegressionFacts:
    """Return all that only a regression has."""
    generator = np.random.default_rng(seed)
    shown = np.arange(scorer.rows)
    if scorer.rows > _POINTS:
        shown = np.sort(generator.choice(scorer.rows, _POINTS, replace=False))
    residuals = scorer.truth - scorer.predicted
    edges, counts, outside = _histogram(residuals)
    quantiles = np.quantile(scorer.errors, _SHARES)
    return RegressionFacts(
        points=tuple(zip(scorer.predicted[shown].tolist(), scorer.truth[shown].tolist(), strict=True)),
        edges=edges,
        counts=counts,
        outside=outside,
        tenths=_tenths(scorer, clusters, seed),
        quantiles={f"{share:g}": float(value) for share, value in zip(_SHARES, quantiles, strict=True)},
        bias=_mean(residuals, clusters, seed),
        actual_mean=float(scorer.truth.mean()),
        actual_spread=float(scorer.truth.std()),
    )


def _histogram(residuals: Floats) -> tuple[tuple[float, ...], tuple[int, ...], tuple[int, int]]:
    """Count residuals in bars as wide as each other, but for the farthest hundredth at either end."""
    low, high = (float(q) for q in np.quantile(residuals, [0.01, 0.99]))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(residuals, bins=_BARS, range=(low, high))
    outside = int((residuals < low).sum()), int((residuals > high).sum())
    return tuple(edges.tolist()), tuple(counts.tolist()), outside


def _tenths(scorer: RegressionScorer, clusters: Rows | None, seed: int) -> tuple[Tenth, ...]:
    return tuple(
        Tenth(
            float(scorer.predicted[rows].mean()),
            _mean(scorer.truth[rows], clusters_at(clusters, rows), seed),
            _mean(scorer.errors[rows], clusters_at(clusters, rows), seed),
            len(rows),
        )
        for rows in equal_parts(scorer.predicted, _PARTS)
    )


def _mean(values: Floats, clusters: Rows | None, seed: int) -> Estimate:
    mean = float(values.mean())
    if cluster_count(clusters, len(values)) < 2:
        return Estimate(mean)
    if len(values) > _MOST_ROWS:  # the mean of so many is normal for all purposes
        sums = values - mean if clusters is None else np.bincount(clusters, values - mean)
        half = 1.96 * float(np.sqrt((sums**2).sum())) / len(values)
        return Estimate(mean, mean - half, mean + half)
    blocks = weight_blocks(len(values), _RESAMPLES, seed, clusters)
    drawn = [values @ weights / weights.sum(axis=0) for weights in blocks]
    return interval(mean, np.concatenate(drawn))
