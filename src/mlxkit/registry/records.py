"""What is written down of each change of an alias: who, when, from what to what, why, and on what evidence.

A record stands in three places: in a tag of the model version, in an artifact of the run that trained it, and
in an annotated git tag `mlx/ENV/NNNN`. The first is read; the others outlive a registry that is lost, or that
somebody cleans up.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from mlxkit.adapters import mlflow_registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_store import Store

Action = Literal["promoted", "rolled back"]

PROMOTION_TAG = "mlx.promotion."
"""Start of the tags that hold records: then the environment, a dot, and the record's number."""
_DONE = ".done"
_MOST = 5000
"""Characters that a tag of MLflow holds."""
_LONG_REASON = 500

_TEXTS = ("id", "environment", "action", "model", "version", "by")
_TEXTS_OR_NONE = ("before", "run_id", "commit", "reason", "registry")


@dataclass(frozen=True)
class PromotionRecord:
    """One change of an alias.

    Attributes:
        id: no other record has it.
        number: counts the changes of one environment, from 1.
        version: that the alias names from then on; `before` is the one that it named until then.
        commit: of the code that trained the model.
        data: path -> hash of what the run read, as DVC counts it.
        gates: verdicts, as in `mlx promote --json`.
        reason: in the words of who did it.
        registry: names the registry that it happened in, so that records of two are told apart.
        approved_by: who else agreed.
        done: whether the alias was moved in the end; None where only git tells of it.
    """

    id: str
    number: int
    environment: str
    action: Action
    model: str
    version: str
    before: str | None
    by: str
    at: datetime
    run_id: str | None = None
    commit: str | None = None
    dirty: bool = False
    data: Mapping[str, str] = field(default_factory=dict)
    gates: tuple[Mapping[str, Any], ...] = ()
    reason: str = ""
    registry: str = ""
    approved_by: tuple[str, ...] = ()
    done: bool | None = None

    @property
    def key(self) -> str:
        """Name of its tag in MLflow."""
        return f"{PROMOTION_TAG}{self.environment}.{self.number:04}"

    @property
    def artifact(self) -> str:
        """Path of its artifact in the run."""
        return f"promotions/{self.environment}-{self.number:04}.json"

    def subject(self) -> str:
        """Return it as a line for people."""
        after = f", after version {self.before}" if self.before else ", the first one"
        return f"{self.model}@{self.environment} is version {self.version}{after}; {self.action} by {self.by}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, without `done`."""
        document = {**asdict(self), "at": self.at.isoformat(timespec="milliseconds")}
        del document["done"]
        return {**document, "gates": list(self.gates), "approved_by": list(self.approved_by)}


def record_of(text: str, *, done: bool | None = None) -> PromotionRecord | None:
    """Read a record; None where the text is none."""
    try:
        values = json.loads(text)
        known = {name.name: values[name.name] for name in fields(PromotionRecord) if name.name in values}
        known["at"] = datetime.fromisoformat(known["at"]).astimezone(UTC)
        known["gates"], known["approved_by"] = tuple(known["gates"]), tuple(known["approved_by"])
        if not _is_sound(known):
            return None
        return PromotionRecord(**{**known, "done": done})
    except (ValueError, TypeError, KeyError):
        return None


def _is_sound(values: Mapping[str, Any]) -> bool:
    """Whether values are of the kinds that all count on: anybody may push a tag, or edit one in MLflow."""
    texts = [values[name] for name in _TEXTS] + list(values["approved_by"])
    texts += [values[name] for name in _TEXTS_OR_NONE if values.get(name) is not None]
    return (
        isinstance(values["number"], int)
        and all(isinstance(text, str) for text in texts)
        and all(isinstance(gate, dict) for gate in values["gates"])
        and isinstance(values.get("data", {}), dict)
    )


def tag_text(record: PromotionRecord) -> str:
    """Return a record as a tag of MLflow holds it; one that is too long says of its gates which passed."""
    document = record.to_json()
    text = json.dumps(document)
    if len(text) > _MOST:
        text = json.dumps({**document, "gates": _briefly(record.gates)})
    reason = record.reason[:_LONG_REASON]
    while len(text) > _MOST:
        text = json.dumps({**document, "gates": [], "data": {}, "reason": reason})
        if not reason:
            break
        reason = reason[: len(reason) // 2]  # a character takes up to twelve in JSON
    return text


def gates_text(gates: Sequence[Mapping[str, Any]]) -> str:
    """Return the verdicts of gates as a tag of MLflow holds them; too long ones say which passed."""
    text = json.dumps(list(gates))
    return text if len(text) <= _MOST else json.dumps(_briefly(gates))


def _briefly(gates: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"gate": gate.get("gate"), "passed": gate.get("passed")} for gate in gates]


def done_tag(record: PromotionRecord, at: datetime) -> dict[str, str]:
    """Return the tag that says that the alias was moved."""
    return {f"{record.key}{_DONE}": at.isoformat(timespec="milliseconds")}


def records_of(store: Store, model: str) -> tuple[PromotionRecord, ...]:
    """Return all records that the registry holds of a model, the oldest first."""
    return records_in(mlflow_registry.versions(store, model))


def records_in(versions: Iterable[Version]) -> tuple[PromotionRecord, ...]:
    """Return the records that stand in the tags of versions, the oldest first."""
    found = []
    for version in versions:
        for key, text in version.tags.items():
            if key.startswith(PROMOTION_TAG) and not key.endswith(_DONE):
                record = record_of(text, done=f"{key}{_DONE}" in version.tags)
                if record is not None:
                    found.append(record)
    return tuple(sorted(found, key=lambda record: (record.at, record.number)))
