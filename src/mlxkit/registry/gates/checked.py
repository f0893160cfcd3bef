"""Data that a stage has checked is the data that the model was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.errors import DataError
from mlxkit.registry.gates.verdict import GateVerdict, listed

if TYPE_CHECKING:
    from mlxkit.project.gates import CheckedGate
    from mlxkit.registry.gates.trial import Trial


def judge_checked(gate: CheckedGate, trial: Trial) -> GateVerdict:
    """Refuse a model whose data a check did not look at, or looked at in another version.

    A stage that fails leaves nothing in dvc.lock, so what the run's own dvc.lock says of the check is what it
    passed on.

    Raises:
        DataError: the run keeps no dvc.lock.
    """
    lock = trial.lock()
    if lock is None:
        raise DataError("the run keeps no dvc.lock that could tell")
    check = lock.get(gate.stage)
    if check is None:
        return GateVerdict(str(gate), False, None, None, f"'{gate.stage}' did not end well before this run")
    others = [locked for name, locked in lock.items() if name != gate.stage]
    used = {
        path: digest for locked in others for path, digest in (*locked.deps.items(), *locked.outs.items())
    }
    data = trial.project.stages[gate.stage].inputs.values()  # its code is no data
    seen = [path for path in data if path in check.deps and path in used]
    other = [path for path in seen if check.deps[path] != used[path]]
    if not seen:
        reason = f"'{gate.stage}' looks at nothing that the model was made from"
    elif other:
        reason = f"'{gate.stage}' passed on another version of {listed(other)}: run `mlx run {gate.stage}`"
    else:
        reason = f"'{gate.stage}' passed on {listed(seen)}, as the model saw it"
    return GateVerdict(str(gate), bool(seen) and not other, len(seen) - len(other), len(seen), reason)
