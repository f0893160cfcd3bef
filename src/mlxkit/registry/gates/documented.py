"""What only people know of a model is written down."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from mlxkit.registry.card import missing_fields
from mlxkit.registry.gates.verdict import GateVerdict, listed

if TYPE_CHECKING:
    from mlxkit.project.gates import CardGate
    from mlxkit.registry.gates.trial import Trial


def judge_card(gate: CardGate, trial: Trial) -> GateVerdict:
    """Refuse a model whose card would say "unknown" where only people can say more."""
    missing, wanted = missing_fields(trial.project), len(fields(trial.project.card))
    reason = "it says who, what for, and what not"
    if missing:
        reason = f"`card:` in mlx.yaml says nothing of {listed(missing, most=len(missing))}"
    return GateVerdict(str(gate), not missing, wanted - len(missing), wanted, reason)
