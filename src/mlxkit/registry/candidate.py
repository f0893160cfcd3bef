"""Which run's model is to be promoted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_runs
from mlxkit.errors import Refused, UsageError
from mlxkit.pipeline.record_job import run_of_model
from mlxkit.pipeline.trained_run import trained_run
from mlxkit.registry.stores import find_before

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_runs import Run
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Environment, Project


@dataclass(frozen=True)
class Candidate:
    """A run whose model is to be promoted, and the store that it lies in."""

    run: Run
    store: Store


def find_candidate(
    project: Project, environment: Environment, store: Store, run_id: str | None = None
) -> Candidate:
    """Return the run of that id or name, else the one that trained the workspace's model.

    Where the environment before keeps its runs elsewhere, and this one does not know the run, it lies there.

    Raises:
        UsageError: the store does not know the run.
        Refused: there is nothing to promote, or the run did not finish.
    """
    if run_id is not None:
        found = _named_run(project, environment, store, run_id)
    else:
        found = _workspace_run(project, environment, store)
    run = found.run
    if run.status != "FINISHED":
        raise Refused(
            f"the run '{run.name}' did not finish, so its model is not promoted",
            context=[f"run: {run.id}", f"status: {run.status}"],
            hint="run `mlx run`",
        )
    return found


def _named_run(project: Project, environment: Environment, store: Store, run_id: str) -> Candidate:
    try:
        return Candidate(mlflow_runs.find_run(store, project.name, run_id), store)
    except UsageError:
        found = _known_elsewhere(project, environment, store, run_id)
        if found is None:
            raise
        return found


def _known_elsewhere(
    project: Project, environment: Environment, store: Store, run_id: str
) -> Candidate | None:
    """Return a run by its whole id: as it was carried here before, or where the environment before has it."""
    carried = run_of_model(store, project.name, run_id)
    if carried is not None:
        return Candidate(carried, store)
    before = find_before(project, environment, store, run_id)
    return None if before is None else Candidate(*before)


def _workspace_run(project: Project, environment: Environment, store: Store) -> Candidate:
    record = project.run_record_path
    if record is None:
        raise Refused(
            "there is nothing to promote", context=["mlx.yaml has no train stage"], hint="run `mlx check`"
        )
    run_id = trained_run(project)
    if run_id is None:
        raise Refused(
            "there is nothing to promote", context=[f"'{record}' names no run"], hint="run `mlx run`"
        )
    found = _known_elsewhere(project, environment, store, run_id)
    if found is None:
        raise UsageError(
            f"the store of '{environment.name}' does not know the run of this model",
            context=[f"run: {run_id}", f"store: {store}"],
            hint=f"run `mlx run --env {environment.name}`",
        )
    return found


def model_of(store: Store, run: Run) -> str:
    """Return the id of the model that a run logged.

    Raises:
        Refused: it logged none.
    """
    model_id = mlflow_runs.logged_model(store, run.id)
    if model_id is None:
        raise Refused(
            f"the run '{run.name}' has no model",
            context=[f"run: {run.id}"],
            hint="run `mlx run --force train`",
        )
    return model_id
