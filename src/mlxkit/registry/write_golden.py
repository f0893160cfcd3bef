"""Golden rows from a model: what it says now about some evaluation rows, for a gate of later promotions."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry
from mlxkit.errors import DataError, UsageError
from mlxkit.pipeline.execute import prints_aside
from mlxkit.pipeline.formats import TABLE_SUFFIXES, suffix_of
from mlxkit.pipeline.saving import save
from mlxkit.registry.candidate import find_candidate, model_of
from mlxkit.registry.contest import Contender, Rows
from mlxkit.registry.gates.golden import golden_rows
from mlxkit.registry.gates.trial import Trial
from mlxkit.registry.stores import store_of
from mlxkit.registry.workspace import environment_of, evaluation_of

if TYPE_CHECKING:
    from pathlib import Path

    from mlxkit.project.models import Project

_ROWS = 50


@dataclass(frozen=True)
class Golden:
    """What was written.

    Attributes:
        file: relative to the project's root, where it lies inside.
    """

    file: str
    rows: int
    run_id: str


def write_golden(project: Project, file: Path, *, to: str | None = None, run_id: str | None = None) -> Golden:
    """Write some evaluation rows with what a run's model (default: the workspace's) says about them.

    Raises:
        UsageError: the file is there already, no table, or outside the project.
        Refused: there is no model, or no evaluation rows.
    """
    path = file.resolve()
    root = project.root.resolve()
    if not path.is_relative_to(root):
        raise UsageError(f"'{file}' is outside the project", hint=f"name a file below {root}")
    name = path.relative_to(root).as_posix()
    if suffix_of(path) not in TABLE_SUFFIXES:
        raise UsageError(f"'{name}' is no table", hint="name a .csv or .parquet file")
    if path.exists():
        raise UsageError(
            f"'{name}' is there already, and what is expected must not change by accident",
            hint=f"run `rm {shlex.quote(name)}` if it shall be written anew",
        )
    environment = environment_of(project, to, option="--to")
    store = store_of(project, environment)
    found = find_candidate(project, environment, store, run_id)
    model_id = model_of(found.store, found.run)
    evaluation = evaluation_of(project, environment)
    if evaluation.rows is None:
        raise DataError("there are no rows to ask the model about")
    frame = evaluation.rows()
    some = frame.sample(min(_ROWS, len(frame)), random_state=0).sort_index().reset_index(drop=True)
    with prints_aside():
        model = Contender.of(project, mlflow_registry.download_model(found.store, model_id), {}, Rows(some))
        trial = Trial(project, environment, model, Rows(some))
        assert model.predictions is not None
        table = golden_rows(trial.inputs, model.predictions, project)
    save(table, path)
    return Golden(name, len(table), found.run.id)
