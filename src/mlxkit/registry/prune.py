"""Versions of the registered model that nothing needs: never promoted, waiting for nobody, old enough."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry
from mlxkit.registry.approval import requests_in
from mlxkit.registry.git_records import git_records
from mlxkit.registry.move import alone
from mlxkit.registry.records import records_in

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Project


@dataclass(frozen=True)
class Pruned:
    """What was, or would be, deleted; and of the rest, why each stays."""

    deleted: tuple[Version, ...]
    kept: tuple[tuple[Version, str], ...]


def prune(project: Project, store: Store, *, older_than_days: float = 30.0, dry_run: bool = False) -> Pruned:
    """Delete versions from the registry that no alias, no record and no request names.

    The runs that trained them, and their models, stay until `mlx gc` asks for them.
    """
    limit = datetime.now(UTC) - timedelta(days=older_than_days)
    deleted, kept = [], []
    with alone(store):
        versions = mlflow_registry.versions(store, project.name)
        needed = _needed(project, versions)
        for version in versions:
            reason = needed.get(version.version, "")
            if not reason and version.created > limit:
                reason = f"younger than {older_than_days:g} days"
            if reason:
                kept.append((version, reason))
                continue
            if not dry_run:
                mlflow_registry.delete_version(store, version)
            deleted.append(version)
    return Pruned(tuple(deleted), tuple(kept))


def _needed(project: Project, versions: tuple[Version, ...]) -> dict[str, str]:
    """Return the versions that something needs, by number, and what."""
    needed: dict[str, str] = {}
    records = [*records_in(versions)]
    names = {*project.environments, *(record.environment for record in records)}
    for name in names:
        records += git_records(project, name)
        needed |= {v.version: f"waits for approval in '{name}'" for v, _ in requests_in(versions, name)}
    for record in records:
        for number in filter(None, (record.before, record.version)):
            needed[number] = f"in the history of '{record.environment}'"
    for version in versions:
        if version.aliases:
            needed[version.version] = " ".join(f"@{alias}" for alias in version.aliases)
    return needed
