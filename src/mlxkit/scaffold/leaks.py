"""Columns that know the target: they would not be there, or not filled in yet, when a prediction is needed.

Three signs count: a column tells the target nearly always by its values; it does so by being filled in or
not; columns added, subtracted, multiplied or divided give the target. What one half of the rows shows is
judged on the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlxkit.scaffold.kinds import present
from mlxkit.scaffold.scales import as_numbers
from mlxkit.scaffold.sums import told_together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlxkit.scaffold.kinds import Content
    from mlxkit.scaffold.target import Target

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Mask = NDArray[np.bool_]

_MOST_ROWS, _FEWEST_ROWS = 50_000, 40
_FEWEST_OF_A_CLASS = 5  # in each half
_MOST_GROUPS = 50  # different numbers; more are a scale
_CLASS_ALONE = 0.99  # balanced accuracy
_VALUE_ALONE = 0.999  # share of the variance explained


def find_leaks(
    frame: pd.DataFrame, contents: Mapping[str, Content], target: Target, names: Sequence[str]
) -> dict[str, str]:
    """Return those of the columns `names` that know the target, with the reason."""
    sample = frame.sample(_MOST_ROWS, random_state=0) if len(frame) > _MOST_ROWS else frame
    comparable = [name for name, content in contents.items() if content.kind != "unsupported"]
    rows = sample.drop_duplicates(subset=comparable)  # a row in both halves would tell itself
    truth: _Classes | _Values
    values = present(rows[target.name])
    if target.task == "classification":
        codes, labels = pd.factorize(values)
        truth = _Classes(codes, list(labels))
    else:
        numbers = as_numbers(values, target.content)
        assert numbers is not None
        values = values[np.isfinite(numbers)]
        truth = _Values(numbers[np.isfinite(numbers)])
    if not truth.is_enough:
        return {}
    rows = rows.loc[values.index]
    leaks = {}
    for name in names:
        if (how := _tells(rows[name], contents[name], truth)) is not None:
            leaks[name] = how.replace("{}", target.name)
    columns = {
        name: column
        for name in names
        if name not in leaks and (column := as_numbers(rows[name], contents[name])) is not None
    }
    return leaks if truth.numbers is None else leaks | told_together(columns, truth.numbers, target.name)


def _tells(column: pd.Series, content: Content, truth: _Classes | _Values) -> str | None:
    """Say how a column alone tells the target, or None when it does not."""
    given = column.index.isin(present(column).index).astype(np.intp)
    if isinstance(truth, _Classes) and truth.verdict(truth.told_by_groups(given)) is not None:
        return "filled in or not, it tells '{}': known only afterwards"
    numbers = as_numbers(column, content)
    if numbers is not None and content.distinct > _MOST_GROUPS:
        score = truth.told_by_numbers(numbers)
    else:
        score = truth.told_by_groups(np.asarray(pd.factorize(column)[0] + 1))
    return truth.verdict(score)


class _Classes:
    """The labels of some rows, and how well columns tell them."""

    def __init__(self, codes: Codes, labels: Sequence[object]) -> None:
        self._codes = codes
        counts = [np.bincount(codes[half], minlength=len(labels)) for half in _halves(len(codes))]
        self._judged = np.flatnonzero(np.minimum(*counts) >= _FEWEST_OF_A_CLASS)
        self.is_enough = len(codes) >= _FEWEST_ROWS and len(self._judged) > 1
        self.numbers = codes.astype(float) if len(labels) == 2 else None

    def told_by_groups(self, groups: Codes) -> float:
        """Return the balanced accuracy of the class that is frequent in a row's group, beside its share."""

        def judge(seen: Mask, judged: Mask) -> float:
            width = int(self._codes.max()) + 1
            cells = groups[seen] * width + self._codes[seen]
            counts = np.bincount(cells, minlength=(groups.max() + 1) * width).reshape(-1, width)
            shares = counts / np.maximum(np.bincount(self._codes[seen], minlength=width), 1)
            answers = np.where(counts.any(axis=1), shares.argmax(axis=1), -1)
            return self._accuracy(answers[groups[judged]], judged)

        return _both_ways(judge, len(groups))

    def told_by_numbers(self, numbers: Floats) -> float:
        """Return the balanced accuracy of the class of the row whose number is nearest."""
        places = _nearest(numbers)
        return _both_ways(
            lambda seen, judged: self._accuracy(self._codes[places(seen, judged)], judged), len(numbers)
        )

    def _accuracy(self, answers: Codes, judged: Mask) -> float:
        codes = self._codes[judged]
        return float(np.mean([(answers[codes == code] == code).mean() for code in self._judged]))

    def verdict(self, score: float) -> str | None:
        """Say that this is nearly always right, or None."""
        share = "all" if score == 1 else f"{100 * min(score, 0.999):.1f} %"
        return f"it tells '{{}}' in {share} of rows" if score >= _CLASS_ALONE else None


class _Values:
    """The numbers of some rows, and how well columns tell them."""

    def __init__(self, numbers: Floats) -> None:
        self.numbers = numbers
        self.is_enough = len(numbers) >= _FEWEST_ROWS

    def told_by_groups(self, groups: Codes) -> float:
        """Return the R² of the mean of a row's group."""

        def judge(seen: Mask, judged: Mask) -> float:
            sizes = np.bincount(groups[seen], minlength=groups.max() + 1)
            sums = np.bincount(groups[seen], self.numbers[seen], minlength=len(sizes))
            means = np.where(sizes > 0, sums / np.maximum(sizes, 1), self.numbers[seen].mean())
            return self._explained(means[groups[judged]], judged)

        return _both_ways(judge, len(groups))

    def told_by_numbers(self, numbers: Floats) -> float:
        """Return the R² of the row whose number is nearest, or of a line through values or ranks."""
        places = _nearest(numbers)
        score = _both_ways(
            lambda seen, judged: self._explained(self.numbers[places(seen, judged)], judged), len(numbers)
        )
        return max(score, _squared_correlation(numbers, self.numbers))

    def _explained(self, answers: Floats, judged: Mask) -> float:
        truth = self.numbers[judged]
        spread = np.sum((truth - truth.mean()) ** 2)
        return float(1 - np.sum((truth - answers) ** 2) / spread) if spread > 0 else 0.0

    def verdict(self, score: float) -> str | None:
        """Say that hardly anything is left to explain, or None."""
        return f"it tells '{{}}' nearly exactly (R² {score:.4f})" if score >= _VALUE_ALONE else None


def _halves(rows: int) -> tuple[Mask, Mask]:
    half = np.random.default_rng(0).random(rows) < 0.5
    return half, ~half


def _both_ways(judge: Callable[[Mask, Mask], float], rows: int) -> float:
    """Learn from one half of the rows and judge by the other, and the other way; returns the mean."""
    first, second = _halves(rows)
    return (judge(first, second) + judge(second, first)) / 2


def _nearest(numbers: Floats) -> Callable[[Mask, Mask], Codes]:
    """Return a function that finds for each judged row the seen one with the nearest number.

    A missing number is nearest to another missing one.
    """
    largest = numbers[np.isfinite(numbers)].max(initial=0.0)
    values = np.where(np.isfinite(numbers), numbers, 2 * abs(largest) + 1)

    def places(seen: Mask, judged: Mask) -> Codes:
        known = np.flatnonzero(seen)[np.argsort(values[seen], kind="stable")]
        after = np.clip(np.searchsorted(values[known], values[judged]), 1, len(known) - 1)
        is_before = values[judged] - values[known[after - 1]] <= values[known[after]] - values[judged]
        return np.asarray(known[after - is_before])

    return places


def _squared_correlation(one: Floats, other: Floats) -> float:
    """Return the larger squared correlation of two columns, of their values or of their ranks."""
    known = np.isfinite(one)
    if known.sum() < max(_FEWEST_ROWS, len(known) / 2) or one[known].std() == 0 or other[known].std() == 0:
        return 0.0
    values = np.corrcoef(one[known], other[known])[0, 1]
    ranks = np.corrcoef(pd.Series(one[known]).rank(), pd.Series(other[known]).rank())[0, 1]
    return float(max(values**2, ranks**2))
