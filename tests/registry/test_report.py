"""`mlx report` as Markdown: real models, a real store, a real comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.registry.test_compare import trained

from mlxkit.errors import Refused
from mlxkit.evaluation.facts import Evaluation, Method
from mlxkit.evaluation.facts_of_predictions import ClassificationFacts, Curve
from mlxkit.registry.compare import compare
from mlxkit.registry.gates.verdict import GateVerdict
from mlxkit.registry.promotion import Promotion
from mlxkit.registry.references import find_model
from mlxkit.registry.report import ModelReport
from mlxkit.registry.report_markdown import markdown_of
from mlxkit.report.mermaid import chart_lines

if TYPE_CHECKING:
    from registry_bench import Bench

PASSED = GateVerdict("roc_auc >= 0.6", True, 0.9, 0.6, "ROC AUC is 0.9, at least 0.6 is required")
FAILED = GateVerdict("roc_auc beats champion", False, 0.5, 0.9, "no | better")


def report_of(bench: Bench, first: str, second: str, *gates: GateVerdict) -> ModelReport:
    dev = bench.project.environments["dev"]
    one, other = (find_model(bench.project, which, environment=dev) for which in (first, second))
    judged = Promotion(False, "churn", None, "dev", second, None, gates)
    return ModelReport("churn", "dev", other, compare(bench.project, one, other), judged)


def test_a_better_model(two: Bench) -> None:
    first = trained(two, "poor", params={"depth": 3})
    second = trained(two, "good", params={"depth": 4}, data="c" * 32)
    lines = markdown_of(report_of(two, first, second, PASSED, FAILED)).splitlines()
    assert lines[0] == f"## churn: run {second[:8]} beside run {first[:8]}, the champion of dev"
    assert lines[2] == (
        "**Better in 8 of 9 metrics, worse in 0; 1 cannot be told apart. 1 of 2 gates refuse it.**"
    )
    assert lines[4] == f"| metric | this model | run {first[:8]} | difference | this model is |"
    auc = next(line for line in lines if line.startswith("| ROC AUC |"))
    assert auc.endswith("| ✅ better |")
    assert "| ❌ | roc\\_auc beats champion | no \\| better |" in lines
    assert "<summary>Parameters that differ (1)</summary>" in lines
    assert "| depth | 4 | 3 |" in lines
    assert "<summary>Data that differs (1)</summary>" in lines
    assert f"| data/raw.csv | {'c' * 12} | {'a' * 12} |" in lines
    assert "<summary>ROC AUC by group</summary>" in lines
    assert any(line.startswith("| group = a (200 rows) |") for line in lines)
    assert lines[-1].startswith(f"<sub>run {second}")
    # GitHub shows a folded table only when a blank line stands before it.
    for number, line in enumerate(lines):
        if line.startswith("<summary>"):
            assert lines[number + 1] == ""


def test_the_champion_itself(two: Bench) -> None:
    run = trained(two, "good")
    said = markdown_of(report_of(two, run, run)).splitlines()
    assert said[2] == "**This is the champion of 'dev'. No gate had to be asked.**"


def test_no_champion_yet_and_no_gates(two: Bench) -> None:
    model = find_model(two.project, trained(two, "good"), environment=two.project.environments["dev"])
    problem = Refused("'staging' takes no model from uncommitted work")
    text = markdown_of(ModelReport("churn", "staging", model, None, None, problem))
    assert (
        "**'staging' has no champion yet. Not judged: 'staging' takes no model from uncommitted work.**"
        in text
    )
    assert "The gates were not asked." in markdown_of(ModelReport("churn", "staging", model, None, None))


def test_a_curve_is_drawn_for_the_forge() -> None:
    curve = Curve("Yes", (0.0, 0.0, 0.5, 1.0), (0.0, 0.6, 0.8, 1.0), 0.8)
    facts = ClassificationFacts((), (), (), roc=(curve,))
    lines = chart_lines(_evaluation(classification=facts))
    assert lines[0] == "```mermaid"
    assert lines[-1] == "```"
    heights = lines[6].strip()
    assert heights.startswith("line [0.6, 0.62,")
    assert heights.endswith("0.98, 1]")
    assert chart_lines(_evaluation()) == []


def _evaluation(classification: ClassificationFacts | None = None) -> Evaluation:
    return Evaluation(
        task="classification",
        target="y",
        positive="Yes",
        rows=1,
        labelled=1,
        columns=1,
        headline="roc_auc",
        metrics=(),
        method=Method(resamples=0, rows=1, seed=0),
        own={},
        classification=classification,
    )
