"""`mlx runs sync`: carry over the runs that their store did not take when they ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_copy, mlflow_store
from mlxkit.pipeline.events import Events, ignore
from mlxkit.pipeline.lock import run_lock
from mlxkit.project.environments import sharing_store, tracking_uri

if TYPE_CHECKING:
    from mlxkit.project.models import Environment, Project


@dataclass(frozen=True)
class Synced:
    """What was carried over.

    Attributes:
        run_ids: the runs under their new ids, oldest first.
        waiting: how many runs still wait, because they belong to another store.
    """

    run_ids: tuple[str, ...]
    waiting: int


def sync(project: Project, environment: Environment, events: Events = ignore) -> Synced:
    """Record in the environment's store the runs that wait for it.

    Raises:
        ToolError: the store does not take them; they go on waiting.
    """
    source = mlflow_store.unrecorded(project.root)
    target = mlflow_store.resolve(project.root, tracking_uri(project, environment))
    with run_lock(project.state_dir / "run.lock", events):
        carried = mlflow_copy.sync(source, target, project.name, sharing_store(project, environment))
        return Synced(carried, mlflow_copy.count(source))
