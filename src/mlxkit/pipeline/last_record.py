"""What was recorded last, in `.mlx/recorded.json`: while it matches the workspace, MLflow is not asked."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from mlxkit.pipeline.lockfile import output_hash
from mlxkit.project.files import read_mapping, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.pipeline.lockfile import Locked
    from mlxkit.project.models import Project

Key = list[str | None]
"""What identifies a model and its evaluation: their hashes in dvc.lock, and the store."""


class LastRecord:
    """Remembers what of one project is in a store already, and under which run."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._path = project.state_dir / "recorded.json"

    def key(self, locked: Mapping[str, Locked], store: Store, *, evaluated: bool) -> Key:
        """Return the key of what the workspace holds; its last part is None where no evaluation counts."""
        evaluate = self._project.evaluate_stage
        metrics = evaluate.metrics_path if evaluate is not None and evaluated else None
        return [
            output_hash(locked, self._project.model_path),
            output_hash(locked, self._project.run_record_path),
            self._name_of(store),
            None if metrics is None else output_hash(locked, metrics),
        ]

    def run_of(self, key: Key, store: Store) -> str | None:
        """Return the run that holds all of this, None where no store that is there has it."""
        if store.database is not None and not store.database.exists():
            return None
        last = read_mapping(self._path)
        return str(last["run_id"]) if _holds(last.get("key"), key) else None

    def keep(self, key: Key, run_id: str | None) -> None:
        """Remember a run; where that cannot be written, the next run asks MLflow."""
        with suppress(OSError):
            write_atomically(self._path, json.dumps({"key": key, "run_id": run_id}).encode())

    def forget(self) -> None:
        """Make the next run ask MLflow."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _name_of(self, store: Store) -> str:
        """Name the store; one below the project's root is the same one after the project was moved."""
        database, root = store.database, self._project.root.resolve()
        inside = database is not None and database.is_relative_to(root)
        return database.relative_to(root).as_posix() if database is not None and inside else str(store)


def _holds(known: object, key: Key) -> bool:
    """Whether what was recorded last holds all of this; it may hold an evaluation too."""
    return isinstance(known, list) and key == [*known[:-1], known[-1] if key[-1] is not None else None]
