"""Names of parameters, metrics and tags as MLflow takes them, each a different one."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_MAX_NAME = 250
_MARK = 9


def named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves of nested values by one name each; nested keys are joined by dots.

    Of two whose names MLflow would take for the same, the one that needs no change keeps its name, else the
    first by alphabet, and the other one gets a mark that follows from its own name.
    """
    alike: dict[str, list[tuple[str, tuple[str, ...], Any]]] = defaultdict(list)
    for path, value in _leaves(values):
        alike[name_of(".".join(path))].append((".".join(path), path, value))
    found = {}
    for name, leaves in alike.items():
        leaves.sort(key=lambda leaf: (leaf[0] != name, leaf[:2]))
        found[name] = leaves[0][2]
        for _, path, value in leaves[1:]:
            found[_marked(name, path)] = value
    return found


def name_of(key: str) -> str:
    """Return a name that MLflow takes: letters, digits, `_-. /`, and a path that leads nowhere else."""
    plain = re.sub(r"[^\w\-. /]", "_", key)[:_MAX_NAME]
    steps = ["__" if step == ".." else step for step in plain.split("/") if step not in ("", ".")]
    return re.sub(r"^\.\.", "__", "/".join(steps)) or "_"


def _marked(name: str, path: Iterable[str]) -> str:
    digest = hashlib.sha256(json.dumps(list(path)).encode()).hexdigest()
    return f"{name[: _MAX_NAME - _MARK].rstrip('/')}_{digest[: _MARK - 1]}"


def _leaves(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        path = (*above, str(key))
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, path)
        else:
            yield path, value
