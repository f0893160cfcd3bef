"""What of the project's MLflow store is garbage: deleted runs, unfinished models, stray artifacts."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from mlxkit.adapters import mlflow_moved, mlflow_store
from mlxkit.errors import ToolError
from mlxkit.pipeline.gc import gc

if TYPE_CHECKING:
    from pathlib import Path

    from small_project import SmallProject

    from mlxkit.pipeline.garbage import Garbage

LATER = time.time() + 15 * 86400.0
STRAY, STRAY_MODEL = "0" * 32, "m-" + "0" * 32


def fill(store: mlflow_store.Store) -> dict[str, str]:
    """Make runs and models of every fate, each with a file of ten bytes; returns name -> id."""
    client: Any
    with mlflow_store.talking(store, "fill the store"):
        client = mlflow_store.connect(store)
        experiment = mlflow_store.experiment_id(client, store, "demo")
        ids = {}
        for name in ("active", "failed", "running", "deleted", "registered"):
            ids[name] = str(client.create_run(experiment).info.run_id)
            client.log_text(ids[name], "ten bytes.", "notes/a.txt")
        for name, run, status in (
            ("ready", "active", "READY"),
            ("failed model", "failed", "FAILED"),
            ("pending model", "failed", None),
            ("live model", "running", None),
            ("live failure", "running", "FAILED"),
            ("deleted model", "active", "READY"),
            ("deleted champion", "active", "READY"),
            ("model of a deleted run", "deleted", "READY"),
        ):
            model = client.create_logged_model(experiment, name="model", source_run_id=ids[run])
            ids[name] = str(model.model_id)
            folder = store.root / "made"
            folder.mkdir(exist_ok=True)
            (folder / "MLmodel").write_text("ten bytes.")
            client.log_model_artifacts(ids[name], str(folder))
            if status is not None:
                client.finalize_logged_model(ids[name], status)
        for name, status in (("active", "FINISHED"), ("failed", "FAILED")):
            client.set_terminated(ids[name], status)
        with mlflow_store.as_default(store):
            client.create_registered_model("demo")
            source = f"models:/{ids['deleted champion']}"
            client.create_model_version(
                "demo", source, run_id=ids["registered"], model_id=ids["deleted champion"]
            )
        for name in ("deleted", "registered"):
            client.delete_run(ids[name])
        for name in ("deleted model", "deleted champion"):
            client.delete_logged_model(ids[name])
    return ids


@pytest.fixture(scope="session")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    root = tmp_path_factory.mktemp("filled")
    return root, fill(mlflow_store.resolve(root))


@pytest.fixture
def ids(bare: SmallProject, _filled: tuple[Path, dict[str, str]]) -> dict[str, str]:
    """The project `bare` with a store of its own: name -> id of its runs and models."""
    root, ids = _filled
    bare.configure({"copy": {"cmd": "true", "outputs": ["out.txt"]}})
    shutil.copytree(root / "mlruns", bare.root / "mlruns")
    shutil.copy(root / "mlflow.db", bare.root)
    mlflow_moved.mend_moved(bare.root, bare.root / "mlflow.db")
    return ids


def left(root: Path) -> set[str]:
    """Return the ids of all runs and models in the database."""
    with closing(sqlite3.connect(root / "mlflow.db")) as connection:
        runs = connection.execute("SELECT run_uuid FROM runs").fetchall()
        models = connection.execute("SELECT model_id FROM logged_models").fetchall()
    return {row[0] for row in (*runs, *models)}


def folders(root: Path) -> set[str]:
    """Return the ids of all runs and models that have artifacts."""
    return {path.parent.name for path in (root / "mlruns").rglob("artifacts")}


def heap(garbage: Garbage, kind: str) -> tuple[int, int, int, int]:
    """Return number and bytes of what lies there, and of what nothing needs."""
    (found,) = (heap for heap in garbage.heaps if (heap.place, heap.kind) == ("mlflow", kind))
    return found.number, found.size, len(found.waste), sum(one.size for one in found.waste)


USELESS = {"deleted", "failed model", "pending model", "deleted model"}


def test_what_was_deleted_or_never_finished_goes_and_nothing_else(
    bare: SmallProject, ids: dict[str, str]
) -> None:
    looked = gc(bare.root, older_than=0)
    assert heap(looked, "runs") == (5, 50, 1, 10)
    assert heap(looked, "logged models") == (8, 80, 3, 30)
    assert heap(looked, "artifacts of no run") == (0, 0, 0, 0)
    assert left(bare.root) == folders(bare.root) == set(ids.values())

    done = gc(bare.root, older_than=0, delete=True)
    assert (len(done.deleted), done.failed, done.notes) == (4, (), ())
    kept = {one for name, one in ids.items() if name not in USELESS}
    assert left(bare.root) == folders(bare.root) == kept
    assert gc(bare.root, older_than=0, delete=True).deleted == ()


def test_mlflow_can_still_read_all_that_is_left(bare: SmallProject, ids: dict[str, str]) -> None:
    gc(bare.root, older_than=0, delete=True)
    store = mlflow_store.resolve(bare.root)
    with mlflow_store.talking(store, "read"), mlflow_store.as_default(store):
        client = mlflow_store.connect(store)
        assert client.get_logged_model(ids["ready"]).model_id == ids["ready"]
        assert client.get_logged_model(ids["model of a deleted run"]).status == "READY"
        assert client.get_model_version("demo", "1").run_id == ids["registered"]
        client.restore_run(ids["registered"])
        assert client.get_run(ids["active"]).info.status == "FINISHED"


@pytest.mark.parametrize(("days", "goes"), [(14, 4), (16, 0)])
def test_the_age(bare: SmallProject, ids: dict[str, str], days: float, goes: int) -> None:
    (bare.root / "mlruns/demo" / STRAY / "artifacts").mkdir(parents=True)
    assert len(gc(bare.root, older_than=days, now=LATER).waste) == goes + (goes > 0)
    assert gc(bare.root).waste == ()


def test_folders_of_no_run_and_no_model(bare: SmallProject, ids: dict[str, str]) -> None:
    experiments = {"demo": STRAY, "of a database that is gone": STRAY, "demo/models": STRAY_MODEL}
    for experiment, name in experiments.items():
        bare.write({f"mlruns/{experiment}/{name}/artifacts/x": "1"})
    bare.write(
        {
            f"mlruns/0/{'1' * 32}/meta.yaml": "a store of files",
            "mlruns/demo/notes/x": "1",
            f"mlruns/{'2' * 32}": "a file",
        }
    )
    garbage = gc(bare.root, older_than=0, delete=True)
    assert heap(garbage, "artifacts of no run") == (3, 3, 3, 3)
    assert not {STRAY, STRAY_MODEL} & folders(bare.root)
    assert (bare.root / f"mlruns/0/{'1' * 32}/meta.yaml").exists()
    assert (bare.root / "mlruns/demo/notes/x").exists()
    assert (bare.root / f"mlruns/{'2' * 32}").exists()


def test_killed_between_database_and_artifacts_the_rest_goes_next_time(
    bare: SmallProject, ids: dict[str, str]
) -> None:
    store = mlflow_store.resolve(bare.root)
    from mlxkit.adapters import mlflow_garbage

    mlflow_garbage.forget(store, runs=[ids["deleted"]], models=[])
    garbage = gc(bare.root, older_than=0, delete=True)
    assert heap(garbage, "artifacts of no run") == (1, 10, 1, 10)
    assert ids["deleted"] not in folders(bare.root)


def test_runs_of_another_database_in_the_same_folder_are_known(
    bare: SmallProject, ids: dict[str, str]
) -> None:
    bare.write({f"mlruns/demo/{STRAY}/artifacts/x": "1"})
    with closing(sqlite3.connect(bare.root / "other.db")) as connection, connection:
        connection.execute("CREATE TABLE runs (run_uuid TEXT)")
        connection.execute("INSERT INTO runs VALUES (?)", (STRAY,))
    with closing(sqlite3.connect(bare.root / "users.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE anything (x)")
    assert heap(gc(bare.root, older_than=0), "artifacts of no run") == (0, 0, 0, 0)


@pytest.mark.parametrize("tracking", ["postgresql://host/mlflow", "sqlite:////elsewhere/x.db", "${STORE}"])
def test_where_another_store_keeps_artifacts_there_strays_are_left_alone(
    bare: SmallProject, ids: dict[str, str], tracking: str
) -> None:
    bare.write({f"mlruns/demo/{STRAY}/artifacts/x": "1"})
    stages = {"copy": {"cmd": "true", "outputs": ["out.txt"]}}
    bare.configure(stages, environments={"dev": {}, "staging": {"tracking": tracking}})
    garbage = gc(bare.root, older_than=0, delete=True)
    assert garbage.notes == (
        "other stores keep artifacts in 'mlruns', so folders of no run here are left alone",
    )
    assert len(garbage.deleted) == len(USELESS)
    assert STRAY in folders(bare.root)


@pytest.mark.parametrize("tracking", ["https://mlflow.example.org", "sqlite:///other.db"])
def test_a_server_and_a_file_beside_it_are_no_obstacle(
    bare: SmallProject, ids: dict[str, str], tracking: str
) -> None:
    bare.write({f"mlruns/demo/{STRAY}/artifacts/x": "1"})
    stages = {"copy": {"cmd": "true", "outputs": ["out.txt"]}}
    bare.configure(stages, environments={"dev": {}, "staging": {"tracking": tracking}})
    assert heap(gc(bare.root, older_than=0), "artifacts of no run") == (1, 1, 1, 1)


@pytest.mark.parametrize("uri", ["https://user:secret@mlflow.example.org", "sqlite:////elsewhere/x.db"])
def test_a_store_of_others_is_left_to_its_owner(
    bare: SmallProject, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    garbage = gc(bare.root, older_than=0, delete=True)
    shown = uri.replace("secret", "***")
    assert garbage.notes == (
        f"MLflow's store {shown} is not this project's own: `mlflow gc` there is for its owner",
    )
    assert [heap for heap in garbage.heaps if heap.place == "mlflow"] == []
    assert left(bare.root) == folders(bare.root) == set(ids.values())


def test_models_that_another_registry_may_name_are_left_alone(
    bare: SmallProject, ids: dict[str, str]
) -> None:
    stages = {"copy": {"cmd": "true", "outputs": ["out.txt"]}}
    bare.configure(stages, environments={"dev": {}, "staging": {"registry": "https://models.example.org"}})
    garbage = gc(bare.root, older_than=0, delete=True)
    assert garbage.notes == (
        "models of MLflow's store are registered elsewhere, so nobody here knows which are needed",
    )
    assert left(bare.root) == folders(bare.root) == set(ids.values())


def test_artifacts_elsewhere_keep_their_run(bare: SmallProject, ids: dict[str, str]) -> None:
    with closing(sqlite3.connect(bare.root / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE runs SET artifact_uri = 's3://bucket/' || run_uuid || '/artifacts'")
    gc(bare.root, older_than=0, delete=True)
    assert ids["deleted"] in left(bare.root)
    assert ids["deleted"] in folders(bare.root)


def test_a_project_that_was_moved_is_refused(bare: SmallProject, ids: dict[str, str]) -> None:
    moved = bare.copy_to(bare.root.with_name("moved"))
    with pytest.raises(ToolError, match="the project's folder was moved or copied") as caught:
        gc(moved.root, older_than=0, delete=True)
    assert caught.value.hint == "run `mlx doctor --fix`"
    assert folders(moved.root) == set(ids.values())


def test_a_store_that_is_not_made_yet(bare: SmallProject) -> None:
    bare.configure({"copy": {"cmd": "true", "outputs": ["out.txt"]}})
    bare.write({f"mlruns/demo/{STRAY}/artifacts/x": "1"})
    garbage = gc(bare.root, older_than=0, delete=True)
    assert [heap for heap in garbage.heaps if heap.place == "mlflow"] == []
    assert not (bare.root / "mlflow.db").exists()
    assert folders(bare.root) == {STRAY}


def test_a_database_of_another_kind_is_an_error(bare: SmallProject) -> None:
    bare.configure({"copy": {"cmd": "true", "outputs": ["out.txt"]}})
    with closing(sqlite3.connect(bare.root / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE runs (id TEXT)")
    with pytest.raises(ToolError, match="cannot see what lies in MLflow"):
        gc(bare.root, older_than=0)


def test_a_database_that_cannot_be_written_is_reported_and_the_rest_goes_on(
    bare: SmallProject, ids: dict[str, str]
) -> None:
    bare.write({f"mlruns/demo/{STRAY}/artifacts/x": "1"})
    with closing(sqlite3.connect(bare.root / "mlflow.db")) as connection, connection:
        for table in ("runs", "logged_models"):
            connection.execute(
                f"CREATE TRIGGER keep_{table} BEFORE DELETE ON {table}"
                " BEGIN SELECT RAISE(ABORT, 'attempt to write a readonly database'); END"
            )
    garbage = gc(bare.root, older_than=0, delete=True)
    assert [(one.path, one.reason) for one in garbage.failed] == [
        (bare.root / "mlflow.db", "cannot delete runs from MLflow: the database is read-only")
    ]
    assert folders(bare.root) == set(ids.values())
