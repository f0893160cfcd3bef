"""A model by whatever name a user gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlxkit.adapters import mlflow_registry, mlflow_store
from mlxkit.errors import MlxError, ToolError, UsageError
from mlxkit.project.models import Environment
from mlxkit.registry.references import (
    champion_model,
    default_model,
    find_model,
    workspace_model,
)

if TYPE_CHECKING:
    from registry_bench import Bench

    from mlxkit.registry.named_model import NamedModel


@pytest.fixture(autouse=True)
def _own_store(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every environment of the project keep its models in the store of the tests."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", bench.store.uri)


def find(bench: Bench, which: str, environment: str = "dev") -> NamedModel:
    return find_model(bench.project, which, environment=bench.project.environments[environment])


@pytest.fixture
def promoted(bench: Bench) -> tuple[str, str]:
    """Version 1 in dev, and a run whose model is in the workspace."""
    first = bench.run("good")
    bench.promote()
    return first, bench.run("poor")


@pytest.mark.parametrize(
    "form",
    ["@dev", "dev", "{name}@dev", "models:/{name}@dev", "{name}/1", "1", "v1", " 1 ", "{run}", "{start}"],
)
def test_every_form_of_a_name_finds_the_version(bench: Bench, promoted: tuple[str, str], form: str) -> None:
    run = promoted[0]
    found = find(bench, form.format(name=bench.project.name, run=run, start=run[:8]))
    assert found.version is not None
    assert (found.version.version, found.version.aliases, found.run_id) == ("1", ("dev",), run)
    assert found.title == "version 1 (@dev)"
    assert found.directory.joinpath("MLmodel").is_file()


def test_a_run_that_is_no_version_has_its_own_name(bench: Bench, promoted: tuple[str, str]) -> None:
    found = find(bench, promoted[1])
    assert (found.version, found.title) == (None, f"run {promoted[1][:8]}")
    here = workspace_model(bench.project, environment=bench.project.environments["dev"])
    assert here.is_same(found)
    assert here.title == f"run {promoted[1][:8]}, in the workspace"


def test_an_alias_that_somebody_gave_in_mlflow(bench: Bench, promoted: tuple[str, str]) -> None:
    mlflow_registry.set_alias(bench.store, bench.project.name, "tuesday", "1")
    assert find(bench, "tuesday").title == "version 1 (@dev @tuesday)"
    assert find(bench, "@tuesday").run_id == promoted[0]


@pytest.mark.parametrize(
    ("which", "message", "hint"),
    [
        ("7", "'{name}' has no version 7", "run `mlx models`"),
        ("{name}/7", "'{name}' has no version 7", "run `mlx models`"),
        ("12345678", "'{name}' has no version 12345678", "run `mlx models`"),
        ("production", "'production' has no model yet", "run `mlx promote --to production`"),
        ("@production", "'production' has no model yet", "run `mlx promote --to production`"),
        ("@nonsense", "no version of '{name}' has the alias 'nonsense'", "run `mlx models`"),
        (
            "@prodution",
            "no version of '{name}' has the alias 'prodution', did you mean 'production'?",
            "run `mlx models`",
        ),
        (
            "stagin",
            "there is no environment, version or run 'stagin', did you mean 'staging'?",
            "run `mlx models` or `mlx runs`",
        ),
        ("ffffffff", "there is no environment, version or run 'ffffffff'", "run `mlx models` or `mlx runs`"),
        ("latest", "there is no environment, version or run 'latest'", "run `mlx models` or `mlx runs`"),
        (
            "other@dev",
            "the model of this project is '{name}', not 'other'",
            "run `mlx models` for its versions",
        ),
        ("@", "'@' names no model", "run `mlx models` or `mlx runs`"),
        ("", "'' names no model", "run `mlx models` or `mlx runs`"),
        ("it's", "there is no environment, version or run 'it's'", "run `mlx models` or `mlx runs`"),
    ],
)
def test_what_there_is_not(
    bench: Bench, promoted: tuple[str, str], which: str, message: str, hint: str
) -> None:
    name = bench.project.name
    with pytest.raises(UsageError) as caught:
        find(bench, which.format(name=name))
    assert (caught.value.message, caught.value.hint) == (message.format(name=name), hint)


def test_the_message_lists_the_versions_that_there_are(bench: Bench, promoted: tuple[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        find(bench, "7")
    assert caught.value.context == ("version 1 @dev",)


def test_nothing_is_registered(bench: Bench) -> None:
    with pytest.raises(UsageError) as caught:
        find(bench, "3")
    assert caught.value.context == (f"'{bench.project.name}' is not registered yet",)
    assert caught.value.hint == "run `mlx promote`"


def test_a_name_of_two_runs(bench: Bench, promoted: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="more than one run is called 'run'") as caught:
        find(bench, "run")
    assert {line.split()[0] for line in caught.value.context} == set(promoted)


def test_a_deleted_run_is_told_from_one_that_never_was(bench: Bench, promoted: tuple[str, str]) -> None:
    with mlflow_store.talking(bench.store, "delete"):
        mlflow_store.connect(bench.store).delete_run(promoted[1])
    for which in (promoted[1], promoted[1][:10]):
        with pytest.raises(UsageError) as caught:
            find(bench, which)
        assert caught.value.message == f"the run '{which}' is deleted"
        assert caught.value.hint.endswith(f"mlflow runs restore --run-id {promoted[1]}`")


def test_a_version_whose_run_is_deleted_is_still_a_model(bench: Bench, promoted: tuple[str, str]) -> None:
    with mlflow_store.talking(bench.store, "delete"):
        mlflow_store.connect(bench.store).delete_run(promoted[0])
    found = find(bench, "1")
    assert (found.run, found.run_id) == (None, promoted[0])
    assert found.directory.joinpath("MLmodel").is_file()


def test_a_run_without_a_model(bench: Bench) -> None:
    run = bench.run(None, status="FAILED")
    with pytest.raises(MlxError) as caught:
        _ = find(bench, run).directory
    assert caught.value.message == f"run {run[:8]} has no model"
    assert caught.value.context == (f"run: {run}", "status: failed")


def test_the_default_is_the_champion_else_the_workspace(bench: Bench, promoted: tuple[str, str]) -> None:
    dev, staging = (bench.project.environments[name] for name in ("dev", "staging"))
    assert default_model(bench.project, environment=dev).run_id == promoted[0]
    assert champion_model(bench.project, environment=staging) is None
    assert default_model(bench.project, environment=staging).run_id == promoted[1]


def test_nothing_was_trained(bench: Bench) -> None:
    with pytest.raises(UsageError) as caught:
        default_model(bench.project, environment=bench.project.environments["dev"])
    assert caught.value.message == "there is no trained model in the workspace"
    assert caught.value.hint == "run `mlx run`"


def test_a_store_that_does_not_know_the_run(bench: Bench, promoted: tuple[str, str]) -> None:
    (bench.project.root / "models/churn.run.json").write_text('{"run_id": "' + 32 * "0" + '"}')
    with pytest.raises(UsageError) as caught:
        workspace_model(bench.project, environment=bench.project.environments["dev"])
    assert caught.value.message == "the store of 'dev' does not know the run of the model in the workspace"
    assert caught.value.hint == "run `mlx run --env dev`"


def test_a_store_that_does_not_answer(bench: Bench) -> None:
    away = Environment("dev", tracking="http://127.0.0.1:9")
    with pytest.raises(ToolError, match="model registry"):
        find_model(bench.project, "2", environment=away)
