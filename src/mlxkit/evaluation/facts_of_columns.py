"""What an evaluation found of the columns, by asking the model about rows that nobody had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["numeric", "categorical", "datetime"]


@dataclass(frozen=True)
class Importance:
    """How much worse the headline metric gets when a column is shuffled: mean, least and most of the repeats.

    `moved` is how far predictions move on average.
    """

    column: str
    loss: float
    least: float
    most: float
    moved: float


@dataclass(frozen=True)
class Dependence:
    """The mean prediction when a column is set to each of some values for all rows.

    Attributes:
        at: the values as text; `positions` as numbers, for a numeric or date column.
        low: tenth percentile of the rows' predictions; `high` the ninetieth.
    """

    column: str
    kind: Kind
    at: tuple[str, ...]
    positions: tuple[float, ...] | None
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Questions:
    """What was learned by asking the model about changed rows.

    Attributes:
        measured: the metric of `importance`; None where it could not be measured.
        outcome: what `dependence` shows: the class whose probability it is, None for a value.
        repeats: shuffles of each column, on `rows` rows; `dependence_rows` likewise.
    """

    measured: str | None
    importance: tuple[Importance, ...]
    dependence: tuple[Dependence, ...]
    outcome: str | None
    rows: int
    repeats: int
    dependence_rows: int
    asked: int


@dataclass(frozen=True)
class Contribution:
    """What one column adds to the predictions of single rows: its SHAP values.

    Attributes:
        stands_for: how many columns this is; more than one for all that matter least, taken as one.
        size: mean of the values without their signs.
        values: one for each explained row.
        places: where each row's value lies among those of the column, from 0 (lowest) to 1; None where it is
            missing, empty for categories.
        trend: correlation of `places` and `values`; None where there is none.
        ends: for categories: the one whose rows it lowers most on average, and the one it raises most.
    """

    column: str
    size: float
    values: tuple[float, ...]
    places: tuple[float | None, ...] = ()
    trend: float | None = None
    ends: tuple[str, str] | None = None
    stands_for: int = 1


@dataclass(frozen=True)
class Contributions:
    """SHAP values of some rows, by column, the largest first.

    For each row, `base` and the values of all columns add up to its prediction.

    Attributes:
        outcome: what is explained: the class whose probability it is, None for a value.
        base: mean prediction of `background` rows, from which the others differ.
        rows: how many are explained.
    """

    outcome: str | None
    base: float
    rows: int
    background: int
    columns: tuple[Contribution, ...]
