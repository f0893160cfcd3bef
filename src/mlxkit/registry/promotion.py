"""What a promotion is given and what it leaves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pandas import DataFrame

    from mlxkit.registry.contest import OwnMetric
    from mlxkit.registry.gates.verdict import GateVerdict

PROMOTION_TAG = "mlx.promotion."
"""Start of the tags that record promotions: then the environment, a dot, and the time in ms."""


@dataclass(frozen=True)
class Provenance:
    """What git knows of the model that is to be promoted.

    Attributes:
        dirty: whether its run was made from uncommitted work.
        locked: whether the `dvc.lock` of HEAD holds the model's hash.
        commit: HEAD.
        by: who promotes.
    """

    dirty: bool
    locked: bool
    commit: str | None
    by: str


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
    """

    promoted: bool
    model: str
    version: str | None
    environment: str
    run_id: str
    champion: Champion | None
    gates: tuple[GateVerdict, ...] = ()
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether every gate passed, promoted or not (a dry run)."""
        return all(gate.passed for gate in self.gates)

    def to_json(self) -> dict[str, Any]:
        """Return the document of `mlx promote --json`."""
        document = {key: value for key, value in asdict(self).items() if key != "note"}
        return {**document, "gates": list(document["gates"])}
