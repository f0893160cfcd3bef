"""Facts as JSON and back. Only the standard library is needed, so that a report can be drawn at once."""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, Literal

from mlxkit.evaluation.facts import VERSION, Evaluation

_DIGITS = 6


def write_evaluation(found: Evaluation) -> str:
    """Write an evaluation; numbers have six significant digits, and none is infinite."""
    return json.dumps(_plain(asdict(found)), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def read_evaluation(text: str) -> Evaluation:
    """Read what `write_evaluation` wrote.

    Raises:
        ValueError: it is no evaluation, or of another version.
    """
    data = json.loads(text)
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError("not an evaluation that this mlx reads")
    found: Evaluation = _built(Evaluation, data)
    return found


def write_fact(fact: Any) -> str:
    """Write one dataclass of facts."""
    return json.dumps(_plain(asdict(fact)), ensure_ascii=False, allow_nan=False)


def read_fact(kind: Any, text: str) -> Any:
    """Read one dataclass of facts.

    Raises:
        ValueError: it is none.
    """
    return _built(kind, json.loads(text))


def _built(kind: Any, data: Any) -> Any:
    try:
        return _read(kind, data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a whole {kind.__name__}: {error}") from error


def _plain(value: Any) -> Any:
    match value:
        case bool() | None:
            return value
        case float():
            return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value


def _read(kind: Any, value: Any) -> Any:
    """Build a value of an annotated type from plain JSON."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if value is None or kind is Any or origin is Literal:
        return value
    if origin in (types.UnionType, typing.Union):
        return _read(next(one for one in inner if one is not type(None)), value)
    if origin is tuple:
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_read(inner[0], item) for item in value)
        return tuple(_read(one, item) for one, item in zip(inner, value, strict=True))
    if origin in (dict, Mapping):
        return {key: _read(inner[1], item) for key, item in value.items()}
    if is_dataclass(kind):
        types_of = typing.get_type_hints(kind)
        given = {field.name: value[field.name] for field in fields(kind) if field.name in value}
        return kind(**{name: _read(types_of[name], item) for name, item in given.items()})  # type: ignore[operator]
    return float(value) if kind is float else value
