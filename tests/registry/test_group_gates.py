"""Gates on groups, by tables that are counted by hand; measures of fairness as fairlearn defines them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from trials import project, trial, verdict, words

from mlxkit.project.gates import FairnessGate, MetricGate, SliceGate

if TYPE_CHECKING:
    from mlxkit.project.gates import Fairness
    from mlxkit.registry.gates.trial import Trial

PROTECTED = ("protected",)


def counted(**groups: tuple[int, int, int, int]) -> pd.DataFrame:
    """Rows of each group: true positives, false negatives, false positives, true negatives."""
    parts = []
    for name, counts in groups.items():
        for count, truth, answer in zip(counts, "1100", "1010", strict=True):
            rows = {"sex": [name] * count, "y": words(truth * count), "answer": words(answer * count)}
            parts.append(pd.DataFrame(rows))
    return pd.concat(parts, ignore_index=True)


def tried(rows: pd.DataFrame, *, protected: tuple[str, ...] = ("sex",), **more: Any) -> Trial:
    frame = rows.drop(columns="answer")
    return trial(frame, rows["answer"].tolist(), of=project(protected=protected), **more)


# recall: f 30/40 = 0.75, m 45/50 = 0.9; false positive rate: f 12/60 = 0.2, m 5/50 = 0.1;
# predicted positive: f 42/100, m 50/100.
TABLE = counted(f=(30, 10, 12, 48), m=(45, 5, 5, 45))


def test_the_lowest_group_decides() -> None:
    found = verdict(SliceGate("recall", PROTECTED, minimum=0.8), tried(TABLE))
    assert (found.passed, found.observed, found.required) == (False, 0.75, 0.8)
    assert found.reason == "Recall is 0.750 for sex=f, where at least 0.8 is required"
    found = verdict(SliceGate("recall", PROTECTED, minimum=0.7), tried(TABLE))
    assert (found.passed, found.observed) == (True, 0.75)
    assert found.reason == "Recall is lowest for sex=f, 0.750, and at least 0.7 is required"


def test_a_maximum_is_for_the_highest_group() -> None:
    rows = TABLE.assign(answer=TABLE["answer"])
    scored = tried(rows, scores=[0.9 if a == "Yes" else 0.1 for a in rows["answer"]])
    worst = verdict(SliceGate("log_loss", PROTECTED, maximum=0.1), scored)
    assert not worst.passed
    assert worst.reason.startswith("Log loss is 0.589 for sex=f, 0.325 for sex=m, where at most 0.1")


def test_the_largest_gap() -> None:
    found = verdict(SliceGate("recall", ("sex",), max_gap=0.1), tried(TABLE))
    assert not found.passed
    assert found.observed == pytest.approx(0.15)
    assert found.reason == (
        "Recall differs by 0.150 (0.750 for sex=f, 0.900 for sex=m), and at most 0.1 is required"
    )
    # 0.9 - 0.75 is 0.15000000000000002 to a computer.
    assert verdict(SliceGate("recall", ("sex",), max_gap=0.15), tried(TABLE)).passed


def test_a_group_with_too_few_rows_is_named_and_decides_nothing() -> None:
    """The third group has many rows, but a recall of nine."""
    rows = pd.concat([TABLE, counted(x=(0, 9, 0, 50))], ignore_index=True)
    found = verdict(SliceGate("recall", PROTECTED, minimum=0.7), tried(rows))
    assert found.passed
    assert found.reason.endswith("at least 0.7 is required; too few rows to tell: sex=x (9)")
    assert not verdict(SliceGate("accuracy", PROTECTED, minimum=0.85), tried(rows)).passed
    few = counted(f=(5, 1, 0, 0), m=(0, 3, 0, 9))
    for gate in (
        SliceGate("recall", PROTECTED, minimum=0.1),
        SliceGate("recall", PROTECTED, max_gap=0.9),
        FairnessGate("equal_opportunity_difference", maximum=0.9),
    ):
        found = verdict(gate, tried(few))
        assert not found.passed
        assert found.observed is None
        assert found.reason == (
            "the groups of sex do not have the 10 rows that it takes to tell; "
            "too few rows to tell: sex=m (3), sex=f (6)"
        )


def test_missing_values_are_a_group() -> None:
    rows = TABLE.assign(sex=TABLE["sex"].where(TABLE["sex"] == "m"))
    assert "sex=missing" in verdict(SliceGate("recall", PROTECTED, minimum=0.8), tried(rows)).reason


@pytest.mark.parametrize(
    ("measure", "value", "detail"),
    [
        ("selection_rate_ratio", 0.42 / 0.5, "predicted positive 0.420 for sex=f, 0.500 for sex=m"),
        ("selection_rate_difference", 0.08, "predicted positive 0.420 for sex=f, 0.500 for sex=m"),
        ("equalized_odds_difference", 0.15, "true positive rate 0.750 for sex=f, 0.900 for sex=m"),
        ("equal_opportunity_difference", 0.15, "true positive rate 0.750 for sex=f, 0.900 for sex=m"),
    ],
)
def test_measures_of_fairness(measure: Fairness, value: float, detail: str) -> None:
    ratio = measure.endswith("ratio")
    bounds: Any = {"minimum": 0.8} if ratio else {"maximum": 0.1}
    found = verdict(FairnessGate(measure, **bounds), tried(TABLE))
    assert found.observed == pytest.approx(value)
    assert found.passed is (value >= 0.8 if ratio else value <= 0.1)
    assert detail in found.reason


def test_equalized_odds_is_the_larger_of_two_gaps() -> None:
    """Recall is 0.8 in both; the false positive rates are 10/50 and 25/50."""
    rows = counted(f=(40, 10, 10, 40), m=(40, 10, 25, 25))
    found = verdict(FairnessGate("equalized_odds_difference", maximum=0.1), tried(rows))
    assert found.observed == pytest.approx(0.3)
    assert "false positive rate 0.200 for sex=f, 0.500 for sex=m" in found.reason
    assert verdict(FairnessGate("equal_opportunity_difference", maximum=0.1), tried(rows)).passed


def test_equalized_odds_of_which_one_half_is_not_known_do_not_pass() -> None:
    """Nine negatives of each group: false positive rates of 1 and 0 that nobody may rely on."""
    rows = counted(f=(10, 0, 9, 0), m=(10, 0, 0, 9))
    found = verdict(FairnessGate("equalized_odds_difference", maximum=0.1), tried(rows))
    assert (found.passed, found.observed) == (False, None)
    assert found.reason == (
        "Equalized odds difference is not known: too few rows for the false positive rate of two groups of "
        "sex; too few rows to tell: sex=f (9), sex=m (9)"
    )


def test_the_worst_column_decides() -> None:
    rows = TABLE.assign(old=["a", "b"] * 100)
    found = verdict(FairnessGate("selection_rate_ratio", minimum=0.9), tried(rows, protected=("old", "sex")))
    assert found.observed == pytest.approx(0.84)


def test_a_ratio_of_nothing_is_a_refusal() -> None:
    found = verdict(
        FairnessGate("selection_rate_ratio", minimum=0.8), tried(counted(f=(0, 9, 0, 9), m=(0, 9, 0, 9)))
    )
    assert (found.passed, found.observed) == (False, None)
    assert found.reason == "no row is predicted positive, so there is no ratio"


def test_what_cannot_be_judged_is_refused() -> None:
    tests = [
        (
            SliceGate("recall", ("sexx",), minimum=0.5),
            "the evaluation rows have no column 'sexx', did you mean 'sex'?",
        ),
        (
            SliceGate("recalls", ("sex",), minimum=0.5),
            "there is no metric 'recalls' of groups, did you mean 'recall'?",
        ),
    ]
    for gate, reason in tests:
        found = verdict(gate, tried(TABLE))
        assert (found.passed, found.reason) == (False, f"cannot be judged: {reason}")
    three = trial(
        pd.DataFrame({"y": ["a", "b", "c"] * 20, "sex": ["f", "m"] * 30}),
        ["a"] * 60,
        of=project(positive=None, protected=("sex",)),
    )
    found = verdict(FairnessGate("selection_rate_ratio", minimum=0.8), three)
    assert found.reason.startswith("cannot be judged: measures of fairness need two classes")


def test_an_own_metric_by_group() -> None:
    def flagged(truth: pd.Series[Any], predictions: Any) -> float:
        return float((predictions.labels == "Yes").mean())

    found = verdict(SliceGate("flagged", PROTECTED, minimum=0.45), tried(TABLE, own={"flagged": flagged}))
    assert found.observed == pytest.approx(0.42)
    assert not found.passed
    assert verdict(MetricGate("flagged", minimum=0.45), tried(TABLE, own={"flagged": flagged})).passed


def test_rows_without_a_label_do_not_shift_the_groups() -> None:
    rows = pd.concat([TABLE.iloc[[0, 150]].assign(y=None), TABLE], ignore_index=True)
    rows = pd.concat([rows, TABLE.iloc[[5]].assign(y=None)], ignore_index=True)
    found = verdict(SliceGate("recall", PROTECTED, minimum=0.8), tried(rows))
    assert found.observed == 0.75
