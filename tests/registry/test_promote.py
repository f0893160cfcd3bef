"""Promotion from end to end: real models, a real store."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlxkit.adapters import (
    mlflow_logged_model,
    mlflow_model,
    mlflow_registry,
    mlflow_store,
    mlflow_tracking,
)
from mlxkit.errors import Refused, UsageError
from mlxkit.evaluation.training_rows import TRAINING_ROWS_FILE, fingerprint
from mlxkit.project.environments import DEFAULTS
from mlxkit.project.gates import MetricGate
from mlxkit.project.models import Project, Stage
from mlxkit.registry.promote import promote
from mlxkit.registry.promotion import Evaluation, Promotion, Provenance
from mlxkit.registry.versions import find_version

if TYPE_CHECKING:
    from pathlib import Path

    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.project.models import Direction

CLEAN = Provenance(dirty=False, locked=True, commit="c0ffee", by="ann")
GOOD, POOR = ["signal", "noise"], ["noise"]


def table(seed: int, rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"signal": rng.normal(size=rows), "noise": rng.normal(size=rows)})
    chance = 1 / (1 + np.exp(-2 * frame.signal))
    return frame.assign(Churn=np.where(rng.random(rows) < chance, "Yes", "No"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Saved models: one sees the signal, one sees noise alone, one was trained on the evaluation rows."""
    folder = tmp_path_factory.mktemp("models")
    recipes = {"good": (GOOD, table(1)), "poor": (POOR, table(1)), "cheat": (POOR, table(2))}
    for name, (columns, rows) in recipes.items():
        inputs = ColumnTransformer([("scaled", StandardScaler(), columns)])
        model = make_pipeline(inputs, LogisticRegression()).fit(rows[columns], rows.Churn)
        known = fingerprint(rows, columns=columns).to_json()
        mlflow_model.save_model(
            model,
            folder / name / "churn",
            example=rows[columns],
            predictions=model.predict(rows[columns].head()),
            extra_files={TRAINING_ROWS_FILE: known},
        )
    return {name: folder / name / "churn" for name in recipes}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return mlflow_store.resolve(tmp_path_factory.mktemp("store"))


@dataclass(frozen=True)
class Bench:
    """A project of one test, with what its tests say again and again."""

    project: Project
    store: Store
    models: dict[str, Path]

    def run(
        self, model: str | None, *, metrics: dict[str, Any] | None = None, status: str = "FINISHED"
    ) -> str:
        """Record a run as `mlx run` does, and make it the workspace's."""
        tags = {mlflow_tracking.COMMIT: "abc"}
        run_id = mlflow_tracking.open_run(self.store, self.project.name, name="run", params={}, tags=tags)
        model_id = None
        if model is not None:
            model_id = mlflow_logged_model.log_model(self.store, run_id, self.models[model])
        mlflow_tracking.close_run(
            self.store,
            run_id,
            status=status,  # type: ignore[arg-type]
            metrics=metrics or {},
            model_id=model_id,
        )
        record = self.project.root / "models/churn.run.json"
        record.parent.mkdir(exist_ok=True)
        record.write_text(json.dumps({"run_id": run_id}))
        return run_id

    def promote(self, to: str = "dev", **more: Any) -> Promotion:
        settings: dict[str, Any] = {
            "environment": self.project.environments[to],
            "store": self.store,
            "provenance": CLEAN,
            "evaluation": Evaluation(rows=lambda: table(2)),
        }
        return promote(self.project, **{**settings, **more})

    def with_gates(self, *gates: MetricGate) -> Bench:
        return replace(self, project=replace(self.project, gates=gates))

    @property
    def versions(self) -> list[str]:
        return [version.version for version in mlflow_registry.versions(self.store, self.project.name)]


@pytest.fixture
def bench(tmp_path: Path, store: Store, models: dict[str, Path]) -> Bench:
    project = Project(
        root=tmp_path,
        name=f"churn-{uuid4().hex[:8]}",
        package="churn",
        task="classification",
        target="Churn",
        positive="Yes",
        stages={"train": Stage("train", "train", call="m:f", outputs={"model": "models/churn"})},
        gates=(MetricGate("roc_auc", minimum=0.6), MetricGate("roc_auc", beats="champion")),
        environments=DEFAULTS,
    )
    return Bench(project, store, models)


def test_the_first_model_is_promoted(bench: Bench) -> None:
    run_id = bench.run("good")
    done = bench.promote()
    assert done.promoted
    document = done.to_json()
    gates = document.pop("gates")
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
    (lasting,) = [value for key, value in version.tags.items() if key.startswith("mlx.promotion.dev.")]
    record = json.loads(lasting)
    assert (record["by"], record["run_id"], record["champion"]) == ("ann", run_id, "1")


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
            "run `git commit -a && mlx run --force`",
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
