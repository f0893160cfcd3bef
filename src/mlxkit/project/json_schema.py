"""The schema of `mlx.yaml` as JSON schema, for editors."""

from __future__ import annotations

from typing import Any, Literal

from mlxkit.project.schema import ROOT
from mlxkit.project.shapes import (
    Anything,
    Choice,
    Flag,
    ListOf,
    MapOf,
    Number,
    OneOf,
    Scalar,
    Shape,
    Text,
    Texts,
    Type,
)


def json_schema() -> dict[str, Any]:
    """Build the JSON schema of `mlx.yaml` for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlx.yaml",
        "description": "One file that describes an mlx project.",
        **_json_type(ROOT),
    }


def _json_type(kind: Type) -> dict[str, Any]:
    match kind:
        case Shape(_, keys):
            properties = {
                name: {"description": key.doc, **_json_type(key.type)} for name, key in keys.items()
            }
            required = [name for name, key in keys.items() if key.required]
            schema: dict[str, Any] = {
                "type": "object" if required else ["object", "null"],
                "properties": properties,
                "additionalProperties": False,
            }
            return schema | ({"required": required} if required else {})
        case OneOf():
            return {"anyOf": [_json_type(shape) for shape in kind.shapes]}
        case MapOf(item, pattern, lists):
            schema = {"type": "object", "additionalProperties": _json_type(item)}
            if pattern:
                schema["propertyNames"] = {"pattern": f"^{pattern}$"}
            return {"anyOf": [schema, {"type": "array", "items": {"type": "string"}}]} if lists else schema
        case ListOf(item):
            return {"type": "array", "items": _json_type(item)}
        case Text(pattern):
            base: dict[str, Any] = {"type": ["string", "number", "boolean"]}
            return base | ({"pattern": f"^{pattern}$"} if pattern else {})
        case Anything():
            return {}
        case Texts():
            one = _json_type(Text())
            return {"anyOf": [one, {"type": "array", "items": one}]}
        case Choice(options):
            return {"enum": list(options)}
        case Number():
            return _json_number(kind)
        case Flag(value):
            return {"const": value}
        case Scalar():
            return {"type": ["string", "number", "boolean"]}


def _json_number(kind: Number) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer" if kind.whole else "number"}
    bounds: tuple[tuple[Literal["minimum", "maximum"], float | None], ...] = (
        ("minimum", kind.low),
        ("maximum", kind.high),
    )
    for word, bound in bounds:
        if bound is not None:
            schema[f"exclusive{word.capitalize()}" if kind.open else word] = bound
    return schema
