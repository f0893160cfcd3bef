"""Rows of one key, such as visits of one patient, err together; so a resample draws keys with all their rows.

Resampling rows would take each for news, and intervals would be too narrow. This is the cluster bootstrap:
A. Davison and D. Hinkley, Bootstrap Methods and their Application (1997), section 3.8; C. Field and A. Welsh,
Bootstrapping clustered data, Journal of the Royal Statistical Society B 69 (2007).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlxkit.evaluation.columns import distinct_values

if TYPE_CHECKING:
    from pandas import DataFrame

Rows = NDArray[np.intp]


def clusters_of(rows: DataFrame, key: str | None) -> Rows | None:
    """Return each row's key as a number from 0 on; None where no key repeats, or the rows have none.

    A row whose key is missing is by itself.
    """
    if key is None or key not in rows.columns:
        return None
    codes, distinct = distinct_values(rows[key])
    missing = codes < 0
    return _numbered(np.where(missing, len(distinct) + np.cumsum(missing), codes))


def clusters_at(clusters: Rows | None, rows: Rows) -> Rows | None:
    """Return the clusters of some rows, given as positions; None where none repeats among them."""
    return None if clusters is None else _numbered(clusters[rows])


def cluster_count(clusters: Rows | None, rows: int) -> int:
    """Return how many clusters there are; each of the rows is one where `clusters` is None."""
    return rows if clusters is None else int(clusters.max(initial=-1)) + 1


def sample(rows: int, most: int, *, clusters: Rows | None, seed: int) -> Rows:
    """Return positions of at most `most` rows at random; of clusters whole ones, and at least two."""
    if rows <= most:
        return np.arange(rows)
    generator = np.random.default_rng(seed)
    if clusters is None:
        return np.sort(generator.choice(rows, most, replace=False))
    order = generator.permutation(cluster_count(clusters, rows))
    fitting = int((np.cumsum(np.bincount(clusters)[order]) <= most).sum())
    return np.flatnonzero(np.isin(clusters, order[: max(fitting, 2)]))


def _numbered(codes: Rows) -> Rows | None:
    distinct, numbers = np.unique(codes, return_inverse=True)
    return numbers if len(distinct) < len(codes) else None
