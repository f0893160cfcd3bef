"""YAML 1.2 values, as DVC reads them: `1e-3` is a number, `yes` and `on` are words, `010` is ten.

PyYAML follows YAML 1.1. A parameter that DVC and mlx read differently would never be up to date.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)"
_FLOAT = (
    r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\._*[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


class Loader(_Base):  # type: ignore[misc]
    """PyYAML's safe loader with the plain values of YAML 1.2, dates included."""


def load(text: str) -> Any:
    """Read one YAML document as plain values; a key that stands twice counts with its last value.

    Raises:
        yaml.YAMLError: the text is not valid YAML.
    """
    return yaml.load(text, Loader=Loader)


def _integer(loader: Any, node: Any) -> int:
    text = node.value.replace("_", "")
    digits = text.lstrip("+-")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 10)
    return int(text, base)


def _define() -> None:
    kept = {f"tag:yaml.org,2002:{name}" for name in ("null", "merge", "timestamp")}
    Loader.yaml_implicit_resolvers = {
        first: [entry for entry in entries if entry[0] in kept]
        for first, entries in _Base.yaml_implicit_resolvers.items()
    }
    for name, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("int", _INTEGER, "-+0123456789"),
        ("float", _FLOAT, "-+.0123456789"),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(f"^(?:{pattern})$"), list(first))
    Loader.add_constructor("tag:yaml.org,2002:int", _integer)


_define()
