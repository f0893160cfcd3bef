"""Do new rows still look like the rows that a model was trained on?

Only the model's inputs count towards the verdict. The target and the prediction are reported, but a change of
theirs is a matter of performance; dates are reported, but time passes by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlxkit.errors import DataError
from mlxkit.evaluation.columns import READABLE_SHARE, blank, coerce
from mlxkit.evaluation.distances import (
    categorical_distance,
    is_constant,
    missing_threshold,
    new_category_share,
    numeric_distance,
    threshold,
)
from mlxkit.evaluation.profile import PREDICTION, CategorySketch, ColumnProfile, Profile, read_profile

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame, Series

    from mlxkit.evaluation.columns import ColumnKind

Verdict = Literal["none", "drift", "unknown"]
Role = Literal["input", "target", "prediction"]
Measure = Literal["wasserstein", "changed_share", "jensen_shannon", "missing_share", "gone"]
Problem = Literal["gone", "all_missing", "not_numeric", "not_dates", "new"]

# Fewer rows can hide any drift, so they give no verdict.
FEWEST_ROWS = 30


@dataclass(frozen=True)
class SchemaProblem:
    """A column that is not what the model knows; "new" is information, the others are faults.

    Attributes:
        share: share of the rows concerned.
    """

    column: str
    problem: Problem
    share: float


@dataclass(frozen=True)
class ColumnDrift:
    """One column against its profile.

    Attributes:
        measure: what is furthest beyond its threshold: the distance of the values, or the change of the
        missing share. counted: whether the column counts towards the verdict. missing: share of rows without
        a usable value; `missing_reference` is that of the training rows. new_categories: share of values in
        categories never seen in training; None where that is not known.
    """

    column: str
    kind: ColumnKind
    measure: Measure
    score: float
    threshold: float
    drifted: bool
    role: Role
    counted: bool
    missing: float
    missing_reference: float
    new_categories: float | None = None


@dataclass(frozen=True)
class DriftReport:
    """The verdict on new rows.

    Attributes:
        share: share of the counted columns that drifted.
    """

    verdict: Verdict
    rows: int
    share: float
    model_version: str | None
    schema: tuple[SchemaProblem, ...]
    columns: tuple[ColumnDrift, ...]


def drift(
    rows: DataFrame,
    *,
    model_dir: Path,
    max_share: float,
    model_version: str | None = None,
    time: str | None = None,
    prediction: Series[Any] | None = None,
) -> DriftReport:
    """Compare new rows with the reference profile in a model's directory.

    `time` names the column with the time of the event, which is reported but not counted.

    Raises:
        ToolError: the model has no reference profile.
        DataError: the rows cannot be used, or the profile cannot be read.
    """
    profile = read_profile(model_dir)
    return check_drift(
        rows, profile, max_share=max_share, model_version=model_version, time=time, prediction=prediction
    )


def check_drift(
    rows: DataFrame,
    profile: Profile,
    *,
    max_share: float,
    model_version: str | None = None,
    time: str | None = None,
    prediction: Series[Any] | None = None,
    written: DataFrame | None = None,
) -> DriftReport:
    """Compare new rows with a profile: drift when more than `max_share` of the counted columns drifted.

    Fewer than `FEWEST_ROWS` rows, or no column to count, give "unknown", unless the columns that are gone
    suffice. `written` are the rows as they stand in the file, where `rows` are values made of them.

    Raises:
        DataError: there are no rows, or two columns have one name.
    """
    _usable(rows)
    columns = [_compare(rows, known, "input", counted=known.name != time) for known in profile.inputs]
    if profile.target is not None and profile.target.name in rows.columns:
        columns.append(_compare(rows, profile.target, "target"))
    if profile.prediction is not None and prediction is not None:
        columns.append(_compare(prediction.to_frame(PREDICTION), profile.prediction, "prediction"))
    counted = [column.drifted for column in columns if column.counted]
    share = float(np.mean(counted)) if counted else 0.0
    if share > max_share:
        verdict: Verdict = "drift"
    else:
        verdict = "unknown" if len(rows) < FEWEST_ROWS or not counted else "none"
    schema = _schema(rows, rows if written is None else written, profile)
    return DriftReport(verdict, len(rows), share, model_version, schema, tuple(columns))


def _usable(rows: DataFrame) -> None:
    if rows.empty:
        raise DataError("there are no rows to check for drift", hint="give a file with at least one row")
    twice = rows.columns[rows.columns.duplicated()]
    if len(twice):
        raise DataError(f"the column '{twice[0]}' occurs twice", hint="rename one of the two columns")


def _schema(rows: DataFrame, written: DataFrame, profile: Profile) -> tuple[SchemaProblem, ...]:
    found = [problem for known in profile.inputs if (problem := _fault(rows, written, known)) is not None]
    target = [profile.target.name] if profile.target is not None else []
    known_names = {*(known.name for known in profile.inputs), *target, *profile.unused}
    new = [SchemaProblem(str(name), "new", 1.0) for name in written.columns if str(name) not in known_names]
    return (*found, *new)


def _fault(rows: DataFrame, written: DataFrame, known: ColumnProfile) -> SchemaProblem | None:
    if known.name not in rows.columns:
        return SchemaProblem(known.name, "gone", 1.0)
    is_written = ~blank(written[known.name]) if known.name in written.columns else np.ones(len(rows), bool)
    if not is_written.any():
        return None if known.missing_share == 1 else SchemaProblem(known.name, "all_missing", 1.0)
    unreadable = float(coerce(rows[known.name][is_written], known.kind).isna().mean())
    if unreadable <= 1 - READABLE_SHARE:
        return None
    return SchemaProblem(known.name, "not_numeric" if known.kind == "numeric" else "not_dates", unreadable)


def _compare(rows: DataFrame, known: ColumnProfile, role: Role, *, counted: bool = False) -> ColumnDrift:
    counted = counted and known.kind != "datetime"
    if known.name not in rows.columns:
        return ColumnDrift(
            known.name, known.kind, "gone", 1.0, 0.0, True, role, counted, 1.0, known.missing_share
        )
    values = coerce(rows[known.name], known.kind).dropna()
    missing = 1 - len(values) / len(rows)
    change = abs(missing - known.missing_share)
    limit = missing_threshold(known.missing, known.rows, len(rows), column=known.name)
    measure: Measure = "missing_share"
    score, bound = change, limit
    new_categories = None
    if len(values) and known.sketch.count:
        own_measure, own_score, new_categories = _distance(known, values)
        own_bound = threshold(known.sketch, len(values), column=known.name)
        if own_score / own_bound >= change / limit:
            measure, score, bound = own_measure, own_score, own_bound
    return ColumnDrift(
        column=known.name,
        kind=known.kind,
        measure=measure,
        score=score,
        threshold=bound,
        drifted=score > bound and len(rows) >= FEWEST_ROWS,
        role=role,
        counted=counted,
        missing=missing,
        missing_reference=known.missing_share,
        new_categories=new_categories,
    )


def _distance(known: ColumnProfile, values: Series[Any]) -> tuple[Measure, float, float | None]:
    if isinstance(known.sketch, CategorySketch):
        counts = {str(name): int(count) for name, count in values.value_counts().items()}
        distance = categorical_distance(known.sketch, counts)
        return "jensen_shannon", distance, new_category_share(known.sketch, counts)
    measure: Measure = "changed_share" if is_constant(known.sketch) else "wasserstein"
    return measure, numeric_distance(known.sketch, values.to_numpy(dtype=np.float64)), None
