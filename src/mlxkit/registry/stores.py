"""Stores of environments, and models on their way from one to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_copy, mlflow_registry, mlflow_runs, mlflow_store
from mlxkit.adapters.mlflow_tracking import RESTORED_FROM
from mlxkit.errors import Refused
from mlxkit.pipeline.record_job import MODEL_HASH, run_of_model
from mlxkit.project.environments import registry_uri, tracking_uri

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_runs import Run
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Environment, Project


def store_of(project: Project, environment: Environment) -> Store:
    """Return the MLflow store of an environment."""
    tracking, registry = tracking_uri(project, environment), registry_uri(project, environment)
    return mlflow_store.resolve(project.root, tracking, registry)


def predecessor(
    project: Project, environment: Environment, store: Store
) -> tuple[str, Store, Version | None] | None:
    """Return the environment that one requires, its store and its champion; None where it requires none.

    `store` is that of the environment itself.
    """
    if environment.requires is None:
        return None
    required = project.environments[environment.requires]
    same = (required.tracking, required.registry) == (environment.tracking, environment.registry)
    source = store if same else store_of(project, required)
    return required.name, source, mlflow_registry.champion(source, project.name, required.name)


def find_before(
    project: Project, environment: Environment, store: Store, run_id: str
) -> tuple[Run, Store] | None:
    """Return a run that the environment before has in a store of its own, and that store.

    None where that is the same store, or does not know the run.

    Raises:
        Refused: the environment before has another model now.
    """
    before = predecessor(project, environment, store)
    if before is None or before[1].uri == store.uri:
        return None
    name, source, champion = before
    run = run_of_model(source, project.name, run_id)
    if run is None:
        return None
    if champion is None or champion.run_id != run.id:
        raise Refused(
            f"'{environment.name}' takes only the model that '{name}' has now",
            context=[f"'{name}' has {_named(champion)}"],
            hint=f"run `mlx promote --to {name} --run {run_id}`",
        )
    return run, source


def carry(project: Project, run: Run, source: Store, store: Store) -> Run:
    """Carry a run to another store, with its model and all that was recorded; returns it as it is there."""
    carried = mlflow_runs.get_run(store, mlflow_copy.carry(source, store, project.name, run.id))
    assert carried is not None
    return carried


def check_predecessor(
    project: Project, environment: Environment, store: Store, run: Run, model_id: str
) -> None:
    """Refuse a model that the environment before has not.

    In one store that is the same model. Where each has its own store, it is the model that was carried from
    there, an equal one, or one that the same commit made of other data.

    Raises:
        Refused: the environment before has another model, or none.
    """
    before = predecessor(project, environment, store)
    if before is None:
        return
    name, source, champion = before
    if champion is not None:
        if source.uri == store.uri:
            if champion.model_id == model_id:
                return
        elif _is_alike(run, mlflow_runs.get_run(source, champion.run_id) if champion.run_id else None):
            return
    raise Refused(
        f"'{environment.name}' takes only the model that '{name}' has now",
        context=[f"'{name}' has {_named(champion)}"],
        hint=f"run `mlx promote --to {name}`",
    )


def _is_alike(run: Run, other: Run | None) -> bool:
    if other is None:
        return False
    carried = _origin(run) == _origin(other)
    equal = MODEL_HASH in run.tags and run.tags[MODEL_HASH] == other.tags.get(MODEL_HASH)
    same_code = run.commit is not None and run.commit == other.commit and not run.dirty and not other.dirty
    return carried or equal or same_code


def _origin(run: Run) -> str:
    return run.tags.get(RESTORED_FROM) or run.id


def _named(champion: Version | None) -> str:
    return "no version yet" if champion is None else f"version {champion.version}, which is another model"
