"""Promotion from end to end: real models, a real store."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from registry_bench import CLEAN, Bench, table

from mlxkit.adapters import mlflow_registry, mlflow_tracking
from mlxkit.cli.options import Session
from mlxkit.cli.promote import _lines
from mlxkit.errors import Refused, UsageError
from mlxkit.output import Output
from mlxkit.project.gates import MetricGate
from mlxkit.registry.promotion import Evaluation
from mlxkit.registry.records import records_in
from mlxkit.registry.versions import find_version

if TYPE_CHECKING:
    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.project.models import Direction
    from mlxkit.registry.provenance import Provenance


def test_the_first_model_is_promoted(bench: Bench) -> None:
    run_id = bench.run("good")
    done = bench.promote()
    assert done.promoted
    document = done.to_json()
    gates = document.pop("gates")
    assert document.pop("record") == 1
    assert document.pop("hints") == []
    assert document.pop("pending") is False
    assert document == {
        "promoted": True,
        "model": bench.project.name,
        "version": "1",
        "environment": "dev",
        "run_id": run_id,
        "champion": None,
    }
    assert [gate["passed"] for gate in gates] == [True, True]
    assert gates[0]["gate"] == "roc_auc >= 0.6"
    assert gates[1]["reason"] == "there is no champion yet, so there is nothing to beat"
    assert json.loads(json.dumps(document)) == document
    champion = mlflow_registry.champion(bench.store, bench.project.name, "dev")
    assert champion is not None
    assert (champion.version, champion.run_id) == ("1", run_id)


def test_a_promotion_leaves_a_record(bench: Bench) -> None:
    bench.run("poor")
    bench.with_gates().promote()
    run_id = bench.run("good")
    done = bench.promote()
    version = mlflow_registry.champion(bench.store, bench.project.name, "dev")
    assert version is not None
    assert version.tags["mlx.promoted_by"] == "ann"
    assert version.tags["mlx.commit"] == "abc"
    assert version.tags["mlx.environment"] == "dev"
    assert version.tags["mlx.champion_beaten"] == "1"
    assert json.loads(version.tags["mlx.gates"]) == done.to_json()["gates"]
    (record,) = [record for record in records_in([version]) if record.environment == "dev"]
    assert record == done.record
    assert (record.by, record.run_id, record.before, record.number) == ("ann", run_id, "1", 2)


def test_nothing_is_registered_unless_all_gates_pass(bench: Bench) -> None:
    bench.run("poor")
    done = bench.promote()
    assert not done.promoted
    assert not done.passed
    assert done.version is None
    assert [gate.passed for gate in done.gates] == [False, True]
    assert bench.versions == []


def test_a_better_model_beats_the_champion(bench: Bench) -> None:
    first = bench.run("poor")
    bench.with_gates().promote()
    bench.run("good")
    done = bench.promote()
    assert done.promoted
    assert done.to_json()["champion"] == {"version": "1", "run_id": first}
    assert done.gates[1].reason.startswith("ROC AUC is 0.8")
    assert "of version 1: better by" in done.gates[1].reason
    assert bench.versions == ["2", "1"]


def test_a_worse_or_equal_model_does_not(bench: Bench) -> None:
    bench.run("good")
    bench.promote()
    bench.run("good")
    equal = bench.promote()
    assert not equal.promoted
    assert equal.gates[1].reason.endswith("of version 1: no better")
    bench.run("poor")
    assert "of version 1: worse by" in bench.promote().gates[1].reason
    assert bench.versions == ["1"]


def test_a_champion_that_knows_the_evaluation_rows_is_no_measure(bench: Bench) -> None:
    bench.run("cheat")
    bench.with_gates().promote()
    bench.run("good")
    done = bench.promote()
    assert not done.promoted
    assert done.gates[1].reason.startswith("version 1 was trained on 400 of the 400 evaluation rows")


def test_the_champion_itself_is_a_sentence(bench: Bench) -> None:
    run_id = bench.run("good")
    bench.promote()
    again = bench.promote()
    assert again.promoted
    assert again.note == "version 1 is the champion of 'dev' already"
    assert (again.version, again.run_id, again.gates) == ("1", run_id, ())
    assert "note" not in again.to_json()
    assert bench.versions == ["1"]


def test_a_dry_run_changes_nothing(bench: Bench) -> None:
    bench.run("good")
    done = bench.promote(dry_run=True)
    assert (done.promoted, done.passed, done.version) == (False, True, None)
    assert bench.versions == []


def test_an_older_run_is_promoted_by_its_id(bench: Bench) -> None:
    older = bench.run("good")
    bench.run("poor")
    assert bench.promote(run_id=older[:10]).run_id == older


def test_production_takes_only_what_staging_has(bench: Bench) -> None:
    bench.run("good")
    with pytest.raises(Refused) as raised:
        bench.promote("production")
    assert raised.value.message == "'production' takes only the model that 'staging' has now"
    assert raised.value.context == ("'staging' has no version yet",)
    assert raised.value.hint == "run `mlx promote --to staging`"

    assert bench.promote("staging").version == "1"
    assert bench.promote("production").version == "1"
    aliases = mlflow_registry.versions(bench.store, bench.project.name)[0].aliases
    assert aliases == ("production", "staging")

    bench.run("poor")
    with pytest.raises(Refused) as raised:
        bench.with_gates().promote("production")
    assert raised.value.context == ("'staging' has version 1, which is another model",)


@pytest.mark.parametrize(
    ("provenance", "message", "hint"),
    [
        (
            replace(CLEAN, dirty=True),
            "'staging' takes no model from uncommitted work",
            "run `git add src && git commit -a && mlx run --force`",
        ),
        (
            replace(CLEAN, locked=False),
            "'staging' takes only models that the commit holds",
            "run `git add dvc.lock && git commit -m 'Train the model'`",
        ),
        (
            replace(CLEAN, locked=False, commit=None),
            "'staging' takes only models that a commit holds",
            "run `git init && git add --all && git commit -m 'Start'`, then `mlx run --force`",
        ),
    ],
)
def test_only_committed_work_goes_up(bench: Bench, provenance: Provenance, message: str, hint: str) -> None:
    bench.run("good")
    with pytest.raises(Refused) as raised:
        bench.promote("staging", provenance=provenance)
    assert (raised.value.message, raised.value.hint) == (message, hint)
    assert bench.promote("dev", provenance=provenance).promoted


def test_nothing_to_promote(bench: Bench) -> None:
    with pytest.raises(Refused) as raised:
        bench.promote()
    assert raised.value.message == "there is nothing to promote"
    assert raised.value.context == ("'models/churn.run.json' names no run",)
    assert raised.value.hint == "run `mlx run`"


def test_unknown_runs(bench: Bench) -> None:
    bench.run("good")
    with pytest.raises(UsageError, match="there is no run 'nope'"):
        bench.promote(run_id="nope")
    (bench.project.root / "models/churn.run.json").write_text('{"run_id": "0123456789abcdef"}')
    with pytest.raises(UsageError) as raised:
        bench.promote("staging")
    assert raised.value.message == "the store of 'staging' does not know the run of this model"
    assert raised.value.hint == "run `mlx run --env staging`"


def test_runs_without_a_finished_model(bench: Bench) -> None:
    bench.run("good", status="FAILED")
    with pytest.raises(Refused, match="the run 'run' did not finish"):
        bench.promote()
    bench.run(None)
    with pytest.raises(Refused, match="the run 'run' has no model"):
        bench.promote()


def test_a_metric_that_there_is_not(bench: Bench) -> None:
    bench.run("good", metrics={"gini": 0.5})
    done = bench.with_gates(MetricGate("profit", minimum=1.0)).promote()
    assert not done.promoted
    reason = done.gates[0].reason
    assert reason.startswith("cannot be judged: there is no metric 'profit'; there are accuracy, ")
    assert "gini" in reason


def saved(truth: pd.Series[Any], predictions: Predictions) -> float:
    """Count the churners that were found, and charge false alarms."""
    found = np.asarray(predictions.labels) == "Yes"
    churned = truth.to_numpy() == "Yes"
    return float((found & churned).mean() - 0.5 * (found & ~churned).mean())


def test_the_projects_own_metric_is_compared_on_the_rows(bench: Bench) -> None:
    own = Evaluation(rows=lambda: table(2), own_metrics={"saved": saved})
    gated = bench.with_gates(
        MetricGate("saved", minimum=0.1), MetricGate("saved", beats="champion", direction="higher")
    )
    bench.run("poor")
    bench.with_gates().promote()
    bench.run("good")
    done = gated.promote(evaluation=own)
    assert done.promoted
    assert "and by at least" in done.gates[1].reason


@pytest.mark.parametrize("metric", ["log_loss", "saved"])
def test_rows_of_one_key_are_no_more_evidence_than_one_of_them(bench: Bench, metric: str) -> None:
    """Ten rows, each ten times, seem to tell two models apart."""
    few = table(2)[80:90]
    evaluation = Evaluation(
        rows=lambda: pd.concat([few.assign(person=few.index)] * 10), own_metrics={"saved": saved}
    )
    direction: Direction = "lower" if metric == "log_loss" else "higher"
    gated = bench.with_gates(MetricGate(metric, beats="champion", direction=direction))
    bench.run("poor")
    bench.with_gates().promote()
    bench.run("good")
    assert gated.promote(evaluation=evaluation, dry_run=True).gates[0].passed
    keyed = replace(gated, project=replace(gated.project, key="person")).promote(evaluation=evaluation)
    assert not keyed.promoted
    assert "confidence on 100 rows of 10 keys; to tell such a difference takes about" in keyed.gates[0].reason


def test_recorded_metrics_decide_where_nothing_can_be_scored(bench: Bench) -> None:
    gated = bench.with_gates(MetricGate("cost", beats="champion", direction="lower"))
    bench.run("poor", metrics={"cost": 9.0})
    assert gated.promote(evaluation=Evaluation()).promoted
    bench.run("good", metrics={"cost": 7.5})
    done = gated.promote(evaluation=Evaluation())
    assert done.promoted
    assert done.gates[0].reason == (
        "'cost' is 7.500 against 9.000 of version 1: better by 1.500, as both runs recorded it"
    )


def test_recorded_metrics_of_different_data_are_not_compared(bench: Bench) -> None:
    gated = bench.with_gates(MetricGate("cost", beats="champion", direction="lower"))
    for model, data in (("poor", "a" * 32), ("good", "b" * 32)):
        run_id = bench.run(model, metrics={"cost": 9.0 if model == "poor" else 7.5})
        mlflow_tracking.set_tags(bench.store, run_id, {mlflow_tracking.EVALUATED_ON: data})
        done = gated.promote(evaluation=Evaluation())
    assert not done.promoted
    assert "their runs were evaluated on different data" in done.gates[0].reason


def test_a_champion_that_cannot_be_scored_is_a_verdict(bench: Bench) -> None:
    bench.run("good")
    bench.with_gates().promote()
    bench.run("poor")
    fewer = Evaluation(rows=lambda: table(2).drop(columns="signal"))
    done = bench.with_gates(MetricGate("roc_auc", beats="champion")).promote(evaluation=fewer)
    assert not done.promoted
    assert done.gates[0].reason == (
        "no comparison with version 1: the rows lack columns that the model needs: 'signal'"
    )
    bench.run("good")
    with pytest.raises(UsageError, match="the rows lack columns that the model needs: 'signal'"):
        bench.promote(evaluation=fewer)


def test_a_champion_that_changes_meanwhile_stays(bench: Bench) -> None:
    bench.run("good")
    bench.promote()
    bench.run("poor")
    bench.with_gates().promote("staging")

    def rows() -> pd.DataFrame:
        mlflow_registry.set_alias(bench.store, bench.project.name, "dev", "2")
        return table(2)

    bench.run("good")
    with pytest.raises(Refused) as raised:
        bench.with_gates(MetricGate("roc_auc", minimum=0.6)).promote(evaluation=Evaluation(rows=rows))
    assert raised.value.message == "the champion of 'dev' changed while this model was judged"
    champion = mlflow_registry.champion(bench.store, bench.project.name, "dev")
    assert champion is not None
    assert champion.version == "2"
    assert not any(key.startswith("mlx.promotion.dev") for key in _newest(bench).tags)


def _newest(bench: Bench) -> mlflow_registry.Version:
    return mlflow_registry.versions(bench.store, bench.project.name)[0]


def test_versions_are_found_by_any_name(bench: Bench) -> None:
    name = bench.project.name
    with pytest.raises(UsageError) as raised:
        find_version(bench.store, name, "dev")
    assert (raised.value.context, raised.value.hint) == (
        (f"'{name}' is not registered yet",),
        "run `mlx promote`",
    )
    bench.run("good")
    bench.promote()
    for which in ("1", "v1", "dev"):
        assert find_version(bench.store, name, which).version == "1"
    with pytest.raises(UsageError) as raised:
        find_version(bench.store, name, "7")
    assert raised.value.message == f"'{name}' has no version '7'"
    assert (raised.value.context, raised.value.hint) == (("version 1 @dev",), "run `mlx models`")


def test_it_says_where_the_model_can_be_loaded_from(bench: Bench) -> None:
    bench.run("good")
    done = bench.with_gates().promote()
    session = Session(Output())
    name = f"mlflow.pyfunc.load_model('models:/{bench.project.name}@dev')"
    assert _lines(session, bench.project, done, dry_run=False)[-1] == f"load it: {name}"
    dev = replace(bench.project.environments["dev"], tracking="${TRACKING}")
    away = replace(bench.project, environments={**bench.project.environments, "dev": dev})
    says = f"load it with MLFLOW_TRACKING_URI=${{TRACKING}}: {name}"
    assert _lines(session, away, done, dry_run=False)[-1] == says
