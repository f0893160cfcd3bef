"""How far new values are from a profiled column, and how far chance alone takes as many values.

A small file always differs a little from the training rows. So a column's threshold is the 99 % point of the
distance between two samples of the sketch, one of the training rows' size and one of the new rows' size (a
parametric bootstrap), and at least `MINIMUM_EFFECT`, below which a difference does not matter however certain
it is.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlxkit.evaluation.profile import CategorySketch, NumericSketch

if TYPE_CHECKING:
    from collections.abc import Mapping

MINIMUM_EFFECT = 0.1
CERTAINTY = 0.99

_DRAWS = 500

Floats = NDArray[np.float64]


def wasserstein(left: Floats, right: Floats) -> float:
    """Return the Wasserstein-1 distance of two samples: the area between their distribution functions."""
    left, right = np.sort(left), np.sort(right)
    support = np.sort(np.concatenate([left, right]))
    gaps = np.diff(support)
    below_left = np.searchsorted(left, support[:-1], side="right") / len(left)
    below_right = np.searchsorted(right, support[:-1], side="right") / len(right)
    return float(np.sum(np.abs(below_left - below_right) * gaps))


def jensen_shannon(left: Floats, right: Floats) -> Floats:
    """Return the Jensen-Shannon distance of shares along the last axis: base 2, so in [0, 1]."""
    middle = (left + right) / 2
    divergence = (_relative_entropy(left, middle) + _relative_entropy(right, middle)) / 2
    return np.sqrt(np.clip(divergence, 0, 1))


def numeric_distance(reference: NumericSketch, values: Floats) -> float:
    """Return the Wasserstein-1 distance in standard deviations of the reference.

    For a constant reference it is the share of values that are not the constant.
    """
    if is_constant(reference):
        return float(np.mean((values < reference.minimum) | (values > reference.maximum)))
    return wasserstein(np.array(reference.slices), values) / reference.std


def categorical_distance(reference: CategorySketch, counts: Mapping[str, int]) -> float:
    """Return the Jensen-Shannon distance of category shares.

    Categories that the reference does not list are one, and are expected as often as Good and Turing say: the
    share of the unseen is the share of those seen once (I. J. Good, Biometrika 40, 1953). So identifiers
    and free text do not drift by themselves.
    """
    found = np.array([counts.get(name, 0) for name, _ in reference.categories] + [0], dtype=np.float64)
    found[-1] = sum(counts.values()) - found.sum()
    return float(jensen_shannon(_expected_shares(reference), found / found.sum()))


def new_category_share(reference: CategorySketch, counts: Mapping[str, int]) -> float | None:
    """Return the share of values in categories that are new; None where the reference does not list all."""
    if reference.other:
        return None
    seen = {name for name, _ in reference.categories}
    total = sum(counts.values())
    return sum(count for name, count in counts.items() if name not in seen) / total if total else 0.0


def threshold(reference: NumericSketch | CategorySketch, rows: int, *, column: str) -> float:
    """Return the distance beyond which `rows` new values of a column have drifted.

    `column` seeds the draws, so that the result depends neither on other columns nor on the call.
    """
    generator = np.random.default_rng(zlib.crc32(column.encode()))
    if isinstance(reference, CategorySketch):
        chance = _categorical_chance(reference, rows, generator)
    else:
        chance = _numeric_chance(reference, rows, generator)
    return max(MINIMUM_EFFECT, float(np.quantile(chance, CERTAINTY)))


def missing_threshold(missing: int, reference_rows: int, rows: int, *, column: str) -> float:
    """Return the change of the missing share beyond which `rows` new rows have drifted."""
    generator = np.random.default_rng(zlib.crc32(column.encode()))
    share = (missing + 0.5) / (reference_rows + 1)
    then = generator.binomial(reference_rows, share, _DRAWS) / reference_rows
    now = generator.binomial(rows, share, _DRAWS) / rows
    return max(MINIMUM_EFFECT, float(np.quantile(np.abs(then - now), CERTAINTY)))


def is_constant(reference: NumericSketch) -> bool:
    """Return whether the reference has no spread to measure by."""
    return reference.std == 0 or reference.minimum == reference.maximum


def _numeric_chance(reference: NumericSketch, rows: int, generator: np.random.Generator) -> Floats:
    if is_constant(reference):
        return np.zeros(1)
    slices = np.array(reference.slices)
    even = np.full(len(slices), 1 / len(slices))
    then = generator.multinomial(reference.count, even, size=_DRAWS) / reference.count
    now = generator.multinomial(rows, even, size=_DRAWS) / rows
    apart = np.abs(np.cumsum(then - now, axis=1))[:, :-1]
    # A sample of a long tail misjudges its own spread as well.
    centred = slices - reference.mean
    spread = np.sqrt(np.maximum(then @ centred**2 - (then @ centred) ** 2, 0))
    return np.asarray(apart @ np.diff(slices) / np.where(spread > 0, spread, reference.std))


def _categorical_chance(reference: CategorySketch, rows: int, generator: np.random.Generator) -> Floats:
    shares = _expected_shares(reference)
    then = generator.multinomial(reference.count, shares, size=_DRAWS) / reference.count
    now = generator.multinomial(rows, shares, size=_DRAWS) / rows
    return jensen_shannon(then, now)


def _expected_shares(reference: CategorySketch) -> Floats:
    """Return the shares of the listed categories, and last of all others together."""
    listed = np.array([count for _, count in reference.categories], dtype=np.float64)
    shares = listed / reference.count * (1 - reference.once / reference.count)
    return np.array([*shares, max(0.0, 1 - shares.sum())])


def _relative_entropy(shares: Floats, middle: Floats) -> Floats:
    ratio = np.divide(shares, middle, out=np.ones_like(middle), where=shares > 0)
    return np.asarray(np.sum(shares * np.log2(ratio), axis=-1))
