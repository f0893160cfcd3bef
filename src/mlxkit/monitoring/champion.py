"""`mlx drift`: new rows against what an environment's champion was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry
from mlxkit.errors import DataError, MlxError, UsageError
from mlxkit.evaluation.columns import coerce
from mlxkit.evaluation.drift import DriftReport, check_drift
from mlxkit.evaluation.profile import read_profile
from mlxkit.evaluation.training_rows import TRAINING_ROWS_FILE, TrainingRows, fingerprint
from mlxkit.pipeline.formats import load_table
from mlxkit.pipeline.model_stages import training_rows_path
from mlxkit.pipeline.new_rows import compared_rows, new_rows
from mlxkit.registry.stores import store_of
from mlxkit.registry.workspace import environment_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mlxkit.evaluation.columns import ColumnKind
    from mlxkit.project.models import Project


@dataclass(frozen=True)
class Checked:
    """The verdict, and what there is to say of the report that was asked for.

    Attributes:
        report_error: why it could not be drawn, None when it was.
        other_rows: whether it shows other training rows than the champion's, which the workspace has no more.
    """

    drift: DriftReport
    report_error: MlxError | None = None
    other_rows: bool = False


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
    rows = new_rows(project, data)
    champion = mlflow_registry.champion(store, project.name, chosen.name)
    if champion is None:
        command = "mlx promote" if environment is None else f"mlx promote --to {chosen.name}"
        raise UsageError(f"'{chosen.name}' has no champion yet to compare with", hint=f"run `{command}`")
    directory = mlflow_registry.download(store, champion)
    profile = read_profile(directory)
    values = compared_rows(profile, directory, rows, data)
    result = check_drift(
        values,
        profile,
        max_share=project.drift.max_share,
        model_version=champion.version,
        time=project.time,
        written=rows,
    )
    return Checked(result) if report is None else _draw(project, values, directory, result, report)


def _draw(
    project: Project, values: pd.DataFrame, champion: Path, result: DriftReport, report: Path
) -> Checked:
    """Draw the columns that count; a failure comes back, because it must not hide the verdict."""
    from mlxkit.adapters.evidently import render_report

    train = project.train_stage
    path = training_rows_path(train.inputs) if train is not None else None
    if path is None or not (project.root / path).exists():
        missing = DataError(
            "the training rows, which the report shows beside the new ones, are not here",
            context=[path] if path else [],
            hint="run `mlx run`",
        )
        return Checked(result, missing)
    counted = {column.column: column.kind for column in result.columns if column.counted}
    try:
        reference: pd.DataFrame = load_table(project.root / path, read=project.read_options(path))
        known = compared_rows(read_profile(champion), champion, reference, Path(path))
        current, known = (_as_profiled(frame, counted) for frame in (values, known))
        render_report(current, known, report, max_share=project.drift.max_share)
        return Checked(result, other_rows=not _trained_on(champion, reference))
    except MlxError as error:
        return Checked(result, error)


def _as_profiled(rows: pd.DataFrame, kinds: Mapping[str, ColumnKind]) -> pd.DataFrame:
    """Return the columns of these names that the rows have, each as its kind."""
    import pandas as pd

    return pd.DataFrame({name: coerce(rows[name], kind) for name, kind in kinds.items() if name in rows})


def _trained_on(champion: Path, rows: pd.DataFrame) -> bool:
    """Whether these are the rows that the champion was trained on, as far as its fingerprint tells."""
    file = champion / TRAINING_ROWS_FILE
    if not file.is_file():
        return True
    seen = TrainingRows.from_json(file.read_bytes())
    if not set(seen.columns) <= set(rows.columns):
        return False
    return fingerprint(rows, columns=seen.columns).to_json() == seen.to_json()
