"""The test rows in parts, by protected group and by period of time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from mlxkit.evaluation.classification import ClassificationScorer
from mlxkit.evaluation.curves import wilson
from mlxkit.evaluation.facts import Group, OverTime, Period, Protected
from mlxkit.evaluation.groups import grouped, shortened
from mlxkit.evaluation.periods import Periods, periods

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pandas import DataFrame

    from mlxkit.evaluation.gaps import Gaps
    from mlxkit.evaluation.groups import Grouped
    from mlxkit.evaluation.resampling import Draws
    from mlxkit.evaluation.score import Scorer

_GROUPS, _LEAST_GROUP, _LEAST_PERIOD = 8, 10, 10


@dataclass(frozen=True, eq=False)
class Scored:
    """Labelled rows, the metrics that have a value there, and the one that people are told."""

    rows: DataFrame
    scorer: Scorer
    metrics: tuple[str, ...]
    headline: str


class Breakdown:
    """The parts of what was scored; their intervals come from draws in which `parts` took part."""

    def __init__(self, whole: Scored, gaps: Gaps, *, protected: Sequence[str], time: str | None) -> None:
        self._whole, self._gaps = whole, gaps
        self._protected, self._time = protected, time

    @property
    def columns(self) -> list[str]:
        """The protected columns that the rows have."""
        return list(self._groups)

    def parts(self) -> list[tuple[str, NDArray[np.intp], tuple[str, ...]]]:
        """Return what has intervals of its own: name, rows and metrics."""
        parts = []
        headline = (self._whole.headline,)
        for column, groups in self._groups.items():
            for code in range(min(len(groups.names), _GROUPS)):
                if groups.counts[code] >= _LEAST_GROUP:
                    parts.append((f"{column}={code}", groups.rows_of(code), self._whole.metrics))
                    parts.append((f"{column}!={code}", np.flatnonzero(groups.codes != code), headline))
        if self._periods is not None:
            for code in range(len(self._periods.starts)):
                parts.append((f"period {code}", np.flatnonzero(self._periods.codes == code), headline))
        return parts

    def protected(self, draws: Draws) -> tuple[Protected, ...]:
        """Describe the groups of every protected column."""
        found = []
        for column, groups in self._groups.items():
            shown = range(min(len(groups.names), _GROUPS))
            described = tuple(self._group(column, groups, code, draws) for code in shown)
            found.append(Protected(shortened(column), described, len(groups.names) - len(shown)))
        return tuple(found)

    def over_time(self, draws: Draws) -> OverTime | None:
        """Follow the headline metric; None where there is no time."""
        if self._periods is None:
            return None
        scorer, headline = self._whole.scorer, self._whole.headline
        found = []
        for code, start in enumerate(self._periods.starts):
            rows = np.flatnonzero(self._periods.codes == code)
            value = scorer.at(rows).value(headline) if len(rows) >= _LEAST_PERIOD else math.nan
            estimate = None
            if math.isfinite(value):
                estimate = draws.estimate(f"period {code}", headline, value)
            found.append(Period(start, len(rows), estimate))
        return OverTime(shortened(str(self._time)), self._periods.unit, tuple(found))

    @cached_property
    def _groups(self) -> dict[str, Grouped]:
        found = {}
        for column in self._protected:
            if column not in self._whole.rows.columns:
                self._gaps.note(f"groups of {column}", "the test rows have no such column")
                continue
            groups = self._gaps.part(f"groups of {column}", partial(grouped, self._whole.rows[column]))
            if groups is not None:
                found[column] = groups
        return found

    @cached_property
    def _periods(self) -> Periods | None:
        time = self._time
        if time is None:
            return None
        if time not in self._whole.rows.columns:
            self._gaps.note("metrics over time", f"the test rows have no column '{time}'")
            return None
        found = self._gaps.part("metrics over time", lambda: periods(self._whole.rows[time]))
        if found is None and not any(gap.part == "metrics over time" for gap in self._gaps.found):
            self._gaps.note("metrics over time", f"'{time}' does not span two periods")
        return found

    def _group(self, column: str, groups: Grouped, code: int, draws: Draws) -> Group:
        rows = groups.rows_of(code)
        scorer, headline = self._whole.scorer, self._whole.headline
        ours, rest = scorer.at(rows), scorer.at(np.flatnonzero(groups.codes != code))
        metrics, difference = {}, None
        if len(rows) >= _LEAST_GROUP:
            name = f"{column}={code}"
            values = {metric: ours.value(metric) for metric in self._whole.metrics}
            metrics = {
                metric: draws.estimate(name, metric, value)
                for metric, value in values.items()
                if math.isfinite(value)
            }
            gap = values[headline] - (rest.value(headline) if rest.rows else math.nan)
            if math.isfinite(gap):
                difference = draws.difference(name, f"{column}!={code}", headline, gap)
        flagged, actual = None, None
        if isinstance(ours, ClassificationScorer) and ours.positive is not None:
            flagged = wilson(int((ours.predicted == ours.positive).sum()), ours.rows)
            actual = float((ours.truth == ours.positive).mean())
        return Group(groups.names[code], len(rows), metrics, difference, flagged, actual)
