"""What a promotion is given and what it leaves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pandas import DataFrame

    from mlxkit.registry.contest import OwnMetric
    from mlxkit.registry.gates.verdict import GateVerdict
    from mlxkit.registry.records import PromotionRecord


@dataclass(frozen=True)
class Evaluation:
    """How models are scored.

    Attributes:
        rows: loads the evaluation rows, target included; None where the project has none that mlx can score,
            and what the runs recorded decides.
        own_metrics: the project's own metrics by name: from true labels and predictions to a value.
        data: returns the hash of the rows' file, as DVC has it; empty where nobody knows it.
    """

    rows: Callable[[], DataFrame] | None = None
    own_metrics: Mapping[str, OwnMetric] = field(default_factory=dict)
    data: Callable[[], str] = str


@dataclass(frozen=True)
class Champion:
    """The version that the environment had before."""

    version: str
    run_id: str | None


@dataclass(frozen=True)
class Promotion:
    """The outcome of a promotion.

    Attributes:
        version: of the model in the registry; None when it is not registered.
        note: a sentence for people, where there is more to say than the gates do.
        record: what was written down of it; None where nothing changed.
        hints: what people should still do.
        pending: what waits for somebody's approval.
    """

    promoted: bool
    model: str
    version: str | None
    environment: str
    run_id: str
    champion: Champion | None
    gates: tuple[GateVerdict, ...] = ()
    note: str = ""
    record: PromotionRecord | None = None
    hints: tuple[str, ...] = ()
    pending: PromotionRecord | None = None

    @property
    def passed(self) -> bool:
        """Whether every gate passed, promoted or not (a dry run)."""
        return all(gate.passed for gate in self.gates)

    def to_json(self) -> dict[str, Any]:
        """Return the document of `mlx promote --json`."""
        own = ("note", "hints", "record", "pending")
        document = {key: value for key, value in asdict(self).items() if key not in own}
        return {
            **document,
            "gates": list(document["gates"]),
            "record": None if self.record is None else self.record.number,
            "pending": self.pending is not None,
            "hints": list(self.hints),
        }
