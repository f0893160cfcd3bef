"""The Markdown text of an evaluation written by hand, word for word."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mlxkit.evaluation.facts import (
    Bin,
    ChampionFacts,
    ChampionMetric,
    ClassCounts,
    ClassificationFacts,
    Condition,
    Contribution,
    Contributions,
    Curve,
    Dependence,
    Estimate,
    Evaluation,
    Gap,
    Group,
    Importance,
    Method,
    MetricFact,
    OverTime,
    Period,
    Protected,
    Questions,
    Threshold,
    Thresholds,
    WeakSlice,
    WeakSlices,
)
from mlxkit.evaluation.facts_json import read_evaluation, read_fact, write_evaluation, write_fact
from mlxkit.report.markdown import escaped, render_markdown
from mlxkit.report.story import report_of

GOLDEN = Path(__file__).parent / "golden" / "churn.md"

AT_HALF = Threshold(0.5, 80, 50, 0.625, 0.5, 280.0)
AT_SIXTH = Threshold(0.1667, 180, 85, 0.4722, 0.85, 170.0)
CHURN = Evaluation(
    task="classification",
    target="Churn",
    positive="Yes",
    rows=410,
    labelled=400,
    columns=3,
    headline="roc_auc",
    metrics=(
        MetricFact("accuracy", "higher", Estimate(0.8, 0.76, 0.84), 0.75, Estimate(0.05, 0.01, 0.09)),
        MetricFact("precision", "higher", Estimate(0.625, 0.51, 0.74), 0.0, Estimate(0.625, 0.51, 0.74)),
        MetricFact("recall", "higher", Estimate(0.5, 0.4, 0.6), 0.0, Estimate(0.5, 0.4, 0.6)),
        MetricFact("roc_auc", "higher", Estimate(0.84, 0.8, 0.88), 0.5, Estimate(0.34, 0.3, 0.38)),
        MetricFact("log_loss", "lower", Estimate(0.42, 0.38, 0.46), 0.58, Estimate(0.16, 0.12, 0.2)),
    ),
    method=Method(1000, 400, 0),
    own={"cost": 12.5},
    protected=(
        Protected(
            "gender",
            (
                Group(
                    "Male",
                    210,
                    {
                        "roc_auc": Estimate(0.86, 0.81, 0.9),
                        "precision": Estimate(0.7),
                        "recall": Estimate(0.5),
                    },
                    Estimate(0.05, 0.01, 0.09),
                    Estimate(0.2, 0.15, 0.26),
                    0.25,
                ),
                Group(
                    "Female",
                    185,
                    {
                        "roc_auc": Estimate(0.81, 0.75, 0.87),
                        "precision": Estimate(0.6),
                        "recall": Estimate(0.5),
                    },
                    Estimate(-0.05, -0.09, -0.01),
                    Estimate(0.2, 0.15, 0.26),
                    0.25,
                ),
                Group("missing", 5, {}, None, Estimate(0.2, 0.04, 0.62), 0.4),
            ),
        ),
    ),
    weak=WeakSlices(
        "wrong",
        120,
        400,
        500,
        30,
        (
            WeakSlice(
                (Condition("Contract", "Month|to|month"), Condition("tenure", "\N{LESS-THAN OR EQUAL TO} 9")),
                90,
                Estimate(0.35, 0.25, 0.45),
                0.15,
                Estimate(0.2, 0.1, 0.3),
                1 / 501,
            ),
        ),
    ),
    classification=ClassificationFacts(
        classes=(ClassCounts("No", 300, 320, 270), ClassCounts("Yes", 100, 80, 50)),
        confusion_labels=("No", "Yes"),
        confusion=((270, 30), (50, 50)),
        roc=(Curve("Yes", (0.0, 0.1, 1.0), (0.0, 0.5, 1.0), 0.84),),
        precision_recall=(Curve("Yes", (0.0, 0.5, 1.0), (0.8, 0.625, 0.25), 0.62),),
        calibration=(
            Bin(0.1, Estimate(0.08, 0.05, 0.12), 200),
            Bin(0.7, Estimate(0.5, 0.43, 0.57), 200),
        ),
        calibration_error=0.11,
        thresholds=Thresholds(
            (Threshold(0.1, 220, 90, 0.409, 0.9, 180.0), AT_SIXTH, AT_HALF),
            AT_HALF,
            {"false_positive": 1.0, "false_negative": 5.0},
            0.1667,
            AT_SIXTH,
        ),
    ),
    questions=Questions(
        "roc_auc",
        (Importance("Contract", 0.1, 0.09, 0.12, 0.1), Importance("tenure", 0.0, -0.01, 0.01, 0.02)),
        (Dependence("Contract", "categorical", ("a", "b"), None, (0.1, 0.4), (0.0, 0.2), (0.2, 0.6)),),
        "Yes",
        400,
        5,
        100,
        3,
    ),
    contributions=Contributions(
        "Yes",
        0.25,
        4,
        2,
        (
            Contribution("Contract", 0.1, (0.15, -0.05, 0.1, -0.1), (), None, ("Two|year", "Monthly")),
            Contribution("tenure", 0.05, (0.05, -0.05, 0.05, -0.05), (0.0, 1.0, 0.5, None), -0.9),
            Contribution("", 0.001, (0.001, 0.001, -0.001, 0.001), stands_for=21),
            Contribution("gender", 0.0, (0.0, 0.0, 0.0, 0.0)),
        ),
    ),
    over_time=OverTime(
        "day",
        "month",
        (
            Period("2024-01", 200, Estimate(0.86, 0.8, 0.9)),
            Period("2024-02", 195, Estimate(0.8, 0.72, 0.86)),
            Period("2024-03", 5, None),
        ),
    ),
    gaps=(Gap("groups of region", "the test rows have no such column"),),
)
CHAMPION = ChampionFacts(
    "d",
    "dev",
    "3",
    metrics=(
        ChampionMetric("roc_auc", 0.82, Estimate(0.02, -0.01, 0.05)),
        ChampionMetric("accuracy", 0.77, Estimate(0.03, 0.01, 0.05)),
    ),
    seen=0.02,
)


def test_word_for_word() -> None:
    text = render_markdown(report_of(CHURN, name="churn", digest="d", champion=CHAMPION))
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_keys_that_were_resampled_are_named() -> None:
    keyed = dataclasses.replace(CHURN, method=Method(1000, 400, 0, keys=90))
    text = render_markdown(report_of(keyed, name="churn", digest="d", champion=CHAMPION))
    assert "from 1,000 bootstrap resamples of the 90 keys of 400 rows (Field and Welsh, 2007), by" in text
    assert "take each row for itself, and see too little chance." in text


def test_facts_survive_the_file() -> None:
    assert read_evaluation(write_evaluation(CHURN)) == read_evaluation(write_evaluation(CHURN))
    again = read_evaluation(write_evaluation(CHURN))
    assert render_markdown(report_of(again, name="churn", digest="d", champion=CHAMPION)) == GOLDEN.read_text(
        encoding="utf-8"
    )
    assert read_fact(ChampionFacts, write_fact(CHAMPION)) == CHAMPION


def test_a_group_of_any_name_stays_in_its_cell() -> None:
    from mlxkit.report.blocks import Report, Section, Table
    from mlxkit.report.html import joined, tag

    name = joined(["plan = a|b & *c* <d>", tag("small", " 12 rows")])
    table = Table(("Group", "AUC"), ((name, "0.5"),), "By group")
    made = Report("k", "t", "s", (), (), (), (Section("groups", "Groups", "", (table,)),), "d")
    assert r"| plan = a\|b & \*c\* \<d\> (12 rows) | 0.5 |" in render_markdown(made)


def test_values_call_nobody_and_are_no_entities() -> None:
    assert escaped("@team, cells@production, a & b, &lt;b&gt;") == (
        "@\N{WORD JOINER}team, cells@production, a & b, &amp;lt;b&amp;gt;"
    )
