"""Where a project's folder lies: MLflow's database keeps absolute paths, and reads them as addresses."""

from __future__ import annotations

import urllib.parse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.errors import ToolError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from mlxkit.adapters.mlflow_store import Store

ARTIFACTS = "mlruns"

_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)


def refuse_place(store: Store) -> None:
    """Refuse a store whose files MLflow would look for in another folder than this project's.

    Raises:
        ToolError: the folder was moved or copied, or its name is read as another one.
    """
    root = str(store.root)
    if store.artifacts is not None and ("?" in root or urllib.parse.unquote(root) != root):
        raise ToolError(
            "MLflow does not find its files in a folder with '?' or a code such as '%20' in its name",
            context=[root],
            hint="rename the folder, then run the same command again",
        )
    old = None if store.database is None else moved_from(store.root, store.database)
    if old is not None:
        raise ToolError(
            "the project's folder was moved or copied, and MLflow still stores to the old place",
            context=[f"old: {old}", f"new: {root}"],
            hint="run `mlx doctor --fix`",
        )


def moved_from(root: Path, database: Path) -> Path | None:
    """Return the folder that a project's own database was made in, when that is not `root`; else None.

    The witness is the experiment that MLflow makes with the database; one that cannot be read tells nothing.
    """
    if database.parent != root or not database.is_file():
        return None
    import sqlite3

    with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)) as connection:
        try:
            query = "SELECT artifact_location FROM experiments WHERE experiment_id = 0"
            row = connection.execute(query).fetchone()
        except sqlite3.DatabaseError:  # whoever uses it says what is wrong with it
            return None
    location = Path(str(row[0])) if row and row[0] else None
    if location is None or location.parent.name != ARTIFACTS or not location.is_absolute():
        return None
    return None if location.parents[1] == root else location.parents[1]


def mend_moved(root: Path, database: Path) -> int:
    """Let the database name the artifacts below `root`, and return how many entries were changed.

    Raises:
        ToolError: the database cannot be written.
    """
    old = moved_from(root, database)
    if old is None:
        return 0
    import sqlite3

    try:
        with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
            return sum(_replaced(connection, *change) for change in _changes(old, root))
    except sqlite3.Error as error:
        raise ToolError(
            f"cannot mend '{database.name}'", context=[str(error)], hint=f"close what uses '{database}'"
        ) from error


def _changes(old: Path, new: Path) -> Iterator[tuple[str, str, str, str]]:
    before, after = old / ARTIFACTS, new / ARTIFACTS
    for table, column in _COLUMNS:
        yield table, column, f"{before}/", f"{after}/"
        yield table, column, f"{before.as_uri()}/", f"{after.as_uri()}/"


def _replaced(connection: sqlite3.Connection, table: str, column: str, old: str, new: str) -> int:
    done = connection.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
        (new, len(old) + 1, len(old), old),
    )
    return done.rowcount
