"""Gates that are functions of the project."""

from __future__ import annotations

import importlib
import inspect
import math
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from mlxkit.adapters.mlflow_model import load_model
from mlxkit.errors import DataError, MlxError
from mlxkit.pipeline.own_metrics import project_code
from mlxkit.pipeline.saving import type_name
from mlxkit.project.functions import CONTEXT_NAMES
from mlxkit.project.gate_rules import GATE_ARGUMENTS
from mlxkit.project.suggestions import did_you_mean
from mlxkit.registry.gates.verdict import GateVerdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlxkit.project.gates import CallGate
    from mlxkit.registry.gates.trial import Trial

_KEYS = ("passed", "observed", "required", "reason")
_WANTED = "return a bool, (bool, reason), or a mapping with 'passed', 'observed', 'required' and 'reason'"


def judge_own(gate: CallGate, trial: Trial) -> GateVerdict:
    """Call the function with what it asks for by name.

    Raises:
        DataError: it is not there, asks for something else, raises, or returns something else.
    """
    with project_code(trial.project.root):
        returned = _called(gate.call, trial)
    return _read(gate, returned)


def _called(call: str, trial: Trial) -> Any:
    module, _, name = call.partition(":")
    try:
        function = getattr(importlib.import_module(module), name, None)
        if not callable(function):
            raise DataError(f"'{module}' has no function '{name}'", hint="run `mlx check`")
        return function(**_arguments(function, call, trial))
    except MlxError:
        raise
    except SystemExit as error:
        raise DataError(f"'{call}' called sys.exit({'' if error.code is None else error.code!r})") from error
    except Exception as error:  # the user's own code
        said = " ".join(str(error).split())
        raise DataError(f"'{call}' raised {type(error).__name__}{f': {said}' if said else ''}") from error


def _arguments(function: Callable[..., Any], call: str, trial: Trial) -> dict[str, Any]:
    offered = _offered(trial)
    arguments = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in offered:
            arguments[name] = offered[name]()
        elif parameter.default is parameter.empty:
            close = did_you_mean(name, GATE_ARGUMENTS) or f"; there are {', '.join(GATE_ARGUMENTS)}"
            raise DataError(f"nothing gives parameter '{name}' of '{call}'{close}")
    return arguments


def _offered(trial: Trial) -> Mapping[str, Callable[[], Any]]:
    """Return what makes each argument. Tables are copies: a gate must not change what others judge."""
    project, champion = trial.project, trial.champion
    context = {name: partial(getattr, project, name) for name in CONTEXT_NAMES}

    def predictions() -> Any:
        found = trial.challenger.predictions
        return None if found is None else found.labels.copy()

    return {
        **context,
        "protected": lambda: list(project.protected),
        "model": lambda: trial.model,
        "champion": lambda: None if champion is None else load_model(champion.directory),
        "test": lambda: trial.frame.copy(),
        "rows": lambda: trial.frame.copy(),
        "predictions": predictions,
        "metrics": lambda: dict(trial.metrics),
        "environment": lambda: trial.environment.name,
    }


def _read(gate: CallGate, returned: Any) -> GateVerdict:
    match returned:
        case bool() | np.bool_():
            said = "yes" if returned else "no"
            return GateVerdict(str(gate), bool(returned), None, None, f"'{gate.call}' said {said}")
        case (bool() | np.bool_() as passed, str(reason)):
            return GateVerdict(str(gate), bool(passed), None, None, reason)
        case dict() if isinstance(returned.get("passed"), bool | np.bool_):
            return _from_mapping(gate, returned)
    raise DataError(f"'{gate.call}' returned {_described(returned)}", hint=_WANTED)


def _from_mapping(gate: CallGate, returned: Mapping[str, Any]) -> GateVerdict:
    unknown = [name for name in returned if name not in _KEYS]
    if unknown:
        close = did_you_mean(str(unknown[0]), _KEYS)
        raise DataError(f"'{gate.call}' returned the key '{unknown[0]}'{close}", hint=_WANTED)
    observed, required = (_number(gate, returned, name) for name in ("observed", "required"))
    passed, reason = bool(returned["passed"]), str(returned.get("reason") or "")
    for word, value in (("observed", observed), ("required", required)):
        if value is not None and not math.isfinite(value):
            reason = f"what '{gate.call}' {word} is no number"
            return GateVerdict(str(gate), False, None, None, reason)
    said = reason or f"'{gate.call}' said {'yes' if passed else 'no'}"
    return GateVerdict(str(gate), passed, observed, required, said)


def _number(gate: CallGate, returned: Mapping[str, Any], name: str) -> float | None:
    value = returned.get(name)
    if value is None or (isinstance(value, Real) and not isinstance(value, bool)):
        return None if value is None else float(value)
    raise DataError(f"'{gate.call}' returned a '{name}' that is no number, {_described(value)}", hint=_WANTED)


def _described(value: object) -> str:
    return "nothing" if value is None else type_name(value)
