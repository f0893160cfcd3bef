"""Environments with stores of their own: the model is carried, or the code; and a store that goes away."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mlxkit.adapters import mlflow_registry, mlflow_runs, mlflow_store, mlflow_tracking
from mlxkit.errors import Refused, ToolError
from mlxkit.project.models import Environment
from mlxkit.registry.history import history

if TYPE_CHECKING:
    from registry_bench import Bench


@pytest.fixture
def apart(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Bench]:
    """Staging in one store, and production in another, each as its own bench."""
    other = mlflow_store.resolve(tmp_path_factory.mktemp("production"))
    environments = {
        **bench.project.environments,
        "staging": Environment("staging", tracking=bench.store.uri),
        "production": Environment("production", tracking=other.uri, requires="staging"),
    }
    project = replace(bench.project, gates=(), environments=environments)
    return replace(bench, project=project), replace(bench, project=project, store=other)


def marked(bench: Bench, run_id: str, **tags: str) -> None:
    mlflow_tracking.set_tags(bench.store, run_id, tags)


def test_the_model_of_staging_is_carried_once_it_has_passed(apart: tuple[Bench, Bench]) -> None:
    staging, production = apart
    run_id = staging.run("good", metrics={"roc_auc": 0.9})
    staging.promote("staging")
    assert production.promote("production", dry_run=True).passed
    assert mlflow_runs.find_runs(production.store, production.project.name) == ()
    done = production.promote("production")
    assert (done.promoted, done.version) == (True, "1")
    (carried,) = mlflow_runs.find_runs(production.store, production.project.name)
    assert carried.tags[mlflow_tracking.RESTORED_FROM] == run_id
    assert carried.metrics == {"roc_auc": 0.9}
    assert production.promote("production").note == "version 1 is the champion of 'production' already"


def test_a_model_that_the_same_commit_made_of_other_data_is_as_good(apart: tuple[Bench, Bench]) -> None:
    staging, production = apart
    staging.run("good")
    staging.promote("staging")
    production.run("poor")
    assert production.promote("production").promoted


@pytest.mark.parametrize(
    "tags", [{mlflow_tracking.COMMIT: "def"}, {mlflow_tracking.DIRTY: "true"}], ids=["another", "uncommitted"]
)
def test_of_other_code_it_is_not(apart: tuple[Bench, Bench], tags: dict[str, Any]) -> None:
    staging, production = apart
    staging.run("good")
    staging.promote("staging")
    marked(production, production.run("poor"), **tags)
    with pytest.raises(Refused, match="'production' takes only the model that 'staging' has now"):
        production.promote("production")


def test_a_store_that_goes_away_before_the_alias_moves(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run("poor")
    bench.with_gates().promote()
    bench.run("good")

    def away(*_: Any) -> None:
        raise ToolError("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_registry, "set_alias", away)
        with pytest.raises(ToolError, match="the store does not answer"):
            bench.promote()
    seen = [(entry.what, entry.version) for entry in history(bench.project, bench.store, "dev")]
    assert seen == [("promoted", "1"), ("not finished", "2")]
    done = bench.promote()
    assert (done.promoted, done.version) == (True, "2")
    seen = [(entry.what, entry.version) for entry in history(bench.project, bench.store, "dev")]
    assert seen == [("promoted", "1"), ("promoted", "2")]
