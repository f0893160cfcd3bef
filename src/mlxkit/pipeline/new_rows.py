"""New rows from a file, as values that can be compared with the rows that a model was trained on."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.model_code import CODE_FOLDER, own_code
from mlxkit.errors import DataError, MlxError
from mlxkit.pipeline.compared_values import compared_values
from mlxkit.pipeline.execute import prints_aside
from mlxkit.pipeline.formats import first_line, load_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from mlxkit.evaluation.profile import Profile
    from mlxkit.project.models import Project


def new_rows(project: Project, data: Path) -> pd.DataFrame:
    """Read the file with the new rows; whatever is wrong with it is a matter of this file, not of a stage."""
    if data.is_dir():
        raise DataError(f"'{data}' is a folder", hint="name one file with new rows in it")
    if not data.exists():
        tracked = data.with_name(f"{data.name}.dvc").exists()
        command = ["dvc", "pull", str(data)] if tracked else ["ls", str(data.parent)]
        raise DataError(f"there is no file '{data}'", hint=f"run `{shlex.join(command)}`")
    try:
        rows: pd.DataFrame = load_table(data, read=_read_options(project, data))
    except DataError as error:
        hint = "give a CSV, Parquet or JSON file with the columns of the raw data"
        raise DataError(error.message, hint=hint, context=error.context) from error
    if rows.empty:
        raise DataError(f"'{data}' has no rows", hint="name a file with new rows")
    return rows


def compared_rows(profile: Profile, champion: Path, rows: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Return the rows as the champion's training rows were profiled, by the code that travelled with it."""
    if profile.values is None:
        return rows
    try:
        with prints_aside(), own_code(champion / CODE_FOLDER):
            return compared_values(profile.values, rows)
    except MlxError:
        raise
    except Exception as error:  # the champion's own code meets rows that it has never seen
        raise DataError(
            f"'{profile.values}' raised {type(error).__name__} on the rows of '{file}'",
            hint="give a file with the columns of the raw data, or mend the function and train again",
            context=[first_line(error)],
        ) from error


def _read_options(project: Project, data: Path) -> Mapping[str, Any]:
    """Return how a file named on the command line is read: as the raw data, unless a stage made it."""
    path = data.resolve()
    inside = path.is_relative_to(project.root.resolve())
    return project.read_options((path.relative_to(project.root.resolve()) if inside else path).as_posix())
