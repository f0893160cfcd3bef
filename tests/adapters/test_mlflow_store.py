"""One store, whoever comes first, and failures that say what to do."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mlxkit.adapters import mlflow_moved, mlflow_runs, mlflow_store, mlflow_tracking
from mlxkit.adapters.mlflow_errors import explained, without_password
from mlxkit.adapters.mlflow_store import Store, resolve
from mlxkit.errors import ConfigError, ToolError

MISSING_DRIVERS = {
    "postgresql+psycopg2://me:secret@127.0.0.1:9/db": ("psycopg2", "psycopg2-binary"),
    "mysql://me:secret@127.0.0.1:9/db": ("MySQLdb", "mysqlclient"),
}

OPEN_A_RUN = """
import sys
from pathlib import Path
from mlxkit.adapters import mlflow_store, mlflow_tracking
store = mlflow_store.resolve(Path(sys.argv[1]))
print(mlflow_tracking.open_run(store, "churn", name="race", params={}, tags={}))
"""
DIE_WHILE_WRITING = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA cache_size = 1")
connection.execute("CREATE TABLE much (text)")
connection.executemany("INSERT INTO much VALUES (?)", [("x" * 1000,)] * 1000)
connection.execute("UPDATE experiments SET artifact_location = 'half a change'")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with one run in it."""
    store = resolve(tmp_path_factory.mktemp("a project"))
    mlflow_tracking.open_run(store, "churn", name="first", params={}, tags={})
    return store


def artifact_locations(store: Store) -> list[str]:
    with closing(sqlite3.connect(str(store.database))) as connection:
        return [row[0] for row in connection.execute("SELECT artifact_location FROM experiments ORDER BY 1")]


def test_a_store_is_the_roots_own_by_default(tmp_path: Path) -> None:
    store = resolve(tmp_path)
    assert store.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert store.database == tmp_path / "mlflow.db"
    assert store.artifacts == tmp_path / "mlruns"


def test_the_environment_comes_before_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://variable")
    assert resolve(tmp_path).uri == "http://variable"
    assert resolve(tmp_path, "http://environment").uri == "http://environment"
    assert resolve(tmp_path, "sqlite:///other.db").uri == f"sqlite:///{tmp_path}/other.db"


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/mlruns", "htp://host"])
def test_other_stores_are_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(ConfigError, match="is no MLflow tracking URI that mlx can use"):
        resolve(tmp_path, uri)


def test_passwords_are_hidden() -> None:
    store = Store("postgresql://ann:secret@db.example.com/mlflow", Path("/p"))
    assert str(store) == "postgresql://ann:***@db.example.com/mlflow"
    assert without_password("cannot reach https://u:p4ss@host now") == "cannot reach https://u:***@host now"
    assert without_password("postgresql://u:p@ss@host/db") == "postgresql://u:***@host/db"


def test_a_new_store_lies_where_mlflow_ui_looks(made: Store) -> None:
    assert (made.root / "mlflow.db").is_file()
    assert artifact_locations(made) == [str(made.root / "mlruns/0"), str(made.root / "mlruns/churn")]
    assert sorted(path.name for path in made.root.iterdir()) == [".mlx", "mlflow.db"]


def test_nothing_is_said_while_a_store_is_made(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mlflow_tracking.open_run(resolve(tmp_path), "churn", name="x", params={}, tags={})
    assert capfd.readouterr() == ("", "")


def test_settings_last_as_long_as_a_call(made: Store) -> None:
    before = dict(os.environ)
    mlflow_runs.find_runs(made, "churn")
    assert dict(os.environ) == before
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_parallel_first_starts_make_one_store(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN_A_RUN, str(tmp_path)]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    results = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], results
    ids = {out.strip() for out, _ in results}
    assert {run.id for run in mlflow_runs.find_runs(resolve(tmp_path), "churn")} == ids
    assert len(ids) == 3


def test_what_else_a_database_holds_gets_into_no_other_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new store is a copy of one that this user made, but never of one that was there already."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shared = tmp_path / "one" / "mlflow.db"
    shared.parent.mkdir()
    with closing(sqlite3.connect(shared)) as connection, connection:
        connection.execute("CREATE TABLE salaries (text)")
    for project in ("one", "two"):
        mlflow_tracking.prepare(resolve(tmp_path / project), "churn")
    with closing(sqlite3.connect(tmp_path / "two" / "mlflow.db")) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'salaries'").fetchall()


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = resolve(tmp_path, f"http://127.0.0.1:{port}")
    with pytest.raises(ToolError) as raised:
        mlflow_runs.find_runs(store, "churn")
    assert (
        raised.value.message == "cannot list the runs of 'churn' in MLflow: the MLflow server does not answer"
    )
    assert raised.value.hint == f"run `curl http://127.0.0.1:{port}/health`"
    assert raised.value.context[0] == f"store: http://127.0.0.1:{port}"


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("hello " * 1000)
    with pytest.raises(ToolError) as raised:
        mlflow_runs.find_runs(resolve(tmp_path), "churn")
    assert raised.value.message.endswith("the file is no SQLite database")
    assert raised.value.hint == f"move '{tmp_path}/mlflow.db' away and try again"


def test_a_database_of_another_mlflow(made: Store, tmp_path: Path) -> None:
    store = resolve(tmp_path)
    shutil.copy(str(made.database), str(store.database))
    mlflow_moved.mend_moved(tmp_path, tmp_path / "mlflow.db")
    with closing(sqlite3.connect(str(store.database))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'abc'")
    with pytest.raises(ToolError) as raised:
        mlflow_runs.find_runs(store, "churn")
    assert raised.value.message.endswith("the database was made by another version of MLflow")
    assert raised.value.hint == f"run `mlflow db upgrade '{store.uri}'`"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_a_read_only_database(made: Store, tmp_path: Path) -> None:
    store = resolve(tmp_path)
    shutil.copy(str(made.database), str(store.database))
    mlflow_moved.mend_moved(tmp_path, tmp_path / "mlflow.db")
    (tmp_path / "mlflow.db").chmod(0o444)
    with pytest.raises(ToolError) as raised:
        mlflow_tracking.open_run(store, "churn", name="x", params={}, tags={})
    assert raised.value.hint == f"run `chmod u+w '{tmp_path}/mlflow.db'`"


def test_a_database_whose_writer_was_killed(made: Store, tmp_path: Path) -> None:
    """SQLite leaves its journal then, and whoever comes next takes the half-made change back."""
    store = resolve(tmp_path)
    shutil.copy(str(made.database), str(store.database))
    mlflow_moved.mend_moved(tmp_path, tmp_path / "mlflow.db")
    subprocess.run([sys.executable, "-c", DIE_WHILE_WRITING, str(store.database)], check=False)
    assert (tmp_path / "mlflow.db-journal").stat().st_size > 0
    assert mlflow_moved.moved_from(tmp_path, tmp_path / "mlflow.db") is None
    (run,) = mlflow_runs.find_runs(store, "churn")
    assert run.name == "first"
    assert artifact_locations(store) == [f"{tmp_path}/mlruns/0", f"{tmp_path}/mlruns/churn"]


def test_a_locked_database(made: Store, tmp_path: Path) -> None:
    error = mlflow_store.explained(
        sqlite3.OperationalError("database is locked"), "record the run", str(made), "/p/mlflow.db"
    )
    assert error.kind == "lock_timeout"
    assert error.message == "cannot record the run: another process keeps the database locked"
    assert error.hint == "close what uses '/p/mlflow.db' and try again"


def test_a_deleted_experiment_is_named(tmp_path: Path) -> None:
    store = resolve(tmp_path)
    run_id = mlflow_tracking.open_run(store, "churn", name="x", params={}, tags={})
    with mlflow_store.talking(store, "delete"):
        client = mlflow_store.connect(store)
        client.delete_experiment(client.get_run(run_id).info.experiment_id)
    with pytest.raises(ToolError) as raised:
        mlflow_tracking.open_run(store, "churn", name="x", params={}, tags={})
    assert raised.value.message == "the MLflow experiment 'churn' is deleted"
    assert raised.value.hint.endswith("mlflow experiments restore --experiment-id 1`")


def test_the_default_store_lasts_as_long_as_it_is_needed(made: Store) -> None:
    import mlflow

    before = mlflow.get_tracking_uri()
    with mlflow_store.as_default(made):
        assert mlflow.get_tracking_uri() == made.uri
    assert mlflow.get_tracking_uri() == before
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_a_moved_project_is_found_and_mended(made: Store, tmp_path: Path) -> None:
    run_id = mlflow_runs.find_runs(made, "churn")[0].id
    moved = resolve(tmp_path / "new place")
    shutil.copytree(made.root, moved.root)
    with pytest.raises(ToolError) as raised:
        mlflow_runs.get_run(moved, run_id)
    assert raised.value.context == (f"old: {made.root}", f"new: {moved.root}")
    assert raised.value.hint == "run `mlx doctor --fix`"

    assert moved.database is not None
    assert mlflow_moved.mend_moved(moved.root, moved.database) == 3
    assert artifact_locations(moved) == [str(moved.root / "mlruns/0"), str(moved.root / "mlruns/churn")]
    assert mlflow_runs.run_exists(moved, run_id)
    assert mlflow_moved.mend_moved(moved.root, moved.database) == 0


@pytest.mark.parametrize("name", ["what?", "my%20project"])
def test_a_folder_whose_name_mlflow_reads_as_another_one(tmp_path: Path, name: str) -> None:
    store = resolve(tmp_path / name)
    with pytest.raises(ToolError) as caught:
        mlflow_tracking.open_run(store, "churn", name="first", params={}, tags={})
    assert caught.value.message == (
        "MLflow does not find its files in a folder with '?' or a code such as '%20' in its name"
    )
    assert caught.value.context == (str(tmp_path / name),)
    assert caught.value.hint == "rename the folder, then run the same command again"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["100%", "-it's größe 🐍 #1 & `w` $HOME", "new\nline"])
def test_a_folder_may_have_any_other_name(tmp_path: Path, name: str) -> None:
    store = resolve(tmp_path / name)
    run_id = mlflow_tracking.open_run(store, "churn", name="first", params={}, tags={})
    (store.root / "a.txt").write_text("a")
    mlflow_tracking.close_run(store, run_id, status="FINISHED", artifacts=[store.root / "a.txt"])
    assert [path.parent.name for path in (store.root / "mlruns").rglob("a.txt")] == ["artifacts"]
    assert store.database is not None
    assert store.database.is_file()
    assert mlflow_runs.run_exists(store, run_id)


@pytest.mark.parametrize("uri", MISSING_DRIVERS)
def test_a_database_whose_driver_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    module, distribution = MISSING_DRIVERS[uri]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ToolError) as caught:
        mlflow_runs.find_runs(resolve(tmp_path, uri), "churn", limit=1)
    assert caught.value.message.endswith("the driver of this database is not installed")
    assert caught.value.context[0] == f"store: {uri.replace('secret', '***')}"
    assert caught.value.hint == f"run `pip install {distribution}`"


def test_the_query_and_its_values_are_not_shown() -> None:
    said = "(sqlite3.OperationalError) attempt to write a readonly database"
    flushed = "(raised as a result of Query-invoked autoflush; consider using a no_autoflush block) "
    error = RuntimeError(f"{flushed}{said}\n[SQL: INSERT INTO runs VALUES (?)]\n[parameters: ('mine',)]")
    found = explained(error, "record the run", "sqlite:///mlflow.db", "mlflow.db")
    assert found.message == "cannot record the run: the database is read-only"
    assert found.context == ("store: sqlite:///mlflow.db", said)


def test_a_folder_that_takes_no_journal_is_what_is_read_only(tmp_path: Path) -> None:
    """SQLite says the same of a file that may be written in a folder that may not."""
    (tmp_path / "mlflow.db").write_bytes(b"")
    error = sqlite3.OperationalError("attempt to write a readonly database")
    found = explained(error, "record the run", "sqlite:///mlflow.db", str(tmp_path / "mlflow.db"))
    assert found.hint == f"run `chmod u+w '{tmp_path}'`"


@pytest.mark.parametrize("said", ["database or disk is full", "[Errno 28] No space left on device"])
def test_a_full_disk_is_called_one(said: str) -> None:
    found = explained(sqlite3.OperationalError(said), "record the run", "sqlite:///mlflow.db", "mlflow.db")
    assert found.message == "cannot record the run: there is no space left on the disk"
    assert found.hint == "free some, for instance with `mlx gc`"
