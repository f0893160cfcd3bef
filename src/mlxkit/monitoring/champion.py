"""`mlx drift`: new rows against what an environment's champion was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry
from mlxkit.errors import DataError, MlxError, UsageError
from mlxkit.monitoring.drift import DriftReport, drift
from mlxkit.pipeline.formats import load_table
from mlxkit.pipeline.model_stages import training_rows_path
from mlxkit.registry.workspace import environment_of, store_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from mlxkit.project.models import Project


@dataclass(frozen=True)
class Checked:
    """The verdict, and why the report that was asked for could not be drawn, None when it was."""

    drift: DriftReport
    report_error: MlxError | None = None


def check_champion(
    project: Project, data: Path, *, environment: str | None = None, report: Path | None = None
) -> Checked:
    """Compare the rows of a file with the champion's training rows; draw Evidently's report where asked.

    Raises:
        UsageError: the environment has no champion yet.
        DataError: the file cannot be used.
    """
    chosen = environment_of(project, environment)
    store = store_of(project, chosen)
    rows: pd.DataFrame = load_table(data)
    if rows.empty:
        raise DataError(f"'{data}' has no rows", hint="name a file with new rows")
    champion = mlflow_registry.champion(store, project.name, chosen.name)
    if champion is None:
        command = "mlx promote" if environment is None else f"mlx promote --to {chosen.name}"
        raise UsageError(f"'{chosen.name}' has no champion yet to compare with", hint=f"run `{command}`")
    directory = mlflow_registry.download(store, champion)
    result = drift(
        rows,
        model_dir=directory,
        max_share=project.drift.max_share,
        model_version=champion.version,
        time=project.time,
    )
    return Checked(result, _draw(project, rows, report) if report is not None else None)


def _draw(project: Project, rows: pd.DataFrame, report: Path) -> MlxError | None:
    """Write the report; a failure comes back, because it must not hide the verdict."""
    from mlxkit.adapters.evidently import render_report

    train = project.train_stage
    path = training_rows_path(train.inputs) if train is not None else None
    if path is None or not (project.root / path).exists():
        return DataError(
            "the training rows, which the report shows beside the new ones, are not here",
            context=[path] if path else [],
            hint="run `mlx run`",
        )
    try:
        render_report(rows, load_table(project.root / path), report)
    except MlxError as error:
        return error
    return None
