"""`mlx drift`: new rows against what an environment's champion was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry
from mlxkit.errors import DataError, UsageError
from mlxkit.monitoring.drift import DriftReport, drift
from mlxkit.pipeline.formats import load_table
from mlxkit.registry.workspace import environment_of, store_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from mlxkit.project.models import Project


def check_champion(
    project: Project, data: Path, *, environment: str | None = None, report: Path | None = None
) -> DriftReport:
    """Compare the rows of a file with the champion's training rows; write Evidently's report where asked.

    Raises:
        UsageError: the environment has no champion yet.
        DataError: the file cannot be used, or the training rows for the report are not here.
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
        rows, model_dir=directory, max_share=project.drift.max_share, model_version=champion.version
    )
    if report is not None:
        _write_report(project, rows, report)
    return result


def _write_report(project: Project, rows: pd.DataFrame, report: Path) -> None:
    from mlxkit.adapters.evidently import render_report

    train = project.train_stage
    path = train.inputs.get("train") if train is not None else None
    if path is None or not (project.root / path).exists():
        raise DataError(
            "the training rows, which the report shows beside the new ones, are not here",
            context=[path] if path else [],
            hint="run `mlx run`",
        )
    render_report(rows, load_table(project.root / path), report)
