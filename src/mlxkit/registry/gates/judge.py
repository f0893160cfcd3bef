"""Every gate gets its verdict: all are judged, the costly ones last, and whatever goes wrong is a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.errors import Interrupted, MlxError
from mlxkit.project import gates as kinds
from mlxkit.registry.gates.checked import judge_checked
from mlxkit.registry.gates.clean import judge_loads
from mlxkit.registry.gates.documented import judge_card
from mlxkit.registry.gates.golden import judge_golden
from mlxkit.registry.gates.latency import judge_latency
from mlxkit.registry.gates.metric import judge_metric
from mlxkit.registry.gates.new_data import judge_drift
from mlxkit.registry.gates.own import judge_own
from mlxkit.registry.gates.signature import judge_signature
from mlxkit.registry.gates.slices import judge_fairness, judge_slices
from mlxkit.registry.gates.verdict import GateVerdict
from mlxkit.registry.gates.weight import judge_memory, judge_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlxkit.project.gates import Gate
    from mlxkit.registry.gates.trial import Trial


def judge(gates: Sequence[Gate], trial: Trial) -> tuple[GateVerdict, ...]:
    """Judge a model by every gate; the verdicts come in the order of the gates.

    An environment is built for `loads: clean` only if all other gates passed.
    """
    verdicts: dict[int, GateVerdict] = {}
    for number in sorted(range(len(gates)), key=lambda n: _cost(gates[n])):
        gate = gates[number]
        refused = sum(not verdict.passed for verdict in verdicts.values())
        if isinstance(gate, kinds.LoadsGate) and refused:
            reason = "not tried, because other gates refused"
            verdicts[number] = GateVerdict(str(gate), False, None, None, reason)
        else:
            verdicts[number] = _judged(gate, trial)
    return tuple(verdicts[number] for number in range(len(gates)))


def _cost(gate: Gate) -> int:
    match gate:
        case kinds.LatencyGate() | kinds.MemoryGate():
            return 1
        case kinds.LoadsGate():
            return 2
        case _:
            return 0


def _judged(gate: Gate, trial: Trial) -> GateVerdict:
    try:
        return _verdict(gate, trial)
    except Interrupted:
        raise
    except MlxError as error:
        said = ": ".join([error.message, *error.context[:1]])
        reason = f"{said}; {error.hint}" if error.hint else said
    except Exception as error:  # odd data, the user's model and the user's own gate
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return GateVerdict(str(gate), False, None, None, f"cannot be judged: {reason}")


def _verdict(gate: Gate, trial: Trial) -> GateVerdict:
    match gate:
        case kinds.MetricGate():
            return judge_metric(gate, trial)
        case kinds.SliceGate():
            return judge_slices(gate, trial)
        case kinds.FairnessGate():
            return judge_fairness(gate, trial)
        case kinds.LatencyGate():
            return judge_latency(gate, trial)
        case kinds.CheckedGate():
            return judge_checked(gate, trial)
        case kinds.CardGate():
            return judge_card(gate, trial)
        case kinds.SizeGate():
            return judge_size(gate, trial)
        case kinds.MemoryGate():
            return judge_memory(gate, trial)
        case kinds.GoldenGate():
            return judge_golden(gate, trial)
        case kinds.SignatureGate():
            return judge_signature(gate, trial)
        case kinds.DriftGate():
            return judge_drift(gate, trial)
        case kinds.CallGate():
            return judge_own(gate, trial)
        case kinds.LoadsGate():
            return judge_loads(gate, trial)
