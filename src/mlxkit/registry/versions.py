"""Versions of a project's model, by whatever name a user gives them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry
from mlxkit.errors import UsageError

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_store import Store

_SHOWN = 5


def find_version(store: Store, model: str, which: str) -> Version:
    """Return the version with that number (`3` or `v3`) or alias.

    Raises:
        UsageError: there is none.
    """
    number = re.fullmatch(r"[vV]?(\d+)", which)
    if number:
        found = mlflow_registry.get_version(store, model, number[1])
    else:
        found = mlflow_registry.champion(store, model, which)
    if found is not None:
        return found
    known = mlflow_registry.versions(store, model)
    raise UsageError(
        f"'{model}' has no version '{which}'",
        context=[_line(version) for version in known[:_SHOWN]] or [f"'{model}' is not registered yet"],
        hint="run `mlx models`" if known else "run `mlx promote`",
    )


def _line(version: Version) -> str:
    aliases = "".join(f" @{alias}" for alias in version.aliases)
    return f"version {version.version}{aliases}"
