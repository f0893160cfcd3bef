"""The texts of the plain project: a script for each `call:` stage, and the dvc.yaml that runs them."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlxkit.pipeline.dvc_yaml import Definition, define, render_plain
from mlxkit.pipeline.plain.facts import evaluation_facts, labelled_training_rows, model_facts
from mlxkit.pipeline.plain.model_scripts import evaluate_script, train_script
from mlxkit.pipeline.plain.script import Call, Script
from mlxkit.pipeline.plain.shell import expanded, plain_command, script_command
from mlxkit.pipeline.plain.stages import stage_script
from mlxkit.pipeline.plain.surroundings import code_texts
from mlxkit.scaffold.render import python_literal, render_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlxkit.pipeline.plain.surroundings import Surroundings
    from mlxkit.project.models import Stage

FOLDER = "pipeline"


def script_path(stage: str) -> str:
    """Return the path of a stage's script, relative to the project's root."""
    return f"{FOLDER}/{stage.replace('-', '_')}.py"


def render_script(around: Surroundings, stage: Stage) -> tuple[str, set[str]]:
    """Return the text of a stage's script, and the libraries that it imports.

    Raises:
        NotPlain: it cannot be said without mlx.
        Refused: it depends on a run that has not been.
    """
    values: dict[str, Any] = {"stage": stage.name}
    match stage.kind:
        case "train":
            facts, starts_run = model_facts(around.project), _starts_run(around, stage)
            script, more = train_script(around, stage, facts, starts_run=starts_run)
        case "evaluate":
            found = evaluation_facts(around.project, stage)
            script, more = evaluate_script(around, stage, model_facts(around.project), found)
        case _:
            script, more = stage_script(around, stage)
    template = stage.kind if stage.kind in ("train", "evaluate") else "stage"
    return _rendered(around, script, template, {**values, **more})


def render_register(around: Surroundings, model_path: str) -> tuple[str, set[str]]:
    """Return the text of the script that registers a model, and the libraries that it imports."""
    script = around.script()
    for module in ("json", "sys", "mlflow"):
        script.module(module)
    script.member("pathlib", "Path")
    if around.dotenv:
        script.say(Call(script.member("dotenv", "load_dotenv"), ()))
    before, script.body = script.body, []
    values = {
        "before": before,
        "experiment": around.project.name,
        "logged_name": PurePosixPath(model_path).name,
        "run_record": around.project.run_record_path,
    }
    return _rendered(around, script, "register", values)


def _rendered(
    around: Surroundings, script: Script, template: str, values: Mapping[str, Any]
) -> tuple[str, set[str]]:
    tracking = _tracking(script, around) if template != "stage" else []

    def say(function: str, arguments: Sequence[str], target: str = "") -> str:
        return "\n".join(script.laid_out(Call(function, tuple(arguments)), target=target))

    def constant(name: str, values: Sequence[str]) -> str:
        words = [python_literal(value) for value in values]
        line = f"{name} = [{', '.join(words)}]"
        block = [f"{name} = [", *(f"    {word}," for word in words), "]"]
        return line if len(line) <= script.width else "\n".join(block)

    text = render_file(
        f"eject/{template}.py.jinja",
        {
            **values,
            "tracking": tracking,
            "imports": "\n".join(script.import_lines()),
            "body": script.body,
            "say": say,
            "constant": constant,
        },
    )
    ast.parse(text)
    return text, script.libraries


def _tracking(script: Script, around: Surroundings) -> list[str]:
    """Return the statement that names MLflow's server where mlx.yaml does; MLflow has its own default."""
    if around.tracking is None:
        return []
    script.module("os")
    address = f'os.environ.get("MLFLOW_TRACKING_URI") or {expanded(around.tracking)}'
    return script.laid_out(Call("mlflow.set_tracking_uri", (address,)))


def _starts_run(around: Surroundings, stage: Stage) -> bool:
    """Whether a stage's code opens an MLflow run."""
    return any(re.search(r"\bstart_run\(", text) for text in code_texts(around.project, stage))


def render_dvc_yaml(around: Surroundings, *, source: str) -> str:
    """Return a dvc.yaml that runs the scripts.

    `source` is the folder where they find the project's packages; empty where those are installed.
    """
    project = around.project
    definitions = {}
    for name, definition in define(project).items():
        stage = project.stages[name]
        definitions[name] = _plain_definition(around, stage, definition, source)
    return render_plain(definitions, project.dvc)


def _plain_definition(around: Surroundings, stage: Stage, definition: Definition, source: str) -> Definition:
    if stage.cmd is not None:
        return replace(definition, cmd=plain_command(stage))
    inputs = {*definition.inputs, script_path(stage.name)}
    if stage.kind == "evaluate":
        more = (around.project.run_record_path, labelled_training_rows(around.project))
        inputs.update(path for path in more if path is not None)
    return replace(
        definition,
        outputs=tuple(path for path in definition.outputs if path != stage.evaluation_path),
        cmd=script_command(stage, script_path(stage.name), path=source),
        inputs=tuple(inputs),
    )
