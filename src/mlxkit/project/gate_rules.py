"""What a well-formed gate must also satisfy: one bound, a metric that there is, a function that exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.project.functions import FunctionNotFound, find_function
from mlxkit.project.gates import PROTECTED
from mlxkit.project.metrics import metric_names
from mlxkit.project.path_rules import check_path
from mlxkit.project.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlxkit.project.located import Problems, Value
    from mlxkit.project.models import Project
    from mlxkit.project.sound import Sound

GATE_ARGUMENTS = (
    "model",
    "champion",
    "test",
    "rows",
    "predictions",
    "metrics",
    "environment",
    "target",
    "positive",
    "task",
    "key",
    "time",
    "protected",
)
"""What a gate of the project's own may ask for by the name of a parameter."""


def check_gates(project: Project, sound: Sound, problems: Problems) -> None:
    """Note every problem of a gate that needs more than its shape."""
    for gate in _gates(sound):
        data = gate.data
        if "metric" in data:
            if not sound.broken & {"task", "stages"}:
                _check_metric(project, gate, problems)
            _check_metric_bounds(gate, problems)
        elif "fairness" in data:
            _check_fairness(project, sound, gate, problems)
        elif "latency" in data:
            _check_one_of(gate, ("p50", "p95"), problems)
            if "rows" in data and data["latency"].text == "single":
                problems.add(data["rows"], "only a batch has rows")
        elif "call" in data:
            _check_function(project, data["call"], problems)
        elif "checked" in data and "stages" not in sound.broken:
            _check_stage(project, data["checked"], problems)
        for key in data.keys() & {"golden", "drift"}:
            check_path(project, data[key], problems, section="inputs")
        if ("slices" in data or "fairness" in data) and "protected" not in sound.broken:
            _check_slices(project, gate, problems)


def _check_stage(project: Project, stage: Value, problems: Problems) -> None:
    if stage.text not in project.stages:
        close = did_you_mean(stage.text, list(project.stages))
        problems.add(stage, f"there is no stage '{stage.text}'{close}")


def _gates(sound: Sound) -> Iterator[Value]:
    data: dict[str, Value] = sound.value.data
    sections = [data["promote"]] if "promote" in data else []
    sections += (data["environments"].data or {}).values() if "environments" in data else []
    for section in sections:
        given = (section.data or {}).get("gates")
        yield from given.data if given is not None else []


def _check_one_of(gate: Value, keys: Sequence[str], problems: Problems) -> None:
    given = [key for key in keys if key in gate.data]
    if not given:
        *first, last = (f"'{key}'" for key in keys)
        problems.add(gate, f"needs one of {', '.join(first)} and {last}")
    elif len(given) > 1:
        problems.add(gate, f"has {' and '.join(repr(key) for key in given)}; write one gate for each")


def _check_metric_bounds(gate: Value, problems: Problems) -> None:
    data = gate.data
    sliced = "slices" in data
    if sliced and "beats" in data:
        problems.add(data["beats"], "compares all rows; a gate with 'slices' has 'min', 'max' or 'max_gap'")
    elif not sliced and "max_gap" in data:
        problems.add(data["max_gap"], "needs 'slices': the columns whose groups it compares")
    else:
        _check_one_of(gate, ("min", "max", "max_gap") if sliced else ("min", "max", "beats"), problems)
    if "confidence" in data and "beats" not in data:
        problems.add(data["confidence"], "only a 'beats' gate has a confidence")


def _check_metric(project: Project, gate: Value, problems: Problems) -> None:
    """Note a gate on a metric that no run will have, or of which nobody says which way is better."""
    value, evaluate = gate.data["metric"], project.evaluate_stage
    name, usual = value.text, metric_names(project.task)
    if name.startswith("baseline.") and ("slices" in gate.data or "beats" in gate.data):
        problems.add(value, "the baseline's metrics have only 'min' and 'max'")
    elif name in usual or name.removeprefix("baseline.") in usual:
        return
    elif evaluate is not None and evaluate.call is None and evaluate.cmd is None:
        close = did_you_mean(name, usual) or f"; use one of: {', '.join(usual)}"
        problems.add(value, f"a {project.task} has no metric '{name}'{close}")
    elif "beats" in gate.data and "direction" not in gate.data:
        way = "add 'direction: higher' or 'direction: lower'"
        problems.add(gate, f"mlx does not know which way '{name}' is better; {way}")


def _check_fairness(project: Project, sound: Sound, gate: Value, problems: Problems) -> None:
    measure = gate.data["fairness"]
    if project.task == "regression" and "task" not in sound.broken:
        problems.add(measure, "only a classification has measures of fairness; use 'max_gap' on a metric")
    bound, other = ("min", "max") if measure.text.endswith("_ratio") else ("max", "min")
    what = "ratio" if bound == "min" else "difference"
    if other in gate.data:
        problems.add(gate.data[other], f"'{measure.text}' is a {what}, which has a '{bound}'")
    elif bound not in gate.data:
        problems.add(gate, f"'{measure.text}' is a {what}, which needs a '{bound}'")


def _check_slices(project: Project, gate: Value, problems: Problems) -> None:
    """Note slices by `protected` in a project that names no protected columns."""
    given = gate.data.get("slices")
    named = [] if given is None else given.data if isinstance(given.data, list) else [given]
    if given is not None and not named:
        problems.add(given, "names no column")
    asks = given is None or any(item.text == PROTECTED for item in named)
    if asks and not project.protected:
        text = "no columns are protected; name them in `protected: [...]`, or here in `slices`"
        problems.add(given or gate, text)


def _check_function(project: Project, place: Value, problems: Problems) -> None:
    try:
        function = find_function(project.root, place.text)
    except FunctionNotFound as error:
        problems.add(place, f"{error.message}{did_you_mean(error.wrong, error.options)}", mend=error.mend)
        return
    file = function.file.relative_to(project.root).as_posix()
    for parameter in function.parameters or ():
        if parameter.required and parameter.name not in GATE_ARGUMENTS:
            close = did_you_mean(parameter.name, GATE_ARGUMENTS)
            others = close or f"; it may ask for {', '.join(GATE_ARGUMENTS)}"
            problems.add(place, f"nothing gives parameter '{parameter.name}' of a gate{others}", mend=file)
