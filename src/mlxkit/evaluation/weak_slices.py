"""Slices of the rows on which the model errs more than elsewhere, found without being told where to look.

Slices of one column and of two are looked at, as Y. Chung et al., Slice Finder: Automated Data Slicing for
Model Validation (ICDE 2019), do. Who looks at hundreds of slices finds bad ones by chance; so an excess
counts only if it is larger than the largest of all slices in 95 % of the random orders of the errors: the
single-step max-T procedure of P. Westfall and S. Young, Resampling-Based Multiple Testing (1993), section
2.3. It holds for any distribution of the errors, and for slices that overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from mlxkit.evaluation.clusters import clusters_at
from mlxkit.evaluation.facts import Condition, WeakSlice, WeakSlices
from mlxkit.evaluation.groups import grouped, shortened
from mlxkit.evaluation.resampling import interval, weight_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    from numpy.typing import NDArray
    from pandas import DataFrame

    from mlxkit.evaluation.clusters import Rows

    Floats = NDArray[np.float64]

SHUFFLES = 500
LEVEL = 0.05
_MOST_ROWS, _MOST_SLICES, _MOST_FOUND = 10_000, 600, 5
_LEAST_ROWS, _LEAST_SHARE = 30, 0.02
_MOST_GROUPS = 12
_PAIRED_COLUMNS = 8
_RESAMPLES = 500


@dataclass(frozen=True, eq=False)
class _Candidate:
    conditions: tuple[Condition, ...]
    inside: NDArray[np.bool_]


def weak_slices(
    rows: DataFrame,
    errors: Floats,
    *,
    measure: Literal["wrong", "absolute_error"],
    columns: Sequence[str],
    clusters: Rows | None = None,
    seed: int = 0,
) -> WeakSlices | None:
    """Search the slices of `columns` for those whose mean error is higher beyond chance.

    Pairs are made of the first eight columns. Returns None where no slice has enough rows.
    """
    generator = np.random.default_rng(seed)
    if len(rows) > _MOST_ROWS:
        chosen = np.sort(generator.choice(len(rows), _MOST_ROWS, replace=False))
        rows, errors, clusters = rows.iloc[chosen], errors[chosen], clusters_at(clusters, chosen)
    least = max(_LEAST_ROWS, int(np.ceil(_LEAST_SHARE * len(rows))))
    if len(rows) < 2 * least:
        return None
    candidates = list(_candidates(rows, columns, least))
    searched = WeakSlices(measure, len(candidates), len(rows), SHUFFLES, least)
    if not candidates:
        return None
    if errors.min() == errors.max():
        return searched
    inside = np.array([candidate.inside for candidate in candidates], dtype=np.float32)
    excess, chance = _excesses(inside, errors, generator)
    found = _distinct(candidates, excess, chance)
    weak = tuple(_described(candidates[i], errors, clusters, p, seed) for i, p in found)
    return WeakSlices(measure, len(candidates), len(rows), SHUFFLES, least, weak)


def _excesses(
    inside: NDArray[np.float32], errors: Floats, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return each slice's excess in standard deviations, and the largest one of each random order."""
    rows = len(errors)
    centered = ((errors - errors.mean()) / errors.std()).astype(np.float32)
    counts = inside.sum(axis=1)
    # Under a random order a slice's sum has mean 0 and this variance, exactly.
    spread = np.sqrt(counts * (rows - counts) / (rows - 1))
    shuffled = generator.permuted(np.broadcast_to(centered, (SHUFFLES, rows)), axis=1)
    largest = (inside @ shuffled.T / spread[:, None]).max(axis=0)
    return np.asarray(inside @ centered / spread, dtype=np.float64), np.asarray(largest, dtype=np.float64)


def _distinct(candidates: Sequence[_Candidate], excess: Floats, chance: Floats) -> list[tuple[int, float]]:
    """Choose the largest excesses beyond chance, but for those that mostly repeat one chosen before."""
    chosen: list[tuple[int, float]] = []
    for i in np.argsort(-excess, kind="stable").tolist():
        p = float((1 + (chance >= excess[i]).sum()) / (1 + len(chance)))
        if p > LEVEL or len(chosen) == _MOST_FOUND:
            break
        if not any(_overlap(candidates[i].inside, candidates[j].inside) > 0.5 for j, _ in chosen):
            chosen.append((i, p))
    return chosen


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the share of the smaller slice that lies in the other."""
    return float((one & other).sum() / min(one.sum(), other.sum()))


def _candidates(rows: DataFrame, columns: Sequence[str], least: int) -> Iterator[_Candidate]:
    """Yield every slice of enough rows, and with enough rows outside, first of one column, then of two."""
    single: dict[str, list[_Candidate]] = {}
    left = _MOST_SLICES
    for column in columns:
        groups = grouped(rows[column])
        found = [
            _Candidate((Condition(shortened(str(column)), groups.names[code]),), groups.codes == code)
            for code in range(min(len(groups.names), _MOST_GROUPS))
            if least <= groups.counts[code] <= len(rows) - least
        ]
        single[column] = found[:left]
        left -= len(single[column])
        yield from single[column]
    for one, other in combinations([c for c in columns if single[c]][:_PAIRED_COLUMNS], 2):
        for first in single[one]:
            for second in single[other]:
                both = first.inside & second.inside
                size = both.sum()
                # A pair that is nearly one of its parts tells nothing new.
                if left > 0 and size >= least and size < 0.95 * min(first.inside.sum(), second.inside.sum()):
                    left -= 1
                    yield _Candidate(first.conditions + second.conditions, both)


def _described(
    candidate: _Candidate, errors: Floats, clusters: Rows | None, p: float, seed: int
) -> WeakSlice:
    inside = candidate.inside
    ours, rest = errors[inside], errors[~inside]
    sums = np.vstack([np.where(inside, errors, 0), inside, errors, np.ones(len(errors))])
    drawn = [sums @ weights for weights in weight_blocks(len(errors), _RESAMPLES, seed, clusters)]
    within, count, total, rows = np.hstack(drawn)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = within / count
        others = (total - within) / (rows - count)
    value = float(ours.mean())
    return WeakSlice(
        candidate.conditions,
        int(inside.sum()),
        interval(value, means),
        float(rest.mean()),
        interval(value - float(rest.mean()), means - others),
        p,
    )
