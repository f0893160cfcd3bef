"""Gates that get stricter upwards, and what they are given of the workspace."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from registry_bench import GOOD, Bench, table

from mlxkit.errors import ConfigError, DataError
from mlxkit.project.gates import MetricGate
from mlxkit.project.models import Environment, Stage
from mlxkit.registry.promotion import Evaluation
from mlxkit.registry.workspace import evaluation_of

STRICT = MetricGate("roc_auc", minimum=0.99)


def test_an_environment_is_stricter_than_the_one_below(bench: Bench) -> None:
    staging = Environment("staging", gates=(STRICT,))
    environments = {**bench.project.environments, "staging": staging}
    upwards = replace(bench, project=replace(bench.project, environments=environments))
    upwards.run("good")
    assert upwards.promote("dev").promoted
    done = upwards.promote("staging")
    assert not done.promoted
    assert [gate.gate for gate in done.gates] == [
        "roc_auc >= 0.6",
        "roc_auc beats champion",
        "roc_auc >= 0.99",
    ]
    assert [gate.passed for gate in done.gates] == [True, True, False]


def test_the_hash_of_the_rows_is_in_the_verdict(bench: Bench) -> None:
    bench.run("poor")
    bench.with_gates().promote()
    bench.run("good")
    done = bench.promote(evaluation=Evaluation(rows=lambda: table(2), data=lambda: "c0ffee11" * 4))
    assert "confidence on 400 rows (data c0ffee1)" in done.gates[1].reason


def test_the_hash_is_that_of_dvc(bench: Bench) -> None:
    evaluate = Stage("evaluate", "evaluate", inputs={"test": "test.csv"}, outputs={})
    project = replace(bench.project, stages={**bench.project.stages, "evaluate": evaluate})
    table(2).to_csv(project.root / "test.csv", index=False)
    evaluation = evaluation_of(project, project.environments["dev"])
    assert evaluation.rows is not None
    assert len(evaluation.rows()) == 400
    assert evaluation.data() == hashlib.md5((project.root / "test.csv").read_bytes()).hexdigest()


def test_own_metrics_of_an_environments_gates_are_measured_too(bench: Bench) -> None:
    evaluate = Stage("evaluate", "evaluate", inputs={"test": "test.csv"}, outputs={})
    project = replace(bench.project, stages={**bench.project.stages, "evaluate": evaluate})
    staging = Environment(
        "staging", gates=(MetricGate("profit", minimum=1.0), MetricGate("baseline.f1", maximum=1.0))
    )
    assert not evaluation_of(project, project.environments["dev"]).own_metrics
    with pytest.raises(ConfigError, match="a gate names the metric 'profit'"):
        evaluation_of(project, staging)
    steps = project.root / "src/churn/steps.py"
    steps.parent.mkdir(parents=True)
    steps.write_text("def judge(model, test):\n    return {'profit': 2.0}\n")
    own = replace(evaluate, call="churn.steps:judge")
    asked = replace(project, stages={**project.stages, "evaluate": own})
    assert list(evaluation_of(asked, staging).own_metrics) == ["profit"]


def test_a_model_that_raises_on_the_rows_is_told_as_such(bench: Bench) -> None:
    bench.run("good")
    words = Evaluation(rows=lambda: table(2).assign(**dict.fromkeys(GOOD, "many")))
    with pytest.raises(DataError, match="the model does not predict the evaluation rows: ValueError: "):
        bench.promote(evaluation=words)
