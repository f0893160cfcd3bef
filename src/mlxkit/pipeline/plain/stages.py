"""A `call:` stage of the plain kind as a script: load, call, save."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mlxkit.pipeline.command import command_of
from mlxkit.pipeline.plain.arguments import Bound, bind, load_params, uses_params
from mlxkit.pipeline.plain.script import Call, NotPlain, Script
from mlxkit.pipeline.plain.shell import set_variables
from mlxkit.pipeline.plain.writing import write
from mlxkit.project.signatures import UNKNOWN, Signature, Type, read_signature
from mlxkit.scaffold.render import python_literal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from mlxkit.pipeline.command import Command
    from mlxkit.pipeline.plain.surroundings import Surroundings
    from mlxkit.project.models import Project, Stage


@dataclass(frozen=True)
class Result:
    """One value that a function returned: the expression, where it goes, and what is known of it."""

    name: str
    value: str
    path: str
    type: Type
    literal: bool = False


def stage_script(around: Surroundings, stage: Stage) -> tuple[Script, dict[str, str]]:
    """Write the script of a stage that is neither `train` nor `evaluate`; returns also what it does in words.

    Raises:
        NotPlain: it cannot be said without mlx.
    """
    command, script = command_of(around.project, stage), around.script()
    signature = signature_of(around.project, stage)
    function = import_function(script, stage)
    bound = bind(script, command, signature, around.groups(stage))
    begin(script, around, stage, bound)
    make_folders(script, around, command.out.values())
    results = call(script, function, bound, command, signature)
    for result in results:
        script.say(write(script, result.value, result.path, result.type, literal=result.literal))
    return script, _words(stage, saves=bool(results))


def _words(stage: Stage, *, saves: bool) -> dict[str, str]:
    which, names = f"the stage `{stage.name}` of dvc.yaml.", [f"`{name}`" for name in stage.outputs]
    function = (stage.call or "").partition(":")[2]
    made = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return {
        "title": f"Make {made}: {which}" if made else f"Call `{function}`: {which}",
        "doing": f"Load the inputs, call `{function}`, save what it returns."
        if saves
        else f"Load the inputs and call `{function}`, which writes its files itself.",
    }


def signature_of(project: Project, stage: Stage) -> Signature:
    """Read the signature of a stage's function.

    Raises:
        NotPlain: its source does not show it.
    """
    signature = read_signature(project.root, stage.call or "")
    if signature is None:
        raise NotPlain(
            "its source does not show its parameters; name a function of its own, without a decorator "
            "and without `**`"
        )
    return signature


def import_function(script: Script, stage: Stage) -> str:
    """Import a stage's function; returns the name to call it by."""
    module, _, name = (stage.call or "").partition(":")
    if name == script.variable(name, "function"):
        return script.member(module, name)
    script.module(module)
    return f"{module}.{name}"


def begin(script: Script, around: Surroundings, stage: Stage, bound: Bound, *, params: bool = False) -> None:
    """Write what comes first: variables, parameters where any are used, inputs."""
    set_variables(script, stage, dotenv=stage.name in around.dotenv)
    if params or uses_params(bound.arguments):
        load_params(script)
    for variable, expression in bound.loads:
        script.say(expression, target=variable)


def make_folders(script: Script, around: Surroundings, paths: Collection[str]) -> None:
    """Make the folders of outputs that a fresh clone lacks."""
    for folder in dict.fromkeys(PurePosixPath(path).parent.as_posix() for path in paths):
        if folder not in around.kept_folders and folder != ".":
            script.say(Call(f"{script.path(folder)}.mkdir", ("parents=True", "exist_ok=True")))


def call(
    script: Script, function: str, bound: Bound, command: Command, signature: Signature, *, depth: int = 1
) -> list[Result]:
    """Call the function, and tell where each output is in what it returns.

    Raises:
        NotPlain: its source does not tell.
    """
    expression = Call(function, bound.arguments)
    wanted = {name: path for name, path in command.out.items() if name not in bound.written}
    if not wanted:
        script.say(expression, depth=depth)
        return []
    parts = _parts(signature, list(wanted))
    if parts is None:
        (name,) = wanted
        variable = script.variable(name, "result")
        script.say(expression, target=variable, depth=depth)
        literal = signature.returned_keys is not None
        return [Result(name, variable, wanted[name], signature.returns, literal)]
    if signature.returns.meaning == "record" and set(parts) == set(wanted):
        names = {name: script.variable(name, "result") for name in parts}
        script.say(expression, target=", ".join(names.values()), depth=depth)
        return [Result(name, names[name], path, parts[name]) for name, path in wanted.items()]
    script.say(expression, target="results", depth=depth)
    attribute = signature.returns.meaning == "record"
    return [
        Result(
            name,
            f"results.{name}" if attribute else f"results[{python_literal(name)}]",
            path,
            parts[name],
        )
        for name, path in wanted.items()
    ]


def _parts(signature: Signature, wanted: Sequence[str]) -> Mapping[str, Type] | None:
    """Return the types of the parts that are returned, by name; None where the whole is the one output."""
    returns, keys = signature.returns, signature.returned_keys
    parts: Mapping[str, Type] | None = returns.fields if returns.meaning in ("record", "mapping") else None
    if not parts and (keys is not None or returns.meaning == "mapping"):
        values = returns.values or UNKNOWN
        names = keys if keys is not None else wanted if values.is_table or len(wanted) > 1 else None
        parts = dict.fromkeys(names, values) if names is not None else None
    if len(wanted) == 1:
        inside = bool(parts) and (
            wanted[0] in (parts or {}) if returns.meaning == "record" else set(parts or {}) == set(wanted)
        )
        return parts if inside else None
    missing = [name for name in wanted if name not in (parts or {})]
    if missing:
        raise NotPlain(
            f"its source does not tell how it returns '{missing[0]}'; return a NamedTuple with typed fields"
        )
    return parts
