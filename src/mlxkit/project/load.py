"""`mlx.yaml` from disk into a Project, with every problem in it reported at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from mlxkit.errors import ConfigError, NotInProjectError
from mlxkit.project import environments as env
from mlxkit.project.cron import normal
from mlxkit.project.durations import seconds
from mlxkit.project.located import Problem, Problems, Value, read_yaml
from mlxkit.project.models import (
    CONFIG_FILE,
    EVALUATION_FILE,
    METRICS_FILE,
    SCHEMA_VERSION,
    Card,
    Costs,
    DriftRules,
    Environment,
    Kind,
    Project,
    RemoteTarget,
    Schedule,
    Stage,
    Task,
    model_output,
)
from mlxkit.project.params import read_params
from mlxkit.project.read_gates import read_gates
from mlxkit.project.rules import check_rules
from mlxkit.project.schedule_rules import TIMES
from mlxkit.project.schema import ROOT
from mlxkit.project.sound import sound_part
from mlxkit.project.validation import validate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def find_root(start: Path) -> Path:
    """Return the nearest folder with an mlx.yaml, from `start` upwards.

    Raises:
        NotInProjectError: there is none.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / CONFIG_FILE).is_file():
            return folder
    raise NotInProjectError(
        f"there is no {CONFIG_FILE} in this folder or above it",
        context=[str(start)],
        hint="run `mlx init NAME`, or name the project's folder with `-C DIR`",
    )


def load(root: Path, *, config: Path | None = None) -> Project:
    """Read and check the mlx.yaml of a project; `config` is one that is not in its place yet.

    Raises:
        ConfigError: anything is wrong in mlx.yaml, located and all at once; or params.yaml is invalid.
    """
    problems = Problems(CONFIG_FILE)
    value = read_yaml(config or root / CONFIG_FILE, problems)
    if value is None:
        raise ConfigError(f"{CONFIG_FILE} is empty", hint="run `mlx init NAME` in a new folder and compare")
    _check_version(value)
    validate(value, ROOT, problems)
    if not isinstance(value.data, dict):
        problems.raise_if_any()
    try:
        params = read_params(root)
    except ConfigError:
        problems.raise_if_any()
        raise
    sound = sound_part(value, problems)
    project = _project(root, sound.value)
    check_rules(project, sound, params, problems)
    problems.raise_if_any()
    return project


def _check_version(value: Value) -> None:
    version = value.data.get("mlx") if isinstance(value.data, dict) else None
    if version is not None and isinstance(version.data, int) and version.data > SCHEMA_VERSION:
        place = Problem(CONFIG_FILE, version.line, version.column, "mlx", f"is {version.text}")
        raise ConfigError(
            f"{CONFIG_FILE} is of version {version.data}; this mlx reads version {SCHEMA_VERSION}",
            context=[str(place)],
            hint="upgrade mlx: `pip install --upgrade mlxkit`",
        )


def _project(root: Path, value: Value) -> Project:
    data: dict[str, Value] = value.data
    stages = {name: _stage(name, item) for name, item in data["stages"].data.items()}
    first = next((name for name, stage in stages.items() if stage.kind == "evaluate"), None)
    stages = {
        name: _with_evaluate_defaults(stage, stages, first=name == first) for name, stage in stages.items()
    }
    return Project(
        root=root,
        name=data["project"].text,
        package=data["package"].text,
        task=cast("Task", data["task"].text),
        target=data["target"].text,
        stages=stages,
        positive=_label(data.get("positive")),
        key=_text(data, "key"),
        time=_text(data, "time"),
        protected=_texts(data.get("protected")),
        costs=_costs(data.get("costs")),
        read={name: _option(item) for name, item in _entries(data.get("read")).items()},
        gates=read_gates(_entries(data.get("promote")).get("gates")),
        drift=_drift(_entries(data.get("drift"))),
        schedule=_schedule(_entries(data.get("schedule"))),
        dvc={name: _as_it_stands(item) for name, item in _entries(data.get("dvc")).items()},
        card=Card(**{name: item.text.strip() for name, item in _entries(data.get("card")).items()}),
        environments={name: _environment(name, v) for name, v in _entries(data.get("environments")).items()}
        or env.DEFAULTS,
        targets={name: _target(name, v) for name, v in _entries(data.get("targets")).items()},
    )


def _entries(value: Value | None) -> dict[str, Value]:
    return value.data if value is not None and value.data else {}


def _text(data: Mapping[str, Value], key: str) -> str | None:
    return data[key].text if key in data else None


def _texts(value: Value | None) -> tuple[str, ...]:
    return tuple(item.text for item in value.data) if value is not None and value.data else ()


def _drift(data: Mapping[str, Value]) -> DriftRules:
    rules = DriftRules(values=_text(data, "values"))
    return replace(rules, max_share=float(data["max_share"].data)) if "max_share" in data else rules


def _schedule(data: Mapping[str, Value]) -> Schedule:
    times = {name: normal(data[name].text) for name in TIMES if name in data}
    return Schedule(**times, new_rows=_text(data, "new_rows"))


def _label(value: Value | None) -> str | int | float | bool | None:
    """Read a label; a date is taken as it is written."""
    if value is None:
        return None
    return value.data if isinstance(value.data, str | int | float) else value.text


def _option(value: Value) -> Any:
    """Read an argument of `pandas.read_csv`; numbers and dates in texts are taken as they are written."""
    if isinstance(value.data, list):
        return [item.text for item in value.data]
    if isinstance(value.data, dict):
        return {name: item.text for name, item in value.data.items()}
    return value.data if isinstance(value.data, bool | int) else value.text


def _as_it_stands(value: Value) -> Any:
    match value.data:
        case list():
            return [_as_it_stands(item) for item in value.data]
        case dict():
            return {name: _as_it_stands(item) for name, item in value.data.items()}
    return value.data


def _paths(value: Value | None) -> dict[str, str]:
    if value is None or not value.data:
        return {}
    if isinstance(value.data, list):
        return {item.text.rstrip("/"): item.text.rstrip("/") for item in value.data}
    return {name: item.text.rstrip("/") for name, item in value.data.items()}


def _stage(name: str, value: Value) -> Stage:
    data = _entries(value)
    by_name: Kind = cast("Kind", name) if name in ("train", "evaluate") else "stage"
    return Stage(
        name=name,
        kind=cast("Kind", data["kind"].text) if "kind" in data else by_name,
        call=_text(data, "call"),
        cmd=_text(data, "cmd"),
        inputs=_paths(data.get("inputs")),
        outputs=_paths(data.get("outputs")),
        params=_texts(data.get("params")),
        code=_texts(data.get("code")),
        env={key: item.text for key, item in _entries(data.get("env")).items()},
        timeout=seconds(data["timeout"].text) if "timeout" in data else None,
        retries=data["retries"].data if "retries" in data else 0,
        on=_text(data, "on"),
        pool=_text(data, "pool"),
        uncached=tuple(path.rstrip("/") for path in _texts(data.get("uncached"))),
    )


def _with_evaluate_defaults(stage: Stage, stages: Mapping[str, Stage], *, first: bool) -> Stage:
    """Fill in what `evaluate: {}` leaves out: the model, the rows named `test`, the files with what it found.

    Only the first such stage has a report by default.
    """
    if stage.kind != "evaluate":
        return stage
    train = next((s for s in stages.values() if s.kind == "train"), None)
    inputs: dict[str, str] = {}
    name = model_output(train.outputs) if train is not None else None
    if train is not None and name is not None:
        inputs["model"] = train.outputs[name]
    test = next((s.outputs["test"] for s in stages.values() if "test" in s.outputs), None)
    if test is not None:
        inputs["test"] = test
    values = {**vars(stage), "inputs": {**inputs, **stage.inputs}}
    report = {"evaluation": EVALUATION_FILE} if first else {}
    values["outputs"] = {"metrics": METRICS_FILE, **report, **stage.outputs}
    return Stage(**values)


def _costs(value: Value | None) -> Costs | None:
    data = _entries(value)
    if not data:
        return None
    return Costs(float(data["false_positive"].data), float(data["false_negative"].data))


def _environment(name: str, value: Value) -> Environment:
    data = _entries(value)
    return Environment(
        name,
        tracking=_text(data, "tracking"),
        registry=_text(data, "registry"),
        requires=_text(data, "requires"),
        branch=_text(data, "branch"),
        remote=_text(data, "remote"),
        target=_text(data, "target"),
        approvers=_texts(data.get("approvers")),
        pushed="pushed" not in data,
        gates=read_gates(data.get("gates")),
    )


def _target(name: str, value: Value) -> RemoteTarget:
    data = _entries(value)
    return RemoteTarget(
        name,
        ssh=data["ssh"].text,
        path=_text(data, "path") or "~/mlx",
        python=_text(data, "python"),
        gpus=data["gpus"].data if "gpus" in data else 0,
        env={key: item.text for key, item in _entries(data.get("env")).items()},
        setup=_text(data, "setup"),
        requirements=_text(data, "requirements"),
    )
