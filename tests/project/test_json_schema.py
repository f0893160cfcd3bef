"""The schema that editors use accepts what mlx accepts, and explains every key."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from mlxkit.project.json_schema import json_schema
from mlxkit.project.schema import ROOT
from mlxkit.project.shapes import Key, ListOf, MapOf, OneOf, Shape
from mlxkit.project.yaml12 import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Churn

TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """Validate the part of JSON schema that ours uses; an unknown word fails."""
    words = dict(schema)
    for word in ("$schema", "title", "description"):
        words.pop(word, None)
    return all(check(word, rule, schema, value) for word, rule in words.items())


def check(word: str, rule: Any, schema: dict[str, Any], value: Any) -> bool:
    match word:
        case "type":
            kinds = [rule] if isinstance(rule, str) else rule
            if isinstance(value, bool):
                return "boolean" in kinds
            return any(isinstance(value, TYPES[kind]) for kind in kinds)
        case "enum":
            return value in rule
        case "pattern":
            return not isinstance(value, str) or re.search(rule, value) is not None
        case "anyOf":
            return any(accepts(option, value) for option in rule)
        case "items":
            return not isinstance(value, list) or all(accepts(rule, item) for item in value)
        case "required":
            return not isinstance(value, dict) or set(rule) <= set(value)
        case "properties":
            known = value.items() if isinstance(value, dict) else ()
            return all(accepts(rule[key], item) for key, item in known if key in rule)
        case "propertyNames":
            return not isinstance(value, dict) or all(accepts(rule, key) for key in value)
        case "additionalProperties":
            more = set(value) - set(schema.get("properties", {})) if isinstance(value, dict) else set()
            return not more if rule is False else all(accepts(rule, value[key]) for key in more)
        case "minimum":
            return bool(value >= rule)
        case "maximum":
            return bool(value <= rule)
        case "exclusiveMinimum":
            return bool(value > rule)
        case "exclusiveMaximum":
            return bool(value < rule)
    raise AssertionError(f"the schema uses '{word}'")


def test_is_json() -> None:
    assert json.loads(json.dumps(json_schema())) == json_schema()


def test_accepts_the_example(churn: Churn) -> None:
    assert accepts(json_schema(), load((churn.root / "mlx.yaml").read_text()))


@pytest.mark.parametrize(
    "edit",
    [
        ("evaluate: {}", "evaluate:"),
        ("drift: {max_share: 0.3}", "drift:"),
        ("dev: {}", "dev: "),
        ("evaluate: {}", "evaluate: {timeout: 30}"),
        ("positive: Yes", "positive: 1"),
        ("evaluate: {}", "evaluate: {timeout: 1.5h, retries: 2, env: {_A: 1}, on: gpu, code: [params.yaml]}"),
        ("- {metric: roc_auc, min: 0.8}", "- {metric: recall, slices: [sex, age], max_gap: 0.1}"),
        ("- {metric: roc_auc, min: 0.8}", "- {fairness: selection_rate_ratio, slices: sex, min: 0.8}"),
        ("- {metric: roc_auc, min: 0.8}", "- {latency: batch, p95: 20, rows: 100}"),
        ("- {metric: roc_auc, min: 0.8}", "- {size: 1.5 GiB}"),
        ("staging: {}", "staging: {gates: [{loads: clean, timeout: 5m}]}"),
        ("drift:", "schedule: {train: '0 3 * * 1', drift: '@daily', new_rows: data/new.csv}\ndrift:"),
        ("evaluate: {}", "evaluate: {pool: gpu}"),
    ],
)
def test_accepts_what_mlx_accepts(churn: Churn, edit: tuple[str, str]) -> None:
    churn.edit(edit).load()
    assert accepts(json_schema(), load((churn.root / "mlx.yaml").read_text()))


@pytest.mark.parametrize(
    "edit",
    [
        ("drift:", "drifts:"),
        ("target: Churn\n", ""),
        ("project: churn", "project: my churn"),
        ("task: classification", "task: clustering"),
        ("min: 0.8", "min: high"),
        ("- {metric: roc_auc, min: 0.8}", "- {min: 0.8}"),
        ("- {metric: roc_auc, min: 0.8}", "- {size: 200MB, min: 1}"),
        ("- {metric: roc_auc, min: 0.8}", "- {size: 200 apples}"),
        ("- {metric: roc_auc, min: 0.8}", "- {loads: dirty}"),
        ("staging: {}", "staging: {gates: [{lods: clean}]}"),
        ("confidence: 0.9", "confidence: 1"),
        ("max_share: 0.3", "max_share: 2"),
        ("[split]", "split"),
        ("call: churn.model:train", "call: churn.model.train"),
        ("  figures:", "  my figures:"),
    ],
)
def test_refuses_what_mlx_refuses(churn: Churn, edit: tuple[str, str]) -> None:
    assert churn.edit(edit).problems()
    assert not accepts(json_schema(), load((churn.root / "mlx.yaml").read_text()))


def keys(kind: object, where: str) -> Iterator[tuple[str, Key]]:
    match kind:
        case Shape():
            for name, key in kind.keys.items():
                yield f"{where}.{name}", key
                yield from keys(key.type, f"{where}.{name}")
        case MapOf() | ListOf():
            yield from keys(kind.item, where)
        case OneOf():
            for shape in kind.shapes:
                yield from keys(shape, f"{where}.{shape.title}")


@pytest.mark.parametrize(("where", "key"), list(keys(ROOT, "mlx.yaml")), ids=lambda value: str(value)[:40])
def test_every_key_is_explained(where: str, key: Key) -> None:
    assert re.fullmatch(r"[A-Z].{8,}[.]|[A-Z].{8,}: .*[.]", key.doc), where
