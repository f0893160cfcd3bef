"""Gates in mlx.yaml: what each becomes, and every way to get one wrong, with the line the user reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlxkit.project import gates as kinds
from mlxkit.project.read_gates import size

if TYPE_CHECKING:
    from conftest import Churn

FIRST = "- {metric: roc_auc, min: 0.8}"
PROTECTED = ("positive: Yes", "positive: Yes\nprotected: [sex]")
OWN = "def strict(model, champion):\n    return True\n\n\ndef odd(model, limit):\n    return True\n"


@pytest.mark.parametrize(
    ("text", "gate", "name"),
    [
        (
            "{metric: roc_auc, beats: baseline}",
            kinds.MetricGate("roc_auc", beats="baseline"),
            "roc_auc beats baseline",
        ),
        (
            "{metric: recall, slices: protected, min: 0.70}",
            kinds.SliceGate("recall", ("protected",), minimum=0.7),
            "recall by protected >= 0.7",
        ),
        (
            "{metric: recall, slices: [sex, age], max_gap: 0.10}",
            kinds.SliceGate("recall", ("sex", "age"), max_gap=0.1),
            "gap of recall by sex, age <= 0.1",
        ),
        (
            "{fairness: selection_rate_ratio, min: 0.8}",
            kinds.FairnessGate("selection_rate_ratio", minimum=0.8),
            "selection_rate_ratio by protected >= 0.8",
        ),
        (
            "{fairness: equalized_odds_difference, slices: age, max: 0.1}",
            kinds.FairnessGate("equalized_odds_difference", ("age",), maximum=0.1),
            "equalized_odds_difference by age <= 0.1",
        ),
        (
            "{metric: calibration_error, max: 0.05}",
            kinds.MetricGate("calibration_error", maximum=0.05),
            "calibration_error <= 0.05",
        ),
        (
            "{latency: single, p95: 50}",
            kinds.LatencyGate("single", 95, 50.0),
            "latency of 1 row p95 <= 50 ms",
        ),
        (
            "{latency: batch, p50: 200}",
            kinds.LatencyGate("batch", 50, 200.0, 1000),
            "latency of 1,000 rows p50 <= 200 ms",
        ),
        ("{size: 200MB}", kinds.SizeGate(200_000_000, "200MB"), "size <= 200MB"),
        ("{memory: 2 GiB}", kinds.MemoryGate(2 * 2**30, "2 GiB"), "memory <= 2 GiB"),
        (
            "{golden: references/golden.csv, tolerance: 1e-3}",
            kinds.GoldenGate("references/golden.csv", 1e-3),
            "golden references/golden.csv",
        ),
        ("{loads: clean}", kinds.LoadsGate(), "loads clean"),
        ("{loads: clean, timeout: 5m}", kinds.LoadsGate(300.0), "loads clean"),
        ("{signature: champion}", kinds.SignatureGate(), "signature of champion"),
        ("{drift: data/new.csv}", kinds.DriftGate("data/new.csv"), "no drift in data/new.csv"),
        ("{checked: prepare}", kinds.CheckedGate("prepare"), "checked by prepare"),
        ("{card: complete}", kinds.CardGate(), "card complete"),
        ("{call: 'churn.gates:strict'}", kinds.CallGate("churn.gates:strict"), "churn.gates:strict"),
    ],
)
def test_each_kind(churn: Churn, text: str, gate: kinds.Gate, name: str) -> None:
    (churn.root / "src/churn/gates.py").write_text(OWN)
    project = churn.edit(PROTECTED, (FIRST, f"- {text}")).load()
    assert project.gates[0] == gate
    assert str(gate) == name


def test_an_environment_has_gates_of_its_own_after_those_of_the_project(churn: Churn) -> None:
    project = churn.edit(("staging: {}", "staging: {gates: [{size: 1MB}]}")).load()
    assert project.environments["staging"].gates == (kinds.SizeGate(1_000_000, "1MB"),)
    assert project.gates_of(project.environments["staging"])[-1] == kinds.SizeGate(1_000_000, "1MB")
    assert project.gates_of(project.environments["dev"]) == project.gates


BROKEN = {
    "misspelt kind": ("{latnecy: single, p95: 5}", ["8 .latnecy: unknown key, did you mean 'latency'?"]),
    "two kinds": (
        "{size: 1MB, memory: 1GB}",
        ["19 .memory: a gate has either 'size' or 'memory', not both; write one for each"],
    ),
    "key of another kind": (
        "{latency: single, max: 50}",
        ["25 .max: unknown key; a latency gate has latency, p50, p95, rows"],
    ),
    "misspelt key": (
        "{fairness: selection_rate_ratio, mim: 0.8}",
        ["40 .mim: unknown key, did you mean 'min'?"],
    ),
    "misspelt measure": (
        "{fairness: selection_rate_ration, min: 0.8}",
        [
            "8 .fairness: must be 'selection_rate_ratio' or 'selection_rate_difference' or "
            "'equalized_odds_difference' or 'equal_opportunity_difference', is 'selection_rate_ration', "
            "did you mean 'selection_rate_ratio'?"
        ],
    ),
    "ratio with a maximum": (
        "{fairness: selection_rate_ratio, slices: sex, max: 0.8}",
        ["53 .max: 'selection_rate_ratio' is a ratio, which has a 'min'"],
    ),
    "difference without a bound": (
        "{fairness: equalized_odds_difference, slices: sex}",
        ["7 : 'equalized_odds_difference' is a difference, which needs a 'max'"],
    ),
    "gap without slices": (
        "{metric: recall, max_gap: 0.1}",
        ["24 .max_gap: needs 'slices': the columns whose groups it compares"],
    ),
    "slices that beat": (
        "{metric: recall, slices: sex, beats: champion}",
        ["37 .beats: compares all rows; a gate with 'slices' has 'min', 'max' or 'max_gap'"],
    ),
    "slices without a bound": (
        "{metric: recall, slices: sex}",
        ["7 : needs one of 'min', 'max' and 'max_gap'"],
    ),
    "no slices": ("{metric: recall, slices: [], min: 0.5}", ["24 .slices: names no column"]),
    "groups of the baseline": (
        "{metric: baseline.recall, slices: sex, min: 0.5}",
        ["8 .metric: the baseline's metrics have only 'min' and 'max'"],
    ),
    "metric of another task": (
        "{metric: calibration_eror, max: 0.1}",
        ["8 .metric: a classification has no metric 'calibration_eror', did you mean 'calibration_error'?"],
    ),
    "two percentiles": (
        "{latency: single, p50: 5, p95: 9}",
        ["7 : has 'p50' and 'p95'; write one gate for each"],
    ),
    "rows of one row": ("{latency: single, p95: 5, rows: 7}", ["33 .rows: only a batch has rows"]),
    "size without a unit": ("{size: 200}", ["8 .size: '200' does not have the right form, such as '200MB'"]),
    "golden outside": (
        "{golden: ../golden.csv}",
        ["8 .golden: '../golden.csv' must be a path inside the project, relative to its root"],
    ),
    "drift of nothing": ("{drift: }", ["8 .drift: must be text, is empty"]),
    "signature of another": ("{signature: me}", ["8 .signature: must be 'champion', is 'me'"]),
    "loads how": ("{loads: quick}", ["8 .loads: must be 'clean', is 'quick'"]),
    "function that is not there": (
        "{call: 'churn.gates:strickt'}",
        ["8 .call: there is no function 'strickt' in src/churn/gates.py, did you mean 'strict'?"],
    ),
    "function that wants more": (
        "{call: 'churn.gates:odd'}",
        [
            "8 .call: nothing gives parameter 'limit' of a gate; it may ask for model, champion, test, rows, "
            "predictions, metrics, environment, target, positive, task, key, time, protected"
        ],
    ),
}


@pytest.mark.parametrize(("text", "problems"), BROKEN.values(), ids=BROKEN.keys())
def test_every_way_to_get_a_gate_wrong(churn: Churn, text: str, problems: list[str]) -> None:
    (churn.root / "src/churn/gates.py").write_text(OWN)
    churn.edit((FIRST, f"- {text}"))
    expected = []
    for problem in problems:
        column, _, rest = problem.partition(" ")
        expected.append(f"mlx.yaml:31:{column} promote.gates[0]{rest}")
    assert churn.problems() == expected


def test_protected_slices_need_protected_columns(churn: Churn) -> None:
    for text, place in (
        ("{metric: recall, slices: protected, min: 0.5}", "31:24 promote.gates[0].slices"),
        ("{fairness: selection_rate_ratio, min: 0.8}", "31:7 promote.gates[0]"),
    ):
        assert churn.edit((FIRST, f"- {text}")).problems() == [
            f"mlx.yaml:{place}: no columns are protected; "
            "name them in `protected: [...]`, or here in `slices`"
        ]


def test_fairness_is_of_a_classification(churn: Churn) -> None:
    edits = [
        ("task: classification", "task: regression"),
        ("positive: Yes\n", ""),
        ("- {metric: roc_auc, beats: champion, confidence: 0.9}", "- {metric: mae, beats: champion}"),
        (FIRST, "- {fairness: selection_rate_ratio, slices: sex, min: 0.8}"),
    ]
    assert churn.edit(*edits).problems() == [
        "mlx.yaml:30:8 promote.gates[0].fairness: only a classification has measures of fairness; "
        "use 'max_gap' on a metric"
    ]


def test_gates_of_an_environment_are_checked_too(churn: Churn) -> None:
    assert churn.edit(
        ("staging: {}", "staging: {gates: [{metric: roc_acu, min: 1}, {size: 5}]}")
    ).problems() == [
        "mlx.yaml:34:71 environments.staging.gates[1].size: '5' does not have the right form, such as '200MB'"
    ]
    (problem,) = churn.edit(("staging: {}", "staging: {gates: [{metric: roc_acu, min: 1}]}")).problems()
    assert problem.endswith(
        "staging.gates[0].metric: a classification has no metric 'roc_acu', did you mean 'roc_auc'?"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1B", 1), ("1.5kB", 1500), ("2KB", 2000), ("1 KiB", 1024), ("200MB", 2 * 10**8), ("1.5GiB", 3 * 2**29)],
)
def test_sizes(text: str, expected: int) -> None:
    assert size(text) == expected
