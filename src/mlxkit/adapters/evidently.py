"""Evidently draws the drift report.

It takes seconds to import and minutes on large data, so it draws samples, and the verdict is mlx's own.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING
from uuid import uuid4

from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype, is_timedelta64_dtype

from mlxkit.errors import DataError, ToolError

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

SAMPLE_ROWS = 5_000


def render_report(
    current: DataFrame, reference: DataFrame, out: Path, *, max_share: float, seed: int = 0
) -> None:
    """Write Evidently's drift report as one HTML file, on samples of at most `SAMPLE_ROWS` rows each.

    It covers the columns, except dates, that both frames have values in: numbers, and everything else as
    categories. More than `max_share` of drifted columns is drift. `out` is replaced in one step.

    Raises:
        DataError: the frames share no column.
        ToolError: Evidently cannot be imported or fails, or `out` cannot be written.
    """
    current, reference = _sample(current, seed), _sample(reference, seed)
    columns = [name for name in reference.columns if _drawable(reference, name) and _drawable(current, name)]
    if not columns:
        raise DataError(
            "the new rows and the training rows share no column with values, so there is nothing to draw",
            hint="give a file with the columns of the training rows",
        )
    _replace(out, _html(_plain(current[columns]), _plain(reference[columns]), max_share))


def _sample(rows: DataFrame, seed: int) -> DataFrame:
    return rows.sample(SAMPLE_ROWS, random_state=seed) if len(rows) > SAMPLE_ROWS else rows


def _drawable(rows: DataFrame, name: str) -> bool:
    if name not in rows.columns or not rows[name].notna().any():
        return False
    return not (is_datetime64_any_dtype(rows[name]) or is_timedelta64_dtype(rows[name]))


def _plain(rows: DataFrame) -> DataFrame:
    """Return rows with text for column names and NumPy's numbers; Evidently passes over others."""
    numbers = [
        name for name in rows.columns if is_numeric_dtype(rows[name]) and not is_bool_dtype(rows[name])
    ]
    return rows.astype(dict.fromkeys(numbers, "float64")).rename(columns=str)


def _html(current: DataFrame, reference: DataFrame, max_share: float) -> str:
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("EVIDENTLY_DISABLE_TELEMETRY", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from evidently import DataDefinition, Dataset, Report
            from evidently.presets import DataDriftPreset

            numbers = [name for name in reference.columns if reference[name].dtype == "float64"]
            others = [name for name in reference.columns if name not in numbers]
            # Left to itself, Evidently takes a category of many values for prose, and leaves it undrawn.
            kinds = DataDefinition(numerical_columns=numbers, categorical_columns=others)
            frames = [Dataset.from_pandas(rows, kinds) for rows in (current, reference)]
            snapshot = Report([DataDriftPreset(drift_share=max_share)]).run(*frames)
            return str(snapshot.get_html_str(as_iframe=False))
    except Exception as error:
        raise ToolError(
            "evidently could not draw the drift report",
            hint="run mlx drift without --report for the verdict alone",
            context=[f"{type(error).__name__}: {error}"],
        ) from error


def _replace(out: Path, text: str) -> None:
    partial = out.with_name(f".{out.name}.{uuid4().hex}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(out)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ToolError(
            f"the report '{out}' cannot be written",
            hint="give --report a file in a folder you may write to",
            context=[str(error)],
        ) from error
