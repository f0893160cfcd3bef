"""A stage function's arguments, by parameter name and annotation."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlxkit.errors import StageFailed
from mlxkit.pipeline.formats import Library, load_object, load_table
from mlxkit.project.functions import CONTEXT_NAMES
from mlxkit.project.models import model_output
from mlxkit.project.sources import sources

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlxkit.pipeline.command import Command

_TABLES: Mapping[tuple[str, str], Library] = {
    ("pandas", "DataFrame"): "pandas",
    ("polars", "DataFrame"): "polars",
    ("pyarrow", "Table"): "pyarrow",
}
_PATH = (Path, "Path", "pathlib.Path")


def bind(
    function: Callable[..., Any],
    command: Command,
    params: Mapping[str, Any],
    *,
    given: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[dict[str, Any], set[str]]:
    """Build the keyword arguments of a stage function.

    Args:
        function: the user's function.
        command: names and paths of inputs and outputs, and values of mlx.yaml.
        params: the stage's groups of params.yaml.
        given: inputs that are loaded already, by name; tables as pandas.

    Returns:
        The arguments, and the names of the outputs that the function writes itself.

    Raises:
        StageFailed: a parameter has no source, or two, or asks for the path of the model.
        DataError: an input cannot be loaded.
    """
    arguments: dict[str, Any] = {}
    written: set[str] = set()
    values = _parameter_values(params)
    known = sources(command.bind, command.out, params)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        annotation = _resolved(parameter.annotation, function)
        _refuse(name, known.get(name, []), command)
        if name in command.bind:
            arguments[name] = _input(name, annotation, command, given)
        elif name in command.out:
            written.add(name)
            arguments[name] = Path(command.out[name])
            arguments[name].parent.mkdir(parents=True, exist_ok=True)
        elif name in values:
            arguments[name] = _convert(values[name], annotation)
        elif name in CONTEXT_NAMES and (name in command.context or parameter.default is parameter.empty):
            arguments[name] = command.context.get(name, [] if name == "protected" else None)
        elif parameter.default is parameter.empty:
            raise _without_source(name, command)
    return arguments, written


def _input(name: str, annotation: Any, command: Command, given: Mapping[str, Any]) -> Any:
    path = Path(command.bind[name])
    if name in given:
        return _as_asked(given[name], path, annotation)
    return _load(path, annotation, command.read.get(name, {}))


def _without_source(name: str, command: Command) -> StageFailed:
    return StageFailed(
        f"parameter '{name}' of '{command.call}' is given by no input, output or parameter",
        hint="add it to the stage in mlx.yaml or to params.yaml, then run `mlx check`",
    )


def _resolved(annotation: Any, function: Callable[..., Any]) -> Any:
    """Return the type that an annotation names; its text where that is imported for type checkers only."""
    if not isinstance(annotation, str):
        return annotation
    source = getattr(inspect.unwrap(function), "__globals__", {})
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, globalns=source)["it"]
    except (NameError, TypeError, AttributeError, SyntaxError):
        return annotation


def _parameter_values(params: Mapping[str, Any]) -> dict[str, Any]:
    """Offer the keys of each group by their names, and each group by its own."""
    values: dict[str, Any] = {}
    for group in params.values():
        if isinstance(group, dict):
            values.update(group)
    return {**values, **params}


def _refuse(name: str, named: Sequence[str], command: Command) -> None:
    """Refuse a name that means two things, and the path of the model, which mlx itself writes."""
    if len(named) > 1:
        raise StageFailed(
            f"parameter '{name}' of '{command.call}' has two sources: {' and '.join(named)}",
            hint="rename one of them",
        )
    if command.kind == "train" and name == model_output(command.out) and named:
        raise StageFailed(
            f"parameter '{name}' of '{command.call}' asks for the model's path, which mlx writes",
            hint="return the model",
        )


def _as_asked(value: Any, path: Path, annotation: Any) -> Any:
    """Give what is loaded already as its path, or as a table of another library, where that is asked for."""
    if annotation in _PATH:
        return path
    library = _library(annotation)
    if library == "polars":
        import polars as pl

        return pl.from_pandas(value)
    if library == "pyarrow":
        import pyarrow as pa

        return pa.Table.from_pandas(value, preserve_index=False)
    return value


def _load(path: Path, annotation: Any, read: Mapping[str, Any]) -> Any:
    if annotation in _PATH:
        return path
    library = _library(annotation)
    return load_object(path, read=read) if library is None else load_table(path, library, read=read)


def _library(annotation: Any) -> Library | None:
    if isinstance(annotation, str):
        module, _, name = annotation.rpartition(".")
        module = {"pd": "pandas", "pl": "polars", "pa": "pyarrow"}.get(module, module)
        return _TABLES.get((module, name), "pandas" if annotation == "DataFrame" else None)
    module = getattr(annotation, "__module__", "") or ""
    return _TABLES.get((module.partition(".")[0], getattr(annotation, "__name__", "")))


def _convert(value: Any, annotation: Any) -> Any:
    """Give a group of parameters as the dataclass that is asked for; anything else as it stands."""
    if isinstance(value, dict) and isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        try:
            return annotation(**value)
        except TypeError as error:
            raise StageFailed(f"the parameters do not fit '{annotation.__name__}': {error}") from error
    return value
