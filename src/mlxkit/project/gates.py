"""The conditions of a promotion as `mlx.yaml` says them, one dataclass for each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mlxkit.project.models import Direction

Rival = Literal["champion", "baseline"]
Fairness = Literal[
    "selection_rate_ratio",
    "selection_rate_difference",
    "equalized_odds_difference",
    "equal_opportunity_difference",
]
FAIRNESS: tuple[Fairness, ...] = (
    "selection_rate_ratio",
    "selection_rate_difference",
    "equalized_odds_difference",
    "equal_opportunity_difference",
)
"""Measures of fairness, named and defined as fairlearn has them."""
PROTECTED = "protected"
"""What stands for the columns of `protected:` among `slices:`."""
CONFIDENCE = 0.95
LOADING_SECONDS = 900.0
BATCH_ROWS = 1000
TOLERANCE = 1e-6


@dataclass(frozen=True)
class MetricGate:
    """A metric of all evaluation rows. Exactly one of `minimum`, `maximum` and `beats` is set.

    Attributes:
        direction: which way the metric is better; None means mlx's own table of metrics knows.
        confidence: of the one-sided interval of a `beats` gate, in (0.5, 1).
    """

    metric: str
    minimum: float | None = None
    maximum: float | None = None
    beats: Rival | None = None
    confidence: float = CONFIDENCE
    direction: Direction | None = None

    def __str__(self) -> str:
        if self.beats is not None:
            return f"{self.metric} beats {self.beats}"
        return f"{self.metric} {_bound(self.minimum, self.maximum)}"


@dataclass(frozen=True)
class SliceGate:
    """A metric of each group of some columns. Exactly one of the three bounds is set.

    Attributes:
        slices: columns; `protected` stands for those of `protected:`.
        max_gap: largest difference between two groups of one column.
    """

    metric: str
    slices: tuple[str, ...]
    minimum: float | None = None
    maximum: float | None = None
    max_gap: float | None = None

    def __str__(self) -> str:
        where = f"by {', '.join(self.slices)}"
        if self.max_gap is not None:
            return f"gap of {self.metric} {where} <= {self.max_gap:g}"
        return f"{self.metric} {where} {_bound(self.minimum, self.maximum)}"


@dataclass(frozen=True)
class FairnessGate:
    """A measure of fairness between groups of columns: a ratio has a minimum, a difference a maximum."""

    measure: Fairness
    slices: tuple[str, ...] = (PROTECTED,)
    minimum: float | None = None
    maximum: float | None = None

    def __str__(self) -> str:
        return f"{self.measure} by {', '.join(self.slices)} {_bound(self.minimum, self.maximum)}"


@dataclass(frozen=True)
class LatencyGate:
    """How long a prediction takes: of one row, or of `rows` rows at once; the limit is in milliseconds."""

    kind: Literal["single", "batch"]
    percentile: Literal[50, 95]
    limit: float
    rows: int = 1

    def __str__(self) -> str:
        return f"latency of {_count(self.rows)} p{self.percentile} <= {self.limit:g} ms"


@dataclass(frozen=True)
class SizeGate:
    """The largest size of the model's files, in bytes; `text` is as it is written."""

    limit: int
    text: str

    def __str__(self) -> str:
        return f"size <= {self.text}"


@dataclass(frozen=True)
class MemoryGate:
    """The largest memory, in bytes, of a process that loads the model and predicts the evaluation rows."""

    limit: int
    text: str

    def __str__(self) -> str:
        return f"memory <= {self.text}"


@dataclass(frozen=True)
class GoldenGate:
    """Rows whose predictions are fixed beforehand, in a file of the project."""

    path: str
    tolerance: float = TOLERANCE

    def __str__(self) -> str:
        return f"golden {self.path}"


@dataclass(frozen=True)
class LoadsGate:
    """The model predicts in a new environment of its recorded requirements, within `timeout` seconds."""

    timeout: float = LOADING_SECONDS

    def __str__(self) -> str:
        return "loads clean"


@dataclass(frozen=True)
class SignatureGate:
    """Who calls the champion can call this model."""

    def __str__(self) -> str:
        return "signature of champion"


@dataclass(frozen=True)
class DriftGate:
    """The rows of a file look like those that the model was trained on, by the rules in `drift:`."""

    path: str

    def __str__(self) -> str:
        return f"no drift in {self.path}"


@dataclass(frozen=True)
class CheckedGate:
    """A stage that checks data ended well on the very data that the model was made from."""

    stage: str

    def __str__(self) -> str:
        return f"checked by {self.stage}"


@dataclass(frozen=True)
class CardGate:
    """What only people know of the model is written below `card:` in mlx.yaml."""

    def __str__(self) -> str:
        return "card complete"


@dataclass(frozen=True)
class CallGate:
    """A function of the project, `module:function`."""

    call: str

    def __str__(self) -> str:
        return self.call


Gate = (
    MetricGate
    | SliceGate
    | FairnessGate
    | LatencyGate
    | SizeGate
    | MemoryGate
    | GoldenGate
    | LoadsGate
    | SignatureGate
    | DriftGate
    | CheckedGate
    | CardGate
    | CallGate
)


def metrics_named(gates: tuple[Gate, ...]) -> list[str]:
    """Return the metrics that gates name, each once."""
    return list(dict.fromkeys(gate.metric for gate in gates if isinstance(gate, MetricGate | SliceGate)))


def _bound(minimum: float | None, maximum: float | None) -> str:
    return f">= {minimum:g}" if minimum is not None else f"<= {maximum:g}"


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"
