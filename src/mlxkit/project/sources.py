"""Where the value of a stage function's parameter comes from: its name decides, and it must decide once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlxkit.project.functions import CONTEXT_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def sources(inputs: Iterable[str], outputs: Iterable[str], params: Mapping[str, Any]) -> dict[str, list[str]]:
    """List, for each name that a stage function may ask for, where its value comes from.

    `params` are the stage's groups of params.yaml. A group wins over keys of its own name.
    """
    found: dict[str, list[str]] = {}

    def offer(name: str, source: str) -> None:
        found.setdefault(name, []).append(source)

    for name in inputs:
        offer(name, f"input '{name}'")
    for name in outputs:
        offer(name, f"output '{name}'")
    for group in params:
        offer(group, f"parameter group '{group}'")
    for group, values in params.items():
        for key in values if isinstance(values, dict) else ():
            if key not in params:
                offer(str(key), f"parameter '{group}.{key}'")
    for name in CONTEXT_NAMES:
        offer(name, f"'{name}' of mlx.yaml")
    return found
