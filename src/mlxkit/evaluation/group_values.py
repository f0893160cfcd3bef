"""One value for each group of a column, from the rows on which that value rests.

Rates and differences are those of fairlearn (S. Bird and others, Fairlearn: A toolkit for assessing and
improving fairness in AI, 2020): the selection rate is the share that is predicted positive, the difference in
equalized odds the larger one of the largest differences in true and in false positive rates (M. Hardt,
E. Price and N. Srebro, Equality of Opportunity in Supervised Learning, NeurIPS 2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlxkit.evaluation.classification import ClassificationScorer
from mlxkit.evaluation.groups import grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from pandas import DataFrame

    from mlxkit.evaluation.groups import Grouped
    from mlxkit.evaluation.score import Scorer

    Rows = NDArray[np.intp]
    Measure = Callable[[Rows], float]

FEWEST_ROWS = 10
"""A value that rests on fewer rows tells nothing of its group; evaluation reports leave it out, too."""
SELECTION, TRUE_POSITIVES, FALSE_POSITIVES = "selection_rate", "true_positive_rate", "false_positive_rate"


@dataclass(frozen=True)
class GroupValue:
    """A group's value.

    Attributes:
        rows: how many the value rests on: for a recall those of the positive class, and so on.
        value: None where the rows are too few, or it is not defined on them.
    """

    column: str
    group: str
    rows: int
    value: float | None

    def __str__(self) -> str:
        return f"{self.column}={self.group}"


def group_values(
    scorer: Scorer, rows: DataFrame, columns: Sequence[str], name: str, measure: Measure | None = None
) -> list[GroupValue]:
    """Return a metric, or a rate, of every group of every column; `rows` are those that were scored.

    `measure` computes a metric of the project's own from positions of rows.
    """
    counting = _counting(scorer, name)
    known = measure or (lambda places: _value(scorer, name, places))
    found = []
    for column in columns:
        groups = grouped(rows[column])
        found += [_of_group(column, groups, code, counting, known) for code in range(len(groups.names))]
    return found


def _of_group(
    column: str, groups: Grouped, code: int, counting: NDArray[np.bool_], measure: Measure
) -> GroupValue:
    places = groups.rows_of(code)
    count = int(counting[places].sum())
    value = measure(places) if count >= FEWEST_ROWS else math.nan
    return GroupValue(column, groups.names[code], count, value if math.isfinite(value) else None)


def _counting(scorer: Scorer, name: str) -> NDArray[np.bool_]:
    """Return on which rows a value rests."""
    if not isinstance(scorer, ClassificationScorer) or scorer.positive is None:
        return np.ones(scorer.rows, dtype=np.bool_)
    positive, flagged = scorer.truth == scorer.positive, scorer.predicted == scorer.positive
    counting = {
        "recall": positive,
        TRUE_POSITIVES: positive,
        FALSE_POSITIVES: ~positive,
        "precision": flagged,
        "f1": positive | flagged,
    }
    return np.asarray(counting.get(name, np.ones(scorer.rows)), dtype=np.bool_)


def _value(scorer: Scorer, name: str, places: Rows) -> float:
    if name not in (SELECTION, TRUE_POSITIVES, FALSE_POSITIVES):
        return scorer.at(places).value(name)
    assert isinstance(scorer, ClassificationScorer)
    positive = scorer.truth[places] == scorer.positive
    flagged = scorer.predicted[places] == scorer.positive
    if name == SELECTION:
        return float(flagged.mean())
    kept = flagged[positive if name == TRUE_POSITIVES else ~positive]
    return float(kept.mean()) if len(kept) else math.nan
