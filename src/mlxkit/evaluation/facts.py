"""What an evaluation found, as numbers: the one source of every report, and of `reports/evaluation.json`.

Nothing in it depends on a clock or on another model, so that the same model on the same rows has the same
file. Only the standard library is needed to read it.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - `facts_json` reads the annotations
from dataclasses import dataclass
from typing import Literal

from mlxkit.evaluation.facts_of_columns import Contribution, Contributions, Dependence, Importance, Questions
from mlxkit.evaluation.facts_of_predictions import (
    Bin,
    ClassCounts,
    ClassificationFacts,
    Curve,
    Estimate,
    RegressionFacts,
    Tenth,
    Threshold,
    Thresholds,
)

__all__ = [
    "Bin",
    "ChampionFacts",
    "ChampionMetric",
    "ClassCounts",
    "ClassificationFacts",
    "Condition",
    "Contribution",
    "Contributions",
    "Curve",
    "Dependence",
    "Estimate",
    "Evaluation",
    "Gap",
    "Group",
    "Importance",
    "Method",
    "MetricFact",
    "OverTime",
    "Period",
    "Protected",
    "Questions",
    "RegressionFacts",
    "Tenth",
    "Threshold",
    "Thresholds",
    "WeakSlice",
    "WeakSlices",
]

VERSION = 1
"""Version of the file's schema."""
CONFIDENCE = 0.95

Task = Literal["classification", "regression"]
Direction = Literal["higher", "lower"]


@dataclass(frozen=True)
class MetricFact:
    """One metric of the model, beside the same of a baseline that knows no row.

    Attributes:
        direction: which way it is better; None for a metric of the project's own.
        gain: by how much it is better than the baseline; positive is better.
    """

    name: str
    direction: Direction | None
    model: Estimate
    baseline: float | None = None
    gain: Estimate | None = None


@dataclass(frozen=True)
class Condition:
    """One condition on a row: a column, and which of its values."""

    column: str
    value: str


@dataclass(frozen=True)
class Group:
    """The rows with one value of a protected column.

    Attributes:
        metrics: each with its interval.
        difference: of the headline metric, this group minus all other rows.
        flagged: share of its rows that the model predicts as positive; likewise `actual`.
    """

    value: str
    rows: int
    metrics: Mapping[str, Estimate]
    difference: Estimate | None = None
    flagged: Estimate | None = None
    actual: float | None = None


@dataclass(frozen=True)
class Protected:
    """The groups of one protected column, the largest first; `omitted` counts groups that are not listed."""

    column: str
    groups: tuple[Group, ...]
    omitted: int = 0


@dataclass(frozen=True)
class WeakSlice:
    """Rows on which the model errs more than on the others, beyond chance.

    Attributes:
        error: mean error inside; `rest` outside.
        difference: inside minus outside.
        p: probability that the largest difference of all slices looked at is that large by chance alone.
    """

    conditions: tuple[Condition, ...]
    rows: int
    error: Estimate
    rest: float
    difference: Estimate
    p: float


@dataclass(frozen=True)
class WeakSlices:
    """What the search for weak slices found.

    Attributes:
        measure: `wrong` (share of wrong labels) or `absolute_error`.
        candidates: how many slices were looked at, on `rows` rows, against `shuffles` random orders.
        least_rows: smaller slices were not looked at.
    """

    measure: Literal["wrong", "absolute_error"]
    candidates: int
    rows: int
    shuffles: int
    least_rows: int
    found: tuple[WeakSlice, ...] = ()


@dataclass(frozen=True)
class Period:
    """The rows of one period of the time column, and the headline metric on them; None where it has none."""

    start: str
    rows: int
    metric: Estimate | None


@dataclass(frozen=True)
class OverTime:
    """The headline metric over the time column, by `unit`."""

    column: str
    unit: str
    periods: tuple[Period, ...]


@dataclass(frozen=True)
class Method:
    """How the intervals were made: `rows` of all labelled rows, resampled so many times.

    `keys` is how many keys those rows have, where some repeat, so that keys were resampled instead of rows.
    """

    resamples: int
    rows: int
    seed: int
    confidence: float = CONFIDENCE
    keys: int | None = None


@dataclass(frozen=True)
class Gap:
    """A part of the report that could not be computed, and why."""

    part: str
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """Everything that one evaluation found.

    Attributes:
        positive: the positive class of a binary classification, as text.
        rows: test rows; `labelled` of them have a label, and count.
        headline: name of the metric that groups, periods and importance are measured by.
        own: metrics of the project's own function.
    """

    task: Task
    target: str
    positive: str | None
    rows: int
    labelled: int
    columns: int
    headline: str
    metrics: tuple[MetricFact, ...]
    method: Method
    own: Mapping[str, float]
    protected: tuple[Protected, ...] = ()
    weak: WeakSlices | None = None
    classification: ClassificationFacts | None = None
    regression: RegressionFacts | None = None
    questions: Questions | None = None
    contributions: Contributions | None = None
    over_time: OverTime | None = None
    gaps: tuple[Gap, ...] = ()
    version: int = VERSION

    def metric(self, name: str) -> MetricFact | None:
        """Return a metric by its name, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)


@dataclass(frozen=True)
class ChampionMetric:
    """One metric of the champion; `gain` is by how much the model is better, and positive is better."""

    name: str
    value: float
    gain: Estimate


@dataclass(frozen=True)
class ChampionFacts:
    """What an environment's champion does on the test rows, at the moment of an evaluation.

    Attributes:
        evaluation: md5 of the facts of the model that it is compared with.
        same: whether this model is the champion itself.
        seen: share of the test rows that the champion was trained on; None where it does not tell.
        problem: why it could not be compared; None when it was.
    """

    evaluation: str
    environment: str
    version: str
    same: bool = False
    metrics: tuple[ChampionMetric, ...] = ()
    seen: float | None = None
    problem: str | None = None

    def metric(self, name: str) -> ChampionMetric | None:
        """Return a metric by its name, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)
