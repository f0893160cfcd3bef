"""Values of `mlx.yaml` against the types of its schema; every place that does not fit is noted."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from mlxkit.project.shapes import (
    NAME,
    VARIABLE,
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
from mlxkit.project.suggestions import did_you_mean
from mlxkit.project.yaml12 import load

if TYPE_CHECKING:
    from mlxkit.project.located import Problems, Value

_RULES = {
    NAME: "a name may hold letters, digits, '-' and '_', and starts with a letter",
    VARIABLE: "a name may hold letters, digits and '_', and does not start with a digit",
}

_WANTED = {Text: "text", Choice: "a word", Number: "a number", Scalar: "a label", Flag: "true or false"}


def validate(value: Value, kind: Type, problems: Problems) -> None:
    """Note every place where a value does not have the type."""
    match kind:
        case Shape():
            _validate_shape(value, kind, problems)
        case Anything():
            return
        case OneOf():
            _validate_one_of(value, kind, problems)
        case MapOf():
            _validate_map(value, kind, problems)
        case Texts() if isinstance(value.data, list):
            for item in value.data:
                validate(item, Text(), problems)
        case Texts(example):
            validate(value, Text(example=example), problems)
        case ListOf():
            if not isinstance(value.data, list):
                problems.add(value, f"must be a list, is {describe(value)}")
                return
            for item in value.data:
                validate(item, kind.item, problems)
        case _:
            text = _scalar_problem(value, kind)
            if text:
                problems.add(value, text)


def describe(value: Value) -> str:
    """Say in words what a value is, for error messages."""
    match value.data:
        case None:
            return "empty"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return f"'{value.text}'"


def _validate_one_of(value: Value, kind: OneOf, problems: Problems) -> None:
    """Find out which of the mappings is meant, and note what is wrong in it."""
    if not isinstance(value.data, dict):
        problems.add(value, f"must be a mapping, is {describe(value)}")
        return
    shapes = kind.by_key
    named = [name for name in value.data if name in shapes]
    if len(named) == 1:
        _validate_shape(value, shapes[named[0]], problems, listed=True)
        return
    if named:
        text = f"a {kind.title} has either '{named[0]}' or '{named[1]}', not both; write one for each"
        problems.add(value.data[named[1]], text)
        return
    known = {name for shape in kind.shapes for name in shape.keys}
    unknown = [name for name in value.data if name not in known]
    for name in unknown:
        close = did_you_mean(name, list(shapes))
        problems.add(value.data[name], f"unknown key{close}")
    if not unknown:
        listed = ", ".join(f"'{name}'" for name in shapes)
        problems.add(value, f"does not say what it judges; a {kind.title} has one of {listed}")


def _validate_shape(value: Value, shape: Shape, problems: Problems, *, listed: bool = False) -> None:
    """Note what is wrong in a mapping; `listed` names all keys where an unknown one is like none of them."""
    data = value.data
    if data is None and not any(key.required for key in shape.keys.values()):
        return
    if not isinstance(data, dict):
        problems.add(value, f"must be a mapping, is {describe(value)}")
        return
    for name, item in data.items():
        if name in shape.keys:
            validate(item, shape.keys[name].type, problems)
        else:
            others = f"; a {shape.title} has {', '.join(shape.keys)}" if listed else ""
            problems.add(item, f"unknown key{did_you_mean(name, list(shape.keys)) or others}")
    for name, key in shape.keys.items():
        if key.required and name not in data:
            problems.add(value, f"missing; {key.doc[0].lower()}{key.doc[1:].rstrip('.')}", key=name)


def _validate_map(value: Value, kind: MapOf, problems: Problems) -> None:
    if kind.lists and isinstance(value.data, list):
        for item in value.data:
            validate(item, Text(), problems)
        return
    if not isinstance(value.data, dict):
        what = "a mapping or a list" if kind.lists else "a mapping"
        problems.add(value, f"must be {what}, is {describe(value)}")
        return
    for name, item in value.data.items():
        if kind.key_pattern and not re.fullmatch(kind.key_pattern, name):
            problems.add(item, _RULES[kind.key_pattern])
        validate(item, kind.item, problems)


def _scalar_problem(value: Value, kind: Text | Choice | Number | Scalar | Flag) -> str:
    if value.data is None or isinstance(value.data, dict | list):
        wanted = _WANTED[type(kind)]
        return f"must be {wanted}, is {describe(value)}"
    match kind:
        case Text(pattern, example) if pattern and not re.fullmatch(pattern, value.text):
            if pattern in _RULES:
                return f"'{value.text}' is no name: {_RULES[pattern]}"
            if not value.text.strip() and not example:
                return "must be text, is empty"
            like = f", such as '{example}'" if example else ""
            return f"'{value.text}' does not have the right form{like}"
        case Choice(options) if value.text not in options:
            listed = " or ".join(f"'{option}'" for option in options)
            return f"must be {listed}, is '{value.text}'{did_you_mean(value.text, list(options))}"
        case Flag(flag) if value.data is not flag:
            return f"must be {'true' if flag else 'false'}, is '{value.text}'"
        case Number():
            return _number_problem(value, kind)
    return ""


def _number_problem(value: Value, kind: Number) -> str:
    number = value.data
    if isinstance(number, bool) or not isinstance(number, int if kind.whole else int | float):
        quoted = isinstance(number, str) and isinstance(load(value.text), int | float)
        close = "; remove the quotes" if quoted else ""
        return f"must be a {'whole ' if kind.whole else ''}number, is '{value.text}'{close}"
    if not math.isfinite(number):
        return f"must be a number, is '{value.text}'"
    low, high = kind.low, kind.high
    too_low = low is not None and (number <= low if kind.open else number < low)
    too_high = high is not None and (number >= high if kind.open else number > high)
    if too_low or too_high:
        between = (
            f"between {low:g} and {high:g}" if low is not None and high is not None else f"at least {low}"
        )
        return f"must be {between}, is {value.text}"
    return ""
