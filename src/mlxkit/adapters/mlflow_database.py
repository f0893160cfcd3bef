"""The SQLite file of an MLflow store.

It is made complete beside its final name and then moved there: nobody opens half a schema.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.adapters.mlflow_moved import ARTIFACTS, refuse_place
from mlxkit.project.files import write_atomically

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_store import Store


def make_database(store: Store, path: Path) -> None:
    """Make the database of a store, unless it is there and complete."""
    refuse_place(store)
    if _is_complete(path):
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    state = store.root / ".mlx"
    state.mkdir(parents=True, exist_ok=True)
    with (state / "mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_complete(path):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        # An existing file that is no complete store is MLflow's to judge: it may be of an older version.
        made = path if path.exists() else path.with_name(f".{path.name}.{os.getpid()}")
        if made.exists() or not _copy_pristine(made, store.root / ARTIFACTS):
            opened = SqlAlchemyStore(f"sqlite:///{made}", str(store.root / ARTIFACTS))  # type: ignore[no-untyped-call]
            opened.engine.dispose()
            if made != path:  # of one that was there already, the rest is nobody else's business
                _keep_pristine(made)
        if made != path:
            made.replace(path)


def _pristine() -> Path:
    """Return where a new database of this version of MLflow is kept: to make one takes it a second."""
    from mlflow.version import VERSION

    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches, "mlx", f"mlflow-{VERSION}.db")


def _copy_pristine(made: Path, artifacts: Path) -> bool:
    """Make a new database as a copy of the one that is kept; returns whether there was one."""
    import sqlite3

    try:
        shutil.copyfile(_pristine(), made)
        with closing(sqlite3.connect(made)) as connection, connection:
            query = "UPDATE experiments SET artifact_location = ?"
            connection.execute(query, (str(artifacts / "0"),))
        return _is_complete(made)
    except (OSError, RuntimeError, sqlite3.Error):
        made.unlink(missing_ok=True)
        return False


def _keep_pristine(made: Path) -> None:
    """Keep a copy of a new database for the next project; without one, that only takes longer."""
    with suppress(OSError, RuntimeError):
        write_atomically(_pristine(), made.read_bytes())


def _is_complete(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    import sqlite3

    # Not read-only: what a killed writer left half done must be taken back before anybody can read.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as connection:
        try:
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return connection.execute("SELECT 1 FROM experiments LIMIT 1").fetchone() is not None
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return False
            raise
