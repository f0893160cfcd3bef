"""The shape of `mlx.yaml`: which keys there are, what each may hold, and what it means.

One table serves three readers: validation here, `mlx.schema.json` for editors, and the reference page.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mlxkit.project.yaml12 import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlxkit.project.located import Problems, Value

NAME = r"[A-Za-z][A-Za-z0-9_-]*"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
DURATION = r"\d+(\.\d+)?(s|m|h)?"


@dataclass(frozen=True)
class Text:
    """Any text; numbers and dates are taken as they are written."""

    pattern: str = ""
    example: str = ""


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]


@dataclass(frozen=True)
class Number:
    """A number within bounds; `open` excludes the bounds themselves."""

    low: float | None = None
    high: float | None = None
    whole: bool = False
    open: bool = False


@dataclass(frozen=True)
class Scalar:
    """A label: text, number or boolean."""


@dataclass(frozen=True)
class ListOf:
    """A list of one type."""

    item: Type


@dataclass(frozen=True)
class MapOf:
    """A mapping from names to one type; `lists` also accepts a plain list of texts."""

    item: Type
    key_pattern: str = ""
    lists: bool = False
    empty_is_default: bool = False


@dataclass(frozen=True)
class Shape:
    """A mapping with known keys."""

    title: str
    keys: Mapping[str, Key] = field(default_factory=dict)


@dataclass(frozen=True)
class Key:
    """One key of a Shape: its type and a sentence for the reference."""

    type: Type
    doc: str
    required: bool = False


Type = Text | Choice | Number | Scalar | ListOf | MapOf | Shape

_RULES = {
    NAME: "a name may hold letters, digits, '-' and '_', and starts with a letter",
    VARIABLE: "a name may hold letters, digits and '_', and does not start with a digit",
}

_PATHS = MapOf(Text(), NAME, lists=True)

STAGE = Shape(
    "stage",
    {
        "kind": Key(
            Choice(("train", "evaluate")),
            "What mlx does around the stage. Default: from the stage's name.",
        ),
        "call": Key(
            Text(r"[\w.]+:\w+", "churn.models.train_model:train_model"),
            "Python function that is the stage: `module:function`.",
        ),
        "cmd": Key(Text(), "Shell command that is the stage, in any language. Instead of `call`."),
        "inputs": Key(
            _PATHS, "Name and path of each file or directory that is read; `cmd` stages may give a list."
        ),
        "outputs": Key(
            _PATHS, "Name and path of each file or directory that is made; `cmd` stages may give a list."
        ),
        "params": Key(ListOf(Text()), "Groups of `params.yaml` that the stage depends on."),
        "code": Key(
            ListOf(Text()), "More project files to depend on, where import analysis cannot see them."
        ),
        "env": Key(
            MapOf(Text(), VARIABLE),
            "Environment variables of the stage; `${NAME}` is read when the stage starts and never stored.",
        ),
        "timeout": Key(Text(DURATION, "30m"), "Longest time the stage may take: seconds, or `30m`, `2h`."),
        "retries": Key(Number(0, 100, whole=True), "How many more times a failed stage is tried. Default 0."),
        "on": Key(Text(), "Target that runs the stage. Default: this machine."),
    },
)

GATE = Shape(
    "gate",
    {
        "metric": Key(Text(), "Name of a metric that `evaluate` writes.", required=True),
        "min": Key(Number(), "Passes when the metric is at least this."),
        "max": Key(Number(), "Passes when the metric is at most this."),
        "beats": Key(Choice(("champion",)), "Passes when the model is better than the current champion."),
        "confidence": Key(
            Number(0.5, 1, open=True), "Of the one-sided interval of a `beats` gate. Default 0.95."
        ),
        "direction": Key(
            Choice(("higher", "lower")),
            "Which way your own metric is better; mlx knows it for its own metrics.",
        ),
    },
)

ENVIRONMENT = Shape(
    "environment",
    {
        "tracking": Key(Text(), "MLflow tracking URI. Default: the store in the project's root."),
        "requires": Key(Text(), "Environment whose current model alone may come here."),
        "branch": Key(Text(), "Git branch that means this environment in CI."),
    },
)

TARGET = Shape(
    "target",
    {
        "ssh": Key(Text(), "Host, as `ssh` knows it.", required=True),
        "path": Key(Text(), "Folder for mlx on that machine. Default `~/mlx`."),
        "gpus": Key(Number(0, 64, whole=True), "GPUs that a stage needs there. Default 0."),
    },
)

ROOT = Shape(
    "mlx.yaml",
    {
        "mlx": Key(Number(1, whole=True), "Version of this file's schema: 1.", required=True),
        "project": Key(
            Text(NAME, "churn"),
            "Name of the project, its MLflow experiment and its registered model.",
            required=True,
        ),
        "package": Key(Text(VARIABLE, "churn"), "Import package under `src/`.", required=True),
        "task": Key(Choice(("classification", "regression")), "What the model predicts.", required=True),
        "target": Key(Text(), "Column that the model predicts.", required=True),
        "positive": Key(Scalar(), "Binary classification: the label counted as positive."),
        "key": Key(Text(), "Column that identifies a row."),
        "time": Key(Text(), "Column with the time of the event."),
        "protected": Key(ListOf(Text()), "Columns whose groups deserve a look of their own."),
        "stages": Key(MapOf(STAGE, NAME), "The pipeline.", required=True),
        "promote": Key(
            Shape("promote", {"gates": Key(ListOf(GATE), "Conditions that a model must meet.")}),
            "When a model may be promoted.",
        ),
        "drift": Key(
            Shape(
                "drift",
                {
                    "max_share": Key(
                        Number(0, 1), "Largest share of drifted columns that is not yet drift. Default 0.3."
                    )
                },
            ),
            "When new data counts as drifted.",
        ),
        "environments": Key(
            MapOf(ENVIRONMENT, NAME),
            "Places that models are promoted to, in order. Default: dev, staging and production.",
        ),
        "targets": Key(MapOf(TARGET, NAME), "Machines that stages may run on."),
    },
)


def did_you_mean(word: str, options: Iterable[object]) -> str:
    """Return `, did you mean 'x'?` for the closest option, or nothing; keys of YAML may be numbers."""
    close = difflib.get_close_matches(word, map(str, options), n=1, cutoff=0.6)
    return f", did you mean '{close[0]}'?" if close else ""


def validate(value: Value, kind: Type, problems: Problems) -> None:
    """Note every place where a value does not have the type."""
    match kind:
        case Shape():
            _validate_shape(value, kind, problems)
        case MapOf():
            _validate_map(value, kind, problems)
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


def _validate_shape(value: Value, shape: Shape, problems: Problems) -> None:
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
            problems.add(item, f"unknown key{did_you_mean(name, list(shape.keys))}")
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


def _scalar_problem(value: Value, kind: Text | Choice | Number | Scalar) -> str:
    if value.data is None or isinstance(value.data, dict | list):
        wanted = {Text: "text", Choice: "a word", Number: "a number", Scalar: "a label"}[type(kind)]
        return f"must be {wanted}, is {describe(value)}"
    match kind:
        case Text(pattern, example) if pattern and not re.fullmatch(pattern, value.text):
            if pattern in _RULES:
                return f"'{value.text}' is no name: {_RULES[pattern]}"
            like = f", such as '{example}'" if example else ""
            return f"'{value.text}' does not have the right form{like}"
        case Choice(options) if value.text not in options:
            listed = " or ".join(f"'{option}'" for option in options)
            return f"must be {listed}, is '{value.text}'{did_you_mean(value.text, list(options))}"
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
        case Choice(options):
            return {"enum": list(options)}
        case Number():
            return _json_number(kind)
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
