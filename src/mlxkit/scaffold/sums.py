"""Columns that give the target when they are added, subtracted, multiplied or divided."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Floats = NDArray[np.float64]
Parts = tuple[tuple[int, ...], bool]
"""The places of columns that give the target together, and whether all of them count the same way."""

_FEWEST_ROWS = 40
_EXPLAINED = 0.9999  # share of the target's variance
_SAME_WEIGHT = 0.01  # how much the weights of the parts of a sum may differ, as a share
_MOST_NUMBERS = 200


def told_together(numbers: Mapping[str, Floats], truth: Floats, target: str) -> dict[str, str]:
    """Return those of the columns that give the target together, with the reason."""
    if not 2 <= len(numbers) <= _MOST_NUMBERS:
        return {}
    names = list(numbers)
    values = np.column_stack([*numbers.values(), truth])
    leaks: dict[str, str] = {}
    for parts, alike in (*_sums(values), *_total(values)):
        leaks = (
            _reasons(parts, names, "added to" if alike else "with", "subtracted" * (not alike), target)
            | leaks
        )
    positive = [place for place in range(len(names)) if np.nanmin(values[:, place], initial=1.0) > 0]
    if len(positive) >= 2 and np.nanmin(truth) > 0:
        for parts, alike in _sums(np.log(values[:, [*positive, len(names)]])):
            several = tuple(positive[place] for place in parts)
            verb = ("multiplied by", "") if alike else ("with", "divided")
            leaks = _reasons(several, names, *verb, target) | leaks
    return leaks


def _reasons(
    parts: Sequence[int], names: Sequence[str], before: str, after: str, target: str
) -> dict[str, str]:
    """Say of each part what it gives with the others: `added to 'b' it gives 'c'`."""
    reasons = {}
    for part in parts:
        others = [f"'{names[other]}'" for other in parts if other != part]
        shown = others[0] if len(others) == 1 else f"{', '.join(others[:-1])} and {others[-1]}"
        reasons[names[part]] = f"{before} {shown}{' ' * bool(after)}{after} it gives '{target}'"
    return reasons


def _sums(values: Floats) -> list[Parts]:
    """Return pairs of columns whose sum or difference is the last column, by their correlations."""
    rows = values[np.isfinite(values).all(axis=1)]
    if len(rows) < _FEWEST_ROWS:
        return []
    varied = np.flatnonzero(rows[:, :-1].std(axis=0) > 0)
    if len(varied) < 2 or rows[:, -1].std() == 0:
        return []
    correlations = np.asarray(np.corrcoef(rows[:, [*varied, -1]], rowvar=False))
    among, with_last = correlations[:-1, :-1], correlations[:-1, -1]
    one, other = with_last[:, None], with_last[None, :]
    # R² of a regression on two columns, from their correlations.
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = (one**2 + other**2 - 2 * one * other * among) / (1 - among**2)
    found: list[Parts] = []
    for i, j in combinations(range(len(varied)), 2):
        if 1 - among[i, j] ** 2 > 1e-6 and explained[i, j] >= _EXPLAINED:
            pair = (int(varied[i]), int(varied[j]))
            weights = _weights(rows[:, pair], rows[:, -1])
            if _have_one_weight(weights):
                found.append((pair, bool(weights[0] * weights[1] > 0)))
    return found


def _total(values: Floats) -> list[Parts]:
    """Return three or more columns whose sum is the last column."""
    rows = values[np.isfinite(values).all(axis=1)]
    varied = np.flatnonzero(rows[:, :-1].std(axis=0) > 0) if len(rows) else np.array([], dtype=int)
    if not 3 <= len(varied) <= len(rows) // 20 or rows[:, -1].std() == 0:
        return []
    inputs, truth = rows[:, varied], rows[:, -1]
    weights = _weights(inputs, truth)
    left = truth - truth.mean() - (inputs - inputs.mean(axis=0)) @ weights
    if 1 - left.var() / truth.var() < _EXPLAINED:
        return []
    parts = np.flatnonzero(np.abs(weights) * inputs.std(axis=0) > 0.001 * truth.std())
    if len(parts) < 3 or not _have_one_weight(weights[parts]):
        return []
    places = tuple(int(varied[part]) for part in parts)
    return [(places, bool((weights[parts] > 0).all() or (weights[parts] < 0).all()))]


def _weights(inputs: Floats, truth: Floats) -> Floats:
    """Return the weights of a regression on columns."""
    spread = inputs.std(axis=0)
    scaled = (inputs - inputs.mean(axis=0)) / spread
    return np.asarray(np.linalg.lstsq(scaled, truth - truth.mean(), rcond=None)[0] / spread)


def _have_one_weight(weights: Floats) -> bool:
    sizes = np.abs(weights)
    return bool(sizes.max() - sizes.min() <= _SAME_WEIGHT * sizes.max())
