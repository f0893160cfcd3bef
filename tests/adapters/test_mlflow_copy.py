"""Runs carried from one store to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mlxkit.adapters import mlflow_copy, mlflow_store
from mlxkit.adapters.mlflow_store import resolve, unrecorded
from mlxkit.adapters.mlflow_tracking import ENVIRONMENT, RESTORED_FROM, close_run, open_run

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_that_was_carried_when_the_end_came_is_not_carried_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    source, target = unrecorded(tmp_path), resolve(tmp_path)
    run_id = open_run(source, "churn", name="one", params={}, tags={ENVIRONMENT: "dev"})
    close_run(source, run_id, status="FINISHED", metrics={"r2": 0.5})

    def end(client: Any, ended: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "delete_run", end)
        with pytest.raises(KeyboardInterrupt):
            mlflow_copy.sync(source, target, "churn", ["dev"])
    (carried,) = mlflow_copy.sync(source, target, "churn", ["dev"])
    with mlflow_store.talking(target, "look"):
        client = mlflow_store.connect(target)
        experiment = mlflow_store.experiment_id(client, target, "churn")
        found = client.search_runs([experiment], f"tags.`{RESTORED_FROM}` = '{run_id}'")
    assert [run.info.run_id for run in found] == [carried]
    assert mlflow_copy.count(source) == 0


def test_what_goes_on_to_a_third_store_is_carried_once(tmp_path: Path) -> None:
    stores = [resolve(tmp_path, f"sqlite:///{name}.db") for name in ("dev", "staging", "production")]
    trained = open_run(stores[0], "churn", name="one", params={}, tags={})
    close_run(stores[0], trained, status="FINISHED", metrics={"r2": 0.5})
    there = mlflow_copy.carry(stores[0], stores[1], "churn", trained)
    further = [mlflow_copy.carry(stores[1], stores[2], "churn", there) for _ in range(2)]
    assert further[0] == further[1]
    with mlflow_store.talking(stores[2], "look"):
        client = mlflow_store.connect(stores[2])
        experiment = mlflow_store.experiment_id(client, stores[2], "churn")
        (found,) = client.search_runs([experiment])
    assert found.data.tags[RESTORED_FROM] == trained
