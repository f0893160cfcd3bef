"""What a well-formed mlx.yaml must also satisfy: names that exist, one writer a path, no cycles."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlxkit.project import environments as env
from mlxkit.project.call_rules import check_call, check_values
from mlxkit.project.flow import depends_on, inside, producers
from mlxkit.project.gate_rules import check_gates
from mlxkit.project.models import PARAMS_FILE, Project, Stage
from mlxkit.project.path_rules import check_path
from mlxkit.project.schedule_rules import check_schedule
from mlxkit.project.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.project.located import Problems, Value
    from mlxkit.project.sound import Sound


def check_rules(project: Project, sound: Sound, params: Mapping[str, Any], problems: Problems) -> None:
    """Note every problem that needs more than the shape of the file."""
    data: dict[str, Value] = sound.value.data
    if project.positive is not None and project.task == "regression":
        problems.add(data["positive"], "only a classification has a positive label")
    if project.costs is not None and project.task == "regression":
        problems.add(data["costs"], "only a classification has costs of wrong rows")
    elif project.costs is not None and not (project.costs.false_positive or project.costs.false_negative):
        problems.add(data["costs"], "one of the costs must be more than 0")
    stages: dict[str, Value] = data["stages"].data
    if "stages" not in sound.broken:
        if not stages:
            problems.add(data["stages"], "has no stage")
        _check_evaluate(project, stages, problems)
    _check_train(project, stages, problems)
    for name, stage in project.stages.items():
        _check_stage(project, stage, stages[name], params, problems)
        if "targets" not in sound.broken:
            _check_target(project, stage, stages[name], problems)
    _check_outputs(project, stages, problems)
    _check_cycles(project, stages, problems)
    check_gates(project, sound, problems)
    _check_environments(project, data, problems)
    if "read" in data:
        _check_read(project, data["read"], problems)
    if "schedule" in data:
        check_schedule(data["schedule"], problems)
    if project.drift.values is not None and "drift" not in sound.broken:
        check_values(project, data["drift"].data["values"], problems)


def _at(value: Value, *keys: str) -> Value:
    """Walk down as far as the keys exist; the names of a list's paths are the paths themselves."""
    for key in keys:
        if isinstance(value.data, list):
            return next((item for item in value.data if item.text.rstrip("/") == key), value)
        if not isinstance(value.data, dict) or key not in value.data:
            break
        value = value.data[key]
    return value


def _check_train(project: Project, values: Mapping[str, Value], problems: Problems) -> None:
    trains = [stage.name for stage in project.stages.values() if stage.kind == "train"]
    for name in trains[1:]:
        problems.add(values[name], f"'{trains[0]}' is the train stage already; give one of them another kind")
    for name in trains:
        if not project.stages[name].outputs:
            problems.add(values[name], "a train stage needs an output for the model", key="outputs")


def _check_evaluate(project: Project, values: Mapping[str, Value], problems: Problems) -> None:
    has_train = project.train_stage is not None
    for stage in project.stages.values():
        value = values[stage.name]
        if stage.kind == "evaluate" and "model" not in stage.inputs and not has_train:
            problems.add(value, "there is no train stage whose model it could evaluate", key="inputs")
        if stage.kind == "evaluate" and "test" not in stage.inputs:
            problems.add(value, "no stage has an output named 'test'; name the rows here", key="inputs")
        if stage.evaluation_path is not None and not stage.evaluation_path.endswith(".json"):
            text = "'evaluation' is what mlx itself finds, a .json file; give your own output another name"
            problems.add(_at(value, "outputs", "evaluation"), text)


def _check_stage(
    project: Project, stage: Stage, value: Value, params: Mapping[str, Any], problems: Problems
) -> None:
    if stage.call and stage.cmd:
        problems.add(_at(value, "cmd"), "a stage has either 'call' or 'cmd', not both")
    elif stage.cmd and stage.kind != "stage":
        problems.add(_at(value, "cmd"), f"a stage of kind '{stage.kind}' needs a function: use 'call'")
    elif not stage.call and not stage.cmd and stage.kind != "evaluate":
        problems.add(value, "needs 'call' (a Python function) or 'cmd' (a command)")
    if stage.call and not stage.outputs and stage.kind == "stage":
        problems.add(value, "has no outputs, so nothing would come of it", key="outputs")
    given: Mapping[str, Value] = value.data or {}
    for section in given.keys() & {"inputs", "outputs", "code"}:
        for item in _path_values(given[section]):
            check_path(project, item, problems, section=section)
    if stage.timeout == 0:
        problems.add(_at(value, "timeout"), "must be more than 0")
    for item in given["uncached"].data if "uncached" in given else []:
        if item.text.rstrip("/") not in stage.outputs.values():
            close = did_you_mean(item.text, list(stage.outputs.values()))
            problems.add(item, f"'{item.text}' is no output of this stage{close}")
    for item in given["params"].data if "params" in given else []:
        if item.text not in params:
            lacks = (
                f"{PARAMS_FILE} has"
                if (project.root / PARAMS_FILE).exists()
                else f"there is no {PARAMS_FILE}, so"
            )
            text = f"{lacks} no group '{item.text}'{did_you_mean(item.text, list(params))}"
            problems.add(item, text, mend=PARAMS_FILE)
    if stage.call and not stage.cmd:
        check_call(project, stage, _at(value, "call"), params, problems)


def _check_target(project: Project, stage: Stage, value: Value, problems: Problems) -> None:
    if stage.on is not None and stage.on not in project.targets:
        close = did_you_mean(stage.on, list(project.targets))
        remedy = close or f"; add it below 'targets': `{stage.on}: {{ssh: HOST}}`"
        problems.add(_at(value, "on"), f"there is no target '{stage.on}'{remedy}")


def _path_values(value: Value) -> list[Value]:
    match value.data:
        case dict():
            return [item for item in value.data.values() if isinstance(item.data, str) or item.text]
        case list():
            return [item for item in value.data if not isinstance(item.data, dict)]
    return []


def _check_read(project: Project, value: Value, problems: Problems) -> None:
    """Note what pandas would refuse, or take for something else."""
    given = project.read
    encoding = given.get("encoding")
    if encoding is not None and not _is_encoding(encoding):
        problems.add(value.data["encoding"], f"Python knows no encoding '{encoding}'")
    marks = {"decimal": ".", "sep": ",", **given}
    for mark, other in (("thousands", "decimal"), ("quotechar", "sep")):
        if mark in given and given[mark] == marks[other]:
            problems.add(value.data[mark], f"is '{given[mark]}', as {other} is")
    names = given.get("names", [])
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        problems.add(value.data["names"], f"has '{repeated}' twice")


def _is_encoding(name: str) -> bool:
    try:
        return "x".encode(name) is not None
    except LookupError:
        return False


def _check_outputs(project: Project, values: Mapping[str, Value], problems: Problems) -> None:
    seen: dict[str, str] = {}
    for stage in project.stages.values():
        for name, path in stage.outputs.items():
            place = _at(values[stage.name], "outputs", name)
            for other, owner in seen.items():
                if path == other:
                    problems.add(place, f"'{path}' is already an output of '{owner}'")
                elif inside(path, other) or inside(other, path):
                    problems.add(place, f"'{path}' and '{other}' of '{owner}' lie one inside the other")
            for source in stage.inputs.values():
                if inside(source, path):
                    problems.add(place, f"'{path}' is also an input of this stage")
                elif inside(path, source):
                    problems.add(place, f"'{path}' lies in '{source}', an input of this stage")
            folders = [path, *(parent.as_posix() for parent in PurePosixPath(path).parents)][:-1]
            for tracked in folders:
                if (project.root / f"{tracked}.dvc").exists():
                    problems.add(place, f"'{tracked}' is data that `dvc add` tracks; a stage would delete it")
            seen[path] = stage.name


def _check_cycles(project: Project, values: Mapping[str, Value], problems: Problems) -> None:
    made_by = producers(project.stages)
    graph = {name: depends_on(stage, made_by) for name, stage in project.stages.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names: list[str] = error.args[1]
        problems.add(values[names[-1]], f"the stages need each other: {' -> '.join(names)}")


def _check_environments(project: Project, data: Mapping[str, Value], problems: Problems) -> None:
    values: dict[str, Value] = (data["environments"].data or {}) if "environments" in data else {}
    for name, value in values.items():
        environment = project.environments[name]
        if not env.is_alias(name):
            problems.add(value, f"MLflow does not take '{name}' as an alias; choose another name")
        required = environment.requires
        if required is not None and required not in project.environments:
            close = did_you_mean(required, list(project.environments))
            problems.add(value.data["requires"], f"there is no environment '{required}'{close}")
        target = environment.target
        if target is not None and target not in (*project.targets, "local"):
            close = did_you_mean(target, list(project.targets))
            problems.add(value.data["target"], f"there is no target '{target}'{close}")
    graph = {name: {e.requires} if e.requires else set() for name, e in project.environments.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names: list[str] = error.args[1]
        if names[-1] in values:
            problems.add(values[names[-1]], f"the environments require each other: {' -> '.join(names)}")
