"""What lies in a store that is a SQLite file of the project, and what of it nothing needs.

It is read with plain SQL, because MLflow takes seconds to import; what has to go, MLflow itself deletes.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.mlflow_errors import error_code, explained
from mlxkit.adapters.mlflow_moved import refuse_place
from mlxkit.adapters.mlflow_registry import local_path
from mlxkit.adapters.mlflow_store import connect, talking
from mlxkit.project.weight import Weight, weight

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_store import Store

IsOld = Callable[[float], bool]
"""Whether a time stamp is as far back as garbage has to be."""

_ID = re.compile(r"m-[0-9a-f]{32}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_ENDED = ("FINISHED", "FAILED", "KILLED")
_UNFINISHED = (1, 3)  # LoggedModelStatus: PENDING, FAILED
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Kept:
    """A run, a logged model, or a folder of artifacts that belongs to neither.

    Attributes:
        folder: of its artifacts, which need not exist.
        size: of that folder, in bytes.
        useless: nothing needs it.
    """

    id: str
    folder: Path
    size: int
    useless: bool


@dataclass(frozen=True)
class StoreContents:
    """What lies in a store. `strays` are folders of no run and no model; None where nobody can tell."""

    runs: tuple[Kept, ...]
    models: tuple[Kept, ...]
    strays: tuple[Kept, ...] | None


def look(
    store: Store, database: Path, artifacts: Path, is_old: IsOld, *, alone: bool = True
) -> StoreContents:
    """Look at a store: `database` is its SQLite file, `artifacts` the folder of its artifacts.

    Args:
        store: the store.
        database: its file.
        artifacts: the folder; what lies elsewhere is left alone.
        is_old: whether a time stamp is old enough.
        alone: whether the databases that keep artifacts there are all SQLite files beside this one.

    Raises:
        ToolError: it cannot be read, or belongs to another folder.
        OSError: artifacts cannot be read.
    """
    refuse_place(store)
    # The folders first: whatever comes up meanwhile has its row before it has a folder.
    folders = _folders(artifacts)
    runs, models, versions = _read(store, database)
    registered = set(_ID.findall(" ".join(str(value) for row in versions for value in row)))
    registered |= {model["source_run_id"] for model in models if model["model_id"] in registered}
    open_runs = {run["run_uuid"] for run in runs if run["status"] not in _ENDED}

    def kept(identity: str, location: str, *, gone: bool) -> Kept:
        folder = _own_folder(identity, location, artifacts)
        size = weight(folder).size if folder is not None and folder.is_dir() else 0
        useless = gone and folder is not None and identity not in registered
        return Kept(identity, folder or Path(location), size, useless)

    return StoreContents(
        tuple(kept(run["run_uuid"], run["artifact_uri"], gone=_is_deleted(run, is_old)) for run in runs),
        tuple(
            kept(model["model_id"], model["artifact_location"], gone=_is_useless(model, open_runs, is_old))
            for model in models
        ),
        _strays(folders, _known({store.root, database.parent}) if alone else None, is_old),
    )


def forget(store: Store, *, runs: Sequence[str], models: Sequence[str]) -> None:
    """Delete deleted runs, and logged models, from the database for ever; their artifacts stay.

    Raises:
        ToolError: MLflow cannot.
    """
    with talking(store, "delete runs from MLflow"):
        from mlflow.exceptions import MlflowException

        backend: Any = connect(store)._tracking_client.store
        for identity in (*runs, *models):
            try:
                if not identity.startswith("m-"):
                    # Somebody may have restored it a moment ago.
                    if backend.get_run(identity).info.lifecycle_stage == "deleted":
                        backend._hard_delete_run(identity)
                else:
                    backend._hard_delete_logged_model(identity)
            except MlflowException as error:
                if error_code(error) != "RESOURCE_DOES_NOT_EXIST":
                    raise


def _read(store: Store, database: Path) -> tuple[list[Any], list[Any], list[Any]]:
    queries = (
        "SELECT run_uuid, lifecycle_stage, status, deleted_time, artifact_uri FROM runs ORDER BY run_uuid",
        "SELECT model_id, lifecycle_stage, status, last_updated_timestamp_ms, source_run_id,"
        " artifact_location FROM logged_models ORDER BY model_id",
        "SELECT run_id, source, storage_location FROM model_versions",
    )
    try:
        with closing(_open(database)) as connection:
            runs, models, versions = (connection.execute(query).fetchall() for query in queries)
    except sqlite3.Error as error:
        raise explained(error, "see what lies in MLflow", str(store), str(database)) from error
    return runs, models, versions


def _open(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=20)
    connection.row_factory = sqlite3.Row
    return connection


def _is_deleted(run: Any, is_old: IsOld) -> bool:
    deleted = run["deleted_time"]
    return run["lifecycle_stage"] == "deleted" and deleted is not None and is_old(deleted / 1000)


def _is_useless(model: Any, open_runs: set[str], is_old: IsOld) -> bool:
    """Whether a logged model was deleted, or the run that was to make it has ended without it."""
    run = model["source_run_id"]
    unfinished = model["status"] in _UNFINISHED and run is not None and run not in open_runs
    gone = model["lifecycle_stage"] == "deleted" or unfinished
    return gone and is_old(model["last_updated_timestamp_ms"] / 1000)


def _own_folder(identity: str, location: str, artifacts: Path) -> Path | None:
    """Return the folder that belongs to one run or model alone; None when its artifacts are elsewhere."""
    path = local_path(location)
    if path is None or path.name != "artifacts" or path.parent.name != identity:
        return None
    folder = path.parent
    return folder if folder.resolve().is_relative_to(artifacts.resolve()) else None


def _folders(artifacts: Path) -> dict[Path, Weight]:
    """Return the folders that look like those of a run or a logged model."""
    candidates = [
        folder
        for experiment in _subfolders(artifacts)
        for parent in (experiment, experiment / "models")
        for folder in _subfolders(parent)
    ]
    return {folder: weight(folder) for folder in candidates if _ID.fullmatch(folder.name)}


def _subfolders(folder: Path) -> Iterator[Path]:
    if folder.is_dir() and not folder.is_symlink():
        yield from sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def _strays(folders: dict[Path, Weight], known: set[str] | None, is_old: IsOld) -> tuple[Kept, ...] | None:
    if known is None:
        return None
    return tuple(
        Kept(folder.name, folder, weight.size, is_old(weight.changed))
        for folder, weight in folders.items()
        # A store of files, as MLflow made them before, describes its runs there.
        if folder.name not in known and not (folder / "meta.yaml").exists()
    )


def _known(folders: set[Path]) -> set[str] | None:
    """Return the runs and models of all SQLite stores in some folders; None when one cannot be read."""
    known: set[str] = set()
    for file in (file for folder in folders for file in folder.iterdir()):
        if not file.is_file():
            continue
        with file.open("rb") as content:
            if content.read(len(_SQLITE)) != _SQLITE:
                continue
        try:
            with closing(_open(file)) as connection:
                for table, column in (("runs", "run_uuid"), ("logged_models", "model_id")):
                    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                        rows = connection.execute(f"SELECT {column} FROM {table}")
                        known.update(str(row[0]) for row in rows)
        except sqlite3.Error:
            return None
    return known
