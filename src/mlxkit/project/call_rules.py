"""What the function of a stage must satisfy, as far as its source shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlxkit.project.functions import Function, FunctionNotFound, Parameter, find_function
from mlxkit.project.models import CONFIG_FILE, PARAMS_FILE, Project, Stage, model_output
from mlxkit.project.sources import sources
from mlxkit.project.suggestions import closest, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlxkit.project.located import Problems, Value


def check_call(
    project: Project, stage: Stage, place: Value, params: Mapping[str, Any], problems: Problems
) -> None:
    """Note what is wrong with the function of a stage: it is not there, or a parameter has no one source."""
    try:
        function = find_function(project.root, stage.call or "")
    except FunctionNotFound as error:
        close = did_you_mean(error.wrong, error.options)
        problems.add(place, f"{error.message}{close}", mend=error.mend)
        return
    for text, mend in _binding_problems(project, stage, function, params):
        problems.add(place, text, mend=mend)


def check_values(project: Project, place: Value, problems: Problems) -> None:
    """Note what is wrong with the function that makes values of rows before they are compared."""
    call = project.drift.values or ""
    if call.partition(":")[0].partition(".")[0] != project.package:
        problems.add(place, f"must be a function of '{project.package}', which travels with the model")
        return
    try:
        function = find_function(project.root, call)
    except FunctionNotFound as error:
        close = did_you_mean(error.wrong, error.options)
        problems.add(place, f"{error.message}{close}", mend=error.mend)
        return
    if function.parameters is not None and (
        not function.parameters or sum(parameter.required for parameter in function.parameters) > 1
    ):
        problems.add(
            place,
            f"'{call}' must take one argument, the rows",
            mend=function.file.relative_to(project.root).as_posix(),
        )


def _binding_problems(
    project: Project, stage: Stage, function: Function, params: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield each problem with the file to edit, empty for mlx.yaml."""
    groups = {group: params[group] for group in stage.params if group in params}
    known = sources(stage.inputs, stage.outputs, groups)
    for parameter in function.parameters or ():
        named = known.get(parameter.name, [])
        if len(named) > 1:
            yield f"parameter '{parameter.name}' has two sources: {' and '.join(named)}", ""
        elif stage.kind == "train" and parameter.name == model_output(stage.outputs):
            text = f"parameter '{parameter.name}' is the model's path, which mlx writes; return the model"
            yield text, function.file.relative_to(project.root).as_posix()
        elif not named and parameter.required and all(group in params for group in stage.params):
            yield _unbound(stage, parameter, list(known), params)


def _unbound(
    stage: Stage, parameter: Parameter, options: list[str], params: Mapping[str, Any]
) -> tuple[str, str]:
    text = f"parameter '{parameter.name}' is given by no input, output or parameter"
    for group, values in params.items():
        if group == parameter.name or (isinstance(values, dict) and parameter.name in values):
            return f"{text}; {PARAMS_FILE} has it: add '{group}' to 'params'", ""
    close = closest(parameter.name, options)
    if close:
        return f"{text}, did you mean '{close}'?", "" if close in {
            *stage.inputs,
            *stage.outputs,
        } else PARAMS_FILE
    return text, f"{CONFIG_FILE} or {PARAMS_FILE}" if stage.params else ""
