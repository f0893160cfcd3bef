import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from mlxkit.errors import DataError, ToolError
from mlxkit.evaluation.drift import ColumnDrift, DriftReport, SchemaProblem, check_drift, drift
from mlxkit.evaluation.profile import Profile, build_profile

INPUTS = ["age", "charges", "plan", "active", "name", "since"]


def customers(rows: int, seed: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    charges = np.char.mod("%.2f", generator.gamma(2, 30, rows)).astype(object)
    charges[:3] = " "
    return pd.DataFrame(
        {
            "id": np.arange(rows) + 10_000 * seed,
            "age": generator.integers(18, 90, rows),
            "charges": charges,
            "plan": generator.choice(["basic", "plus", "pro"], rows, p=[0.6, 0.3, 0.1]),
            "active": generator.random(rows) < 0.7,
            "name": [f"customer {seed} {number}" for number in range(rows)],
            "since": pd.Timestamp("2020") + pd.to_timedelta(np.arange(rows), unit="h"),
            "churn": generator.choice(["No", "Yes"], rows),
        }
    )


@pytest.fixture(scope="module")
def profile() -> Profile:
    return build_profile(customers(3000, 0), task="classification", inputs=INPUTS, target="churn")


def check(rows: pd.DataFrame, profile: Profile, max_share: float = 0.3) -> DriftReport:
    return check_drift(rows, profile, max_share=max_share, model_version="3")


def column(report: DriftReport, name: str) -> ColumnDrift:
    return next(column for column in report.columns if column.column == name)


@pytest.mark.parametrize("rows", [57, 2000])
def test_rows_of_the_same_origin_do_not_drift(profile, rows):
    for seed in range(1, 6):
        report = check(customers(rows, seed), profile)
        assert [c.column for c in report.columns if c.drifted and c.counted] == []
        assert (report.verdict, report.rows, report.share, report.model_version) == ("none", rows, 0.0, "3")
        assert report.schema == ()


def test_shifted_columns_drift(profile):
    rows = customers(500, 1)
    report = check(rows.assign(age=rows["age"] + 20, plan="pro"), profile)
    assert column(report, "age").measure == "wasserstein"
    assert column(report, "plan").measure == "jensen_shannon"
    assert column(report, "age").score == pytest.approx(20 / 20.8, abs=0.1)
    assert column(report, "age").drifted
    assert column(report, "plan").drifted
    assert not column(report, "charges").drifted
    assert report.share == pytest.approx(2 / 5)
    assert report.verdict == "drift"
    assert check(rows.assign(age=rows["age"] + 20, plan="pro"), profile, max_share=0.4).verdict == "none"


def test_target_prediction_and_dates_are_reported_but_not_counted():
    known = customers(500, 0)
    profile = build_profile(
        known, task="classification", inputs=["age", "since"], target="churn", prediction=known["churn"]
    )
    rows = customers(500, 1).assign(churn="Yes")
    rows["since"] += pd.Timedelta(days=900)
    report = check_drift(rows, profile, max_share=0.3, prediction=rows["churn"])
    assert [(c.column, c.role, c.drifted, c.counted) for c in report.columns] == [
        ("age", "input", False, True),
        ("since", "input", True, False),
        ("churn", "target", True, False),
        ("prediction", "prediction", True, False),
    ]
    assert (report.verdict, report.share) == ("none", 0.0)


def test_the_time_column_is_reported_but_not_counted():
    known = pd.DataFrame({"year": np.repeat(np.arange(2000, 2020), 20), "x": np.arange(400.0)})
    profile = build_profile(known, task="regression", inputs=["year", "x"])
    later = pd.DataFrame({"year": np.repeat(np.arange(2030, 2050), 20), "x": np.arange(400.0)})
    counted = check_drift(later, profile, max_share=0.3)
    assert (counted.verdict, counted.share) == ("drift", 0.5)
    passing = check_drift(later, profile, max_share=0.3, time="year")
    assert (passing.verdict, passing.share) == ("none", 0.0)
    assert {c.column: (c.drifted, c.counted) for c in passing.columns} == {
        "year": (True, False),
        "x": (False, True),
    }


def test_column_that_is_gone_counts_as_drifted(profile):
    report = check(customers(500, 1).drop(columns=["age", "plan"]), profile)
    assert report.verdict == "drift"
    assert (column(report, "age").measure, column(report, "age").missing) == ("gone", 1.0)
    assert report.schema == (SchemaProblem("age", "gone", 1.0), SchemaProblem("plan", "gone", 1.0))


def test_missing_values_drift(profile):
    rows = customers(500, 1)
    rows.loc[:199, "plan"] = None
    found = column(check(rows, profile), "plan")
    assert (found.measure, found.score, found.drifted) == ("missing_share", pytest.approx(0.4), True)
    assert (found.missing, found.missing_reference) == (0.4, 0.0)


def test_column_without_any_value_is_a_problem(profile):
    report = check(customers(500, 1).assign(age=np.nan, plan=" "), profile)
    assert {(problem.column, problem.problem) for problem in report.schema} == {
        ("age", "all_missing"),
        ("plan", "all_missing"),
    }
    assert report.verdict == "drift"


def test_text_where_numbers_were_is_a_problem(profile):
    rows = customers(500, 1)
    ages = rows["age"].astype(str).where(rows.index >= 100, "unknown")
    report = check(rows.assign(age=ages), profile)
    assert report.schema == (SchemaProblem("age", "not_numeric", 0.2),)
    assert (column(report, "age").measure, column(report, "age").drifted) == ("missing_share", True)
    assert check(rows.assign(since="soon"), profile).schema == (SchemaProblem("since", "not_dates", 1.0),)


def test_numbers_written_as_text_are_numbers(profile):
    rows = customers(500, 1)
    as_text = check(rows.astype({"age": str}), profile)
    assert column(as_text, "age") == column(check(rows, profile), "age")
    assert as_text.schema == ()


def test_new_columns_and_categories_are_reported(profile):
    rows = customers(500, 1).assign(colour="red")
    rows.loc[:249, "plan"] = "family"
    report = check(rows, profile)
    assert report.schema == (SchemaProblem("colour", "new", 1.0),)
    assert column(report, "plan").new_categories == 0.5
    assert column(report, "plan").drifted
    assert column(report, "name").new_categories is None


def test_few_rows_give_no_verdict_unless_columns_are_gone(profile):
    rows = customers(29, 1)
    report = check(rows.assign(age=1000, plan="?", active=False), profile)
    assert (report.verdict, report.share) == ("unknown", 0.0)
    assert column(report, "age").score > column(report, "age").threshold
    assert check(rows[["age", "since"]], profile).verdict == "drift"


def test_without_a_column_to_count_there_is_no_verdict(profile):
    empty = dataclasses.replace(profile, inputs=())
    assert check(customers(100, 1), empty).verdict == "unknown"


def test_column_that_was_empty_in_training():
    known = customers(500, 0).assign(age=np.nan, plan=None)
    profile = build_profile(known, task="classification", inputs=["age", "plan"])
    assert check(known, profile).verdict == "none"
    assert check(customers(500, 1), profile).share == 1.0


def test_rows_that_cannot_be_used(profile):
    with pytest.raises(DataError, match="there are no rows to check for drift"):
        check(customers(10, 1).iloc[:0], profile)
    rows = customers(10, 1)
    with pytest.raises(DataError, match="the column 'age' occurs twice"):
        check(pd.concat([rows, rows[["age"]]], axis=1), profile)


def test_drift_reads_the_profile_of_the_model(tmp_path, profile):
    rows = customers(500, 1)
    with pytest.raises(ToolError, match="the model has no reference profile"):
        drift(rows, model_dir=tmp_path, max_share=0.3)
    (tmp_path / "reference_profile.json").write_bytes(profile.to_json())
    report = drift(rows, model_dir=tmp_path, max_share=0.3, model_version="3")
    assert report == check(rows, profile)
    document = json.loads(json.dumps(dataclasses.asdict(report), allow_nan=False))
    assert list(document) == ["verdict", "rows", "share", "model_version", "schema", "columns"]
    assert list(document["columns"][0])[:6] == ["column", "kind", "measure", "score", "threshold", "drifted"]
