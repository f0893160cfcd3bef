"""MLflow's store, where it is a SQLite file of the project: what lies there, and what of it nothing needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.adapters import git, mlflow_garbage, mlflow_store
from mlxkit.errors import ToolError
from mlxkit.pipeline.garbage import Age, Failure, Heap, Removal, Waste, readable
from mlxkit.project.environments import choose, tracking_uri

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mlxkit.adapters.mlflow_garbage import Kept, StoreContents
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Project

_SERVER = re.compile(r"https?://|databricks")


@dataclass(frozen=True)
class StoreGarbage:
    """What lies in the store, and which of it nothing needs; `notes` say what was left alone.

    Attributes:
        contents: None where the store is not the project's own, or not made yet.
    """

    store: Store
    contents: StoreContents | None = None
    notes: tuple[str, ...] = ()

    @property
    def heaps(self) -> tuple[Heap, ...]:
        """The same, by kind."""
        if self.contents is None:
            return ()
        strays = () if self.contents.strays is None else (_heap("artifacts of no run", self.contents.strays),)
        return _heap("runs", self.contents.runs), _heap("logged models", self.contents.models), *strays


def _heap(kind: str, kept: tuple[Kept, ...]) -> Heap:
    waste = tuple(Waste(one.folder, one.size) for one in kept if one.useless)
    return Heap("mlflow", kind, len(kept), sum(one.size for one in kept), waste)


def look(project: Project, environment: str | None, age: Age) -> StoreGarbage:
    """Look at the store of an environment.

    Raises:
        ToolError: it cannot be read, or the project's folder was moved.
    """
    root = project.root
    chosen = choose(project, environment, branch=git.branch(root)).environment
    store = mlflow_store.resolve(root, tracking_uri(project, chosen))
    database, artifacts = store.database, store.artifacts
    if database is None or artifacts is None or not database.resolve().is_relative_to(store.root):
        note = f"MLflow's store {store} is not this project's own: `mlflow gc` there is for its owner"
        return StoreGarbage(store, notes=(note,))
    if not database.exists():
        return StoreGarbage(store)
    if any(one.registry is not None for one in project.environments.values()):
        note = "models of MLflow's store are registered elsewhere, so nobody here knows which are needed"
        return StoreGarbage(store, notes=(note,))
    trackings = [one.tracking or "" for one in project.environments.values()]
    alone = all(_keeps_artifacts_apart(project, tracking, database) for tracking in trackings)
    with readable("MLflow's artifacts cannot be read"):
        contents = mlflow_garbage.look(store, database, artifacts, age.is_old, alone=alone)
    shared = f"other stores keep artifacts in '{artifacts.name}', so folders of no run here are left alone"
    return StoreGarbage(store, contents, (shared,) if contents.strays is None else ())


def _keeps_artifacts_apart(project: Project, tracking: str, database: Path) -> bool:
    """Whether a store has its artifacts elsewhere, or is a file that lies where its runs can be looked up."""
    if not tracking or _SERVER.match(tracking):
        return True
    if "${" in tracking:
        return False
    other = mlflow_store.resolve(project.root, tracking).database
    return other is not None and other.parent in (project.root.resolve(), database.parent)


def delete(garbage: StoreGarbage, removal: Removal) -> None:
    """Delete what nothing needs: runs and models from the database first, so that none lacks artifacts."""
    contents = garbage.contents
    if contents is None:
        return
    runs, models = _useless(contents.runs), _useless(contents.models)
    strays = _useless(contents.strays or ())
    if runs or models:
        try:
            mlflow_garbage.forget(
                garbage.store, runs=[run.id for run in runs], models=[model.id for model in models]
            )
        except ToolError as error:
            database = garbage.store.database
            assert database is not None
            removal.failed.append(Failure(database, error.message))
            runs, models = [], []
    for one in (*runs, *models, *strays):
        removal.remove(Waste(one.folder, one.size))


def _useless(kept: Iterable[Kept]) -> list[Kept]:
    return [one for one in kept if one.useless]
