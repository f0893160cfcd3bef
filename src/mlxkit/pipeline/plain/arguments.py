"""What a plain script passes to a stage's function: the bindings of mlx, written out."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlxkit.pipeline.plain.reading import read
from mlxkit.pipeline.plain.script import Call, NotPlain
from mlxkit.project.functions import CONTEXT_NAMES
from mlxkit.scaffold.render import python_literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlxkit.pipeline.command import Command
    from mlxkit.pipeline.plain.script import Script
    from mlxkit.project.signatures import Signature, Type

_LOAD_PARAMS = Call('YAML(typ="safe").load', ('Path("params.yaml")',))


@dataclass(frozen=True)
class Bound:
    """The arguments of one call.

    Attributes:
        loads: variable and expression of each input to read first.
        variables: name of each input that stands in a variable -> that variable.
        written: names of the outputs that the function writes itself.
    """

    arguments: tuple[str, ...]
    loads: tuple[tuple[str, Call], ...]
    variables: Mapping[str, str]
    written: frozenset[str]


def bind(
    script: Script,
    command: Command,
    signature: Signature,
    params: Mapping[str, Any],
    *,
    given: Mapping[str, str] = MappingProxyType({}),
) -> Bound:
    """Write out the arguments of a stage's function; `given` are pandas tables and models in variables.

    Raises:
        NotPlain: an input can be loaded by no expression, or a parameter has no source.
    """
    arguments: list[tuple[str, str]] = []
    loads: list[tuple[str, Call]] = []
    variables = dict(given)
    written: set[str] = set()
    keys = _keys(params)
    for name, type_ in signature.parameters.items():
        if name in given:
            arguments.append((name, _as_asked(script, given[name], command.bind[name], type_)))
        elif name in command.bind:
            expression = read(script, command.bind[name], type_, command.read.get(name, {}))
            if type_.meaning != "path":
                variables[name] = script.variable(name, "input")
                loads.append((variables[name], expression))
            arguments.append((name, variables.get(name) or str(expression)))
        elif name in command.out:
            written.add(name)
            arguments.append((name, script.path(command.out[name])))
        elif name in keys:
            arguments.append((name, _parameter(script, keys[name], params, type_)))
        elif name in CONTEXT_NAMES and (name in command.context or name in signature.required):
            arguments.append((name, _literal(command.context.get(name, [] if name == "protected" else None))))
        elif name in signature.required:
            raise NotPlain(f"its parameter '{name}' is given by no input, output or parameter")
    words = _in_short(arguments, params)
    return Bound(tuple(words), tuple(loads), variables, frozenset(written))


def load_params(script: Script) -> None:
    """Read params.yaml as DVC does, by YAML 1.2."""
    script.member("ruamel.yaml", "YAML")
    script.member("pathlib", "Path")
    script.say(_LOAD_PARAMS, target="params")


def uses_params(words: Iterable[str]) -> bool:
    """Whether any argument looks into params.yaml."""
    return any("params[" in word for word in words)


def _keys(params: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Map each name that a parameter may bind to its place in params.yaml."""
    found: dict[str, tuple[str, ...]] = {}
    for group, values in params.items():
        for key in values if isinstance(values, dict) else ():
            if isinstance(key, str):
                found[key] = (group, key)
    return {**found, **{group: (group,) for group in params}}


def _place(place: Sequence[str]) -> str:
    return "params" + "".join(f"[{python_literal(part)}]" for part in place)


def _parameter(script: Script, place: Sequence[str], params: Mapping[str, Any], type_: Type) -> str:
    value: Any = params
    for part in place:
        value = value[part]
    if type_.meaning == "dataclass" and isinstance(value, dict):
        module, _, name = type_.name.rpartition(".")
        return f"{script.member(module, name)}(**{_place(place)})"
    return _place(place)


def _in_short(arguments: Sequence[tuple[str, str]], params: Mapping[str, Any]) -> list[str]:
    """Write `name=value`, and a group of params.yaml that is passed whole as `**params["group"]`."""
    whole = []
    rest = dict(arguments)
    for group, values in params.items():
        keys = list(values) if isinstance(values, dict) else []
        if len(keys) > 1 and all(rest.get(key) == _place((group, str(key))) for key in keys):
            whole.append(f"**{_place((group,))}")
            rest = {name: value for name, value in rest.items() if name not in keys}
    return [*(f"{name}={value}" for name, value in rest.items()), *whole]


def _as_asked(script: Script, variable: str, path: str, type_: Type) -> str:
    """Give what stands in a variable as its path or as another library's table, where that is asked for."""
    match type_.meaning:
        case "path":
            return script.path(path)
        case "polars":
            return f"{script.module('polars')}.from_pandas({variable})"
        case "pyarrow":
            return f"{script.module('pyarrow')}.Table.from_pandas({variable}, preserve_index=False)"
    return variable


def _literal(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(python_literal, value))}]"
    return python_literal(value)
