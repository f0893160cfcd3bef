"""Versions and aliases, on a database and behind a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from pandas import DataFrame
from sklearn.linear_model import LinearRegression
from tests.mlflow_server import serving

from mlxkit.adapters import mlflow_model, mlflow_registry, mlflow_runs, mlflow_store
from mlxkit.adapters.mlflow_logged_model import log_model
from mlxkit.adapters.mlflow_store import resolve
from mlxkit.adapters.mlflow_tracking import close_run, open_run
from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlxkit.adapters.mlflow_store import Store


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return resolve(tmp_path_factory.mktemp("a project"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield resolve(tmp_path_factory.mktemp("client"), server.url)


@pytest.fixture(params=["database", pytest.param("server", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def name() -> str:
    """A model of one test in the shared store."""
    return f"churn-{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "churn"
    rows = DataFrame({"x": [1.0, 2.0]})
    mlflow_model.save_model(LinearRegression().fit(rows, [1.0, 2.0]), folder, example=rows, predictions=[1.0])
    return folder


def logged(store: Store, name: str, directory: Path) -> tuple[str, str]:
    """Record a run with a model and return both ids."""
    run_id = open_run(store, name, name="run", params={"a": 1}, tags={})
    model_id = log_model(store, run_id, directory)
    close_run(store, run_id, status="FINISHED", metrics={"r2": 1.0}, model_id=model_id)
    return run_id, model_id


def test_a_model_becomes_a_version(store: Store, name: str, directory: Path) -> None:
    run_id, model_id = logged(store, name, directory)
    made = mlflow_registry.register(
        store, name, run_id=run_id, model_id=model_id, tags={"mlx.commit": "abc"}, description="the first"
    )
    assert (made.model, made.version, made.run_id, made.model_id) == (name, "1", run_id, model_id)
    assert (made.source, made.description) == (f"models:/{model_id}", "the first")
    assert made.tags == {"mlx.commit": "abc"}

    mlflow_registry.set_alias(store, name, "dev", "1")
    mlflow_registry.set_alias(store, name, "staging", "1")
    for found in (
        mlflow_registry.champion(store, name, "dev"),
        mlflow_registry.get_version(store, name, "1"),
        *mlflow_registry.versions(store, name),
    ):
        assert found is not None
        assert (found.version, found.aliases) == ("1", ("dev", "staging"))
        assert (found.run_id, found.model_id) == (run_id, model_id)


def test_one_model_is_one_version(store: Store, name: str, directory: Path) -> None:
    run_id, model_id = logged(store, name, directory)
    first = mlflow_registry.register(store, name, run_id=run_id, model_id=model_id, tags={"a": "1"})
    again = mlflow_registry.register(store, name, run_id=run_id, model_id=model_id, tags={"b": "2"})
    assert again.version == first.version == "1"
    assert again.tags == {"a": "1", "b": "2"}

    other = logged(store, name, directory)
    assert mlflow_registry.register(store, name, run_id=other[0], model_id=other[1]).version == "2"
    assert [version.version for version in mlflow_registry.versions(store, name)] == ["2", "1"]


def test_an_alias_moves(store: Store, name: str, directory: Path) -> None:
    for number in ("1", "2"):
        run_id, model_id = logged(store, name, directory)
        mlflow_registry.register(store, name, run_id=run_id, model_id=model_id)
        mlflow_registry.set_alias(store, name, "dev", number)
    newest, oldest = mlflow_registry.versions(store, name)
    assert (newest.aliases, oldest.aliases) == (("dev",), ())


def test_what_is_not_there_is_none(store: Store, name: str, directory: Path) -> None:
    assert mlflow_registry.champion(store, name, "dev") is None
    assert mlflow_registry.get_version(store, name, "1") is None
    assert mlflow_registry.versions(store, name) == ()
    run_id, model_id = logged(store, name, directory)
    mlflow_registry.register(store, name, run_id=run_id, model_id=model_id)
    assert mlflow_registry.champion(store, name, "production") is None
    assert mlflow_registry.get_version(store, name, "2") is None
    assert not mlflow_runs.run_exists(store, "0" * 32)


def test_the_files_of_a_version(
    store: Store, name: str, directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_id, model_id = logged(store, name, directory)
    version = mlflow_registry.register(store, name, run_id=run_id, model_id=model_id)
    capfd.readouterr()
    folder = mlflow_registry.download(store, version)
    assert mlflow_model.load_model(folder).predict(DataFrame({"x": [3.0]})) == pytest.approx([3.0])
    assert mlflow_registry.download(store, version) == folder
    assert mlflow_registry.download_model(store, model_id) == folder
    assert capfd.readouterr() == ("", "")
    inside = store.artifacts or store.root / ".mlx/models"
    assert folder.is_relative_to(inside)


def test_files_that_are_gone(database: Store, name: str, directory: Path) -> None:
    run_id, model_id = logged(database, name, directory)
    version = mlflow_registry.register(database, name, run_id=run_id, model_id=model_id)
    folder = mlflow_registry.download(database, version)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(ToolError) as raised:
        mlflow_registry.download(database, version)
    assert raised.value.context[0] == f"'{folder}' does not exist"
    assert raised.value.hint == "run `mlx doctor --fix`"


def test_a_version_that_somebody_registered_by_hand(database: Store, name: str, directory: Path) -> None:
    with mlflow_store.talking(database, "register by hand"):
        client = mlflow_store.connect(database)
        client.create_registered_model(name)
        client.create_model_version(name, str(directory))
    (version,) = mlflow_registry.versions(database, name)
    assert (version.run_id, version.model_id) == (None, None)
    assert mlflow_registry.download(database, version) == directory


def test_mlflow_finds_the_model_by_its_alias(database: Store, name: str, directory: Path) -> None:
    run_id, model_id = logged(database, name, directory)
    mlflow_registry.register(database, name, run_id=run_id, model_id=model_id)
    mlflow_registry.set_alias(database, name, "production", "1")
    with mlflow_store.as_default(database), mlflow_store.quiet():
        from mlflow import pyfunc

        model = pyfunc.load_model(f"models:/{name}@production")
    assert model.predict(DataFrame({"x": [3]})) == pytest.approx([3.0])
    assert model.metadata.run_id == run_id
