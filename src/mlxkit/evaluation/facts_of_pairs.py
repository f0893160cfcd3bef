"""What a comparison of two models on the same rows found, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mlxkit.evaluation.facts import Direction, Estimate, Method

Verdict = Literal["better", "worse", "cannot tell", "same"]


@dataclass(frozen=True)
class MetricPair:
    """One metric of two models; either is None where that model has no value.

    Attributes:
        gain: by how much the second is better than the first, whichever way the metric points.
    """

    name: str
    direction: Direction | None
    first: Estimate | None
    second: Estimate | None
    gain: Estimate | None = None

    @property
    def verdict(self) -> Verdict | None:
        """What the interval of the difference says of the second model; None where there is none."""
        gain = self.gain
        if gain is None or gain.lower is None or gain.upper is None:
            return None
        if gain.value == gain.lower == gain.upper == 0:
            return "same"
        return "better" if gain.lower > 0 else "worse" if gain.upper < 0 else "cannot tell"


@dataclass(frozen=True)
class GroupPair:
    """The headline metric of two models on the rows with one value of a protected column."""

    column: str
    value: str
    rows: int
    pair: MetricPair | None


@dataclass(frozen=True)
class Disagreement:
    """Where two models differ.

    Attributes:
        rows: how many were compared.
        differ: rows with two labels, in a classification.
        first_right: of those, the rows on which the first model is right; likewise `second_right`.
        distance: mean distance of the two predictions, in a regression.
        closer: share of the rows on which the second is nearer to the truth.
    """

    rows: int
    differ: int | None = None
    first_right: int | None = None
    second_right: int | None = None
    distance: float | None = None
    closer: float | None = None


@dataclass(frozen=True)
class Paired:
    """What two models do on the same rows; `labelled` of them have a label, and count."""

    headline: str
    rows: int
    labelled: int
    metrics: tuple[MetricPair, ...]
    groups: tuple[GroupPair, ...]
    disagreement: Disagreement
    method: Method
