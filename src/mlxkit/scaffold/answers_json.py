"""Answers of a template as plain values of JSON, and back: another mlx fills its templates in with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

A = TypeVar("A", bound="DataclassInstance")

_NOT_KEPT = "requires"
"""What the mlx that fills a template in decides, and not the project."""


class UnfitAnswer(Exception):
    """An answer is missing, or is none that this mlx understands; says which."""


def to_plain(value: Any) -> Any:
    """Return a value as JSON has it: dataclasses and mappings as objects, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        names = (item.name for item in fields(value) if item.name != _NOT_KEPT)
        return {name: to_plain(getattr(value, name)) for name in names}
    match value:
        case Mapping():
            return {str(name): to_plain(item) for name, item in value.items()}
        case list() | tuple():
            return [to_plain(item) for item in value]
        case None | bool() | str():
            return value
        case _ if hasattr(value, "item"):  # a number of numpy
            return value.item()
    return value


def from_plain(kind: type[A], plain: Any, *, where: str = "answers") -> A:
    """Build answers from plain values; what is not there takes its default.

    Raises:
        UnfitAnswer: there is no default, or a value is of another kind.
    """
    if not isinstance(plain, dict):
        raise UnfitAnswer(f"{where} is no mapping")
    hints = get_type_hints(kind, localns=_names())
    values = {}
    for item in fields(kind):
        if item.name in plain:
            values[item.name] = _typed(hints[item.name], plain[item.name], f"{where}.{item.name}")
        elif item.default is MISSING and item.default_factory is MISSING:
            raise UnfitAnswer(f"{where}.{item.name} is missing")
    return kind(**values)


def _names() -> dict[str, Any]:
    """Return the types that the answers' annotations name and import for type checkers only."""
    from mlxkit.project.models import Task
    from mlxkit.scaffold.answers import Gate
    from mlxkit.scaffold.kinds import Content
    from mlxkit.scaffold.roles import Column
    from mlxkit.scaffold.target import Label

    return {
        "Mapping": Mapping,
        "Sequence": Sequence,
        "Task": Task,
        "Gate": Gate,
        "Content": Content,
        "Column": Column,
        "Label": Label,
    }


def _typed(kind: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if is_dataclass(kind) and isinstance(kind, type):
        return from_plain(kind, value, where=where)
    if origin in (Union, UnionType):
        if value is None and type(None) in inner:
            return None
        scalars = [option for option in inner if option is not type(None)]
        return (
            _typed(scalars[0], value, where) if len(scalars) == 1 else _scalar(tuple(scalars), value, where)
        )
    if origin is Literal:
        return _one_of(inner, value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(_typed(inner[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    if origin is Mapping and isinstance(value, dict):
        return {name: _typed(inner[1], item, f"{where}.{name}") for name, item in value.items()}
    if origin in (tuple, Mapping):
        raise UnfitAnswer(f"{where} is {value!r}")
    return float(value) if kind is float and type(value) is int else _scalar((kind,), value, where)


def _one_of(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in options:
        raise UnfitAnswer(f"{where} is {value!r}, and none of {', '.join(map(repr, options))}")
    return value


def _scalar(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if type(value) not in kinds:
        raise UnfitAnswer(f"{where} is {value!r}")
    return value
