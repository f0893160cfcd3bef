"""`mlx gc`: what lies in workspace, DVC cache and MLflow, and the end of what nothing needs."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.errors import ToolError
from mlxkit.pipeline import cache_garbage, store_garbage, workspace_garbage
from mlxkit.pipeline.events import Events, Waiting, ignore
from mlxkit.pipeline.garbage import DEFAULT_DAYS, Age, Garbage, Heap, Removal
from mlxkit.pipeline.lock import one_of_its_kind, run_lock
from mlxkit.pipeline.lockfile import cache_folder, dvc_root
from mlxkit.project.load import load

if TYPE_CHECKING:
    from pathlib import Path

    from mlxkit.pipeline.cache_garbage import CacheGarbage
    from mlxkit.pipeline.store_garbage import StoreGarbage
    from mlxkit.project.models import Project


def gc(
    root: Path,
    *,
    older_than: float = DEFAULT_DAYS,
    delete: bool = False,
    environment: str | None = None,
    events: Events = ignore,
    now: float | None = None,
) -> Garbage:
    """Look at what lies in a project, and delete what nothing needs where `delete` says so.

    Args:
        root: the project's root.
        older_than: days that something must have lain untouched to count as garbage.
        delete: hold the run lock and DVC's, look, and delete.
        environment: whose MLflow store is meant.
        events: is told what has to be waited for.
        now: the time stamp that ages count from.

    Raises:
        MlxError: what is needed cannot be known, so nothing was deleted.
    """
    age = Age(older_than, time.time() if now is None else now)
    if not delete:
        return _look(load(root), environment, age).garbage(age)
    removal = Removal()
    with one_of_its_kind(root), run_lock(root / ".mlx" / "run.lock", events), ExitStack() as held:
        project = load(root)
        _lock_cache(root, held, events)
        found = _look(project, environment, age)
        for waste in (one for heap in found.workspace for one in heap.waste):
            removal.remove(waste)
        if found.cache is not None:
            cache_garbage.delete(found.cache, removal)
        store_garbage.delete(found.store, removal)
    return found.garbage(age, removal)


@dataclass(frozen=True)
class _Found:
    """What one look found. `cache` is None where it is not this repository's own."""

    workspace: tuple[Heap, ...]
    cache: CacheGarbage | None
    store: StoreGarbage
    notes: tuple[str, ...]

    def garbage(self, age: Age, removal: Removal | None = None) -> Garbage:
        cache = () if self.cache is None else self.cache.heaps
        done = removal or Removal()
        return Garbage(
            age.days,
            (*self.workspace, *cache, *self.store.heaps),
            self.notes,
            tuple(done.deleted),
            tuple(done.failed),
        )


def _look(project: Project, environment: str | None, age: Age) -> _Found:
    root = project.root
    shared = cache_garbage.shared_cache(root)
    note = f"the cache {shared} is not in this repository's '.dvc', so others may use it: it is left alone"
    tree = workspace_garbage.scan(dvc_root(root))
    store = store_garbage.look(project, environment, age)
    return _Found(
        workspace_garbage.heaps(project, tree, age),
        None if shared is not None else cache_garbage.look(root, tree, age),
        store,
        store.notes if shared is None else (note, *store.notes),
    )


def _lock_cache(root: Path, held: ExitStack, events: Events) -> None:
    """Hold DVC's lock, where there is a cache of this repository's own."""
    folder = cache_folder(root)
    if cache_garbage.shared_cache(root) is not None or not folder.parents[1].exists():
        return
    from mlxkit.adapters.dvc import Dvc

    dvc = Dvc(root, waiting=lambda text: events(Waiting(text)))
    held.callback(dvc.close)
    held.enter_context(dvc.exclusive())
    if dvc.cache_folder.resolve() != folder.resolve():
        raise ToolError(
            "DVC's cache is not where its configuration files in this project say",
            context=[f"DVC uses {dvc.cache_folder}", f"the files name {folder}"],
            hint="run `dvc config --list --show-origin`",
        )
