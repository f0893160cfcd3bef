"""Versions that nothing needs go; whatever an environment has, had, or may get stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry, mlflow_runs
from mlxkit.registry.decision import decide
from mlxkit.registry.prune import prune

if TYPE_CHECKING:
    from registry_bench import Bench


def test_only_what_was_never_promoted_goes(bench: Bench) -> None:
    staging = replace(bench.project.environments["staging"], approvers=("anyone",))
    environments = {**bench.project.environments, "staging": staging}
    open_gates = replace(bench, project=replace(bench.project, gates=(), environments=environments))
    for model in ("poor", "good"):
        open_gates.run(model)
        open_gates.promote()
    open_gates.run("poor")
    open_gates.promote("staging")
    rejected = decide(open_gates.project, staging, bench.store, by="bob", approve=False)
    assert rejected is not None
    open_gates.run("good")
    open_gates.promote("staging")
    run_id = open_gates.run("poor")
    model_id = mlflow_runs.logged_model(bench.store, run_id)
    assert model_id is not None
    mlflow_registry.register(bench.store, bench.project.name, run_id=run_id, model_id=model_id)
    young = prune(open_gates.project, bench.store)
    assert young.deleted == ()
    shown = prune(open_gates.project, bench.store, older_than_days=0, dry_run=True)
    assert [version.version for version in shown.deleted] == ["5", "3"]
    assert {version.version: why for version, why in shown.kept} == {
        "4": "waits for approval in 'staging'",
        "2": "@dev",
        "1": "in the history of 'dev'",
    }
    assert bench.versions == ["5", "4", "3", "2", "1"]
    assert len(prune(open_gates.project, bench.store, older_than_days=0).deleted) == 2
    assert bench.versions == ["4", "2", "1"]
