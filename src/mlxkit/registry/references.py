"""A model by whatever name a user gives it: an environment, a version, a run, or the one in the workspace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry, mlflow_runs
from mlxkit.errors import UsageError
from mlxkit.pipeline.record_job import run_of_model
from mlxkit.pipeline.trained_run import trained_run
from mlxkit.project.environments import is_alias
from mlxkit.project.suggestions import did_you_mean
from mlxkit.registry.named_model import NamedModel
from mlxkit.registry.stores import store_of

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_runs import Run
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Environment, Project

_SHOWN = 5
_VERSION = re.compile(r"[vV]?(\d+)")
_SHORTEST_ID = 4
"""A number with as many digits may be the beginning of a run's id, where there is no such version."""


def find_model(project: Project, which: str | None, *, environment: Environment) -> NamedModel:
    """Return the model that a user named; see `default_model` for None.

    Accepted are `@production` and `production`, `churn@production`, `churn/3` and `3`, and the id of a run,
    the beginning of one, or its name. `environment` is the one whose store is asked; an environment that is
    named is asked in its own.

    Raises:
        UsageError: there is no such model, or more than one.
    """
    if which is None:
        return default_model(project, environment=environment)
    word = which.strip().removeprefix("models:/")
    if word.strip("@/") == "":
        raise UsageError(f"'{which}' names no model", hint="run `mlx models` or `mlx runs`")
    if "@" in word:
        name, _, alias = word.rpartition("@")
        _check_name(project, name, which)
        return _by_alias(project, alias, environment)
    name, slash, number = word.rpartition("/")
    if slash:
        _check_name(project, name, which)
        word = number
    version = _VERSION.fullmatch(word)
    if version is not None:
        found = _by_number(project, version[1], environment)
        runs = not slash and len(word) >= _SHORTEST_ID
        found = found or (_by_run(project, word, environment) if runs else None)
        if found is None:
            raise _no_version(project, word, environment)
        return found
    if not slash and word in project.environments:
        return _by_alias(project, word, environment)
    found = _by_any_alias(project, word, environment) or (
        None if slash else _by_run(project, word, environment)
    )
    if found is None:
        raise _nothing(project, which, environment)
    return found


def workspace_model(project: Project, *, environment: Environment) -> NamedModel:
    """Return the model in the workspace, as the environment's store knows it.

    Raises:
        UsageError: nothing was trained here, or the store does not know its run.
    """
    run_id = trained_run(project)
    if run_id is None:
        missing = project.run_record_path
        raise UsageError(
            "there is no trained model in the workspace",
            context=[f"'{missing}' names no run" if missing else "mlx.yaml has no train stage"],
            hint="run `mlx run`" if missing else "run `mlx check`",
        )
    store = store_of(project, environment)
    run = run_of_model(store, project.name, run_id)
    if run is None:
        raise UsageError(
            f"the store of '{environment.name}' does not know the run of the model in the workspace",
            context=[f"run: {run_id}", f"store: {store}"],
            hint=f"run `mlx run --env {environment.name}`",
        )
    return NamedModel(store, run, _version_of(store, project.name, run), in_workspace=True)


def champion_model(project: Project, *, environment: Environment) -> NamedModel | None:
    """Return the champion of an environment; None while it has none."""
    store = store_of(project, environment)
    version = mlflow_registry.champion(store, project.name, environment.name)
    return None if version is None else _of_version(store, version)


def default_model(project: Project, *, environment: Environment) -> NamedModel:
    """Return the environment's champion, else the model in the workspace.

    Raises:
        UsageError: there is neither.
    """
    champion = champion_model(project, environment=environment)
    return champion or workspace_model(project, environment=environment)


def _check_name(project: Project, name: str, which: str) -> None:
    if name in ("", project.name):
        return
    raise UsageError(
        f"the model of this project is '{project.name}', not '{name}'{did_you_mean(name, [project.name])}",
        context=[f"asked for: {which}"],
        hint="run `mlx models` for its versions",
    )


def _by_alias(project: Project, alias: str, environment: Environment) -> NamedModel:
    """Return what an alias names: an environment's in that environment's own store."""
    place = project.environments.get(alias, environment)
    store = store_of(project, place)
    version = mlflow_registry.champion(store, project.name, alias) if is_alias(alias) else None
    if version is not None:
        return _of_version(store, version)
    if alias in project.environments:
        raise UsageError(
            f"'{alias}' has no model yet",
            context=[f"no version of '{project.name}' has the alias '{alias}'", *_known(project, store)],
            hint=f"run `mlx promote --to {alias}`",
        )
    aliases = {a for version in mlflow_registry.versions(store, project.name) for a in version.aliases}
    close = did_you_mean(alias, [*project.environments, *sorted(aliases)])
    raise UsageError(
        f"no version of '{project.name}' has the alias '{alias}'{close}",
        context=_known(project, store),
        hint="run `mlx models`",
    )


def _by_any_alias(project: Project, word: str, environment: Environment) -> NamedModel | None:
    """Return what an alias names that somebody gave in MLflow, without an environment of that name."""
    store = store_of(project, environment)
    version = mlflow_registry.champion(store, project.name, word) if is_alias(word) else None
    return None if version is None else _of_version(store, version)


def _by_number(project: Project, number: str, environment: Environment) -> NamedModel | None:
    store = store_of(project, environment)
    version = mlflow_registry.get_version(store, project.name, number)
    return None if version is None else _of_version(store, version)


def _by_run(project: Project, word: str, environment: Environment) -> NamedModel | None:
    store = store_of(project, environment)
    found = mlflow_runs.runs_named(store, project.name, word)
    if len(found) > 1:
        raise mlflow_runs.ambiguous(word, found)
    if not found:
        _refuse_deleted(project, store, word)
        return None
    return NamedModel(store, found[0], _version_of(store, project.name, found[0]))


def _refuse_deleted(project: Project, store: Store, word: str) -> None:
    deleted = mlflow_runs.runs_named(store, project.name, word, deleted=True)
    if deleted:
        raise UsageError(
            f"the run '{word}' is deleted",
            context=[f"run: {deleted[0].id}", f"store: {store}"],
            hint=f"run `MLFLOW_TRACKING_URI={store} mlflow runs restore --run-id {deleted[0].id}`",
        )


def _of_version(store: Store, version: Version) -> NamedModel:
    # An alias is read without the version's other aliases.
    whole = mlflow_registry.get_version(store, version.model, version.version) or version
    run = mlflow_runs.get_run(store, version.run_id) if version.run_id else None
    return NamedModel(store, run, whole)


def _version_of(store: Store, model: str, run: Run) -> Version | None:
    """Return the newest version that was made of a run's model."""
    known = [v for v in mlflow_registry.versions(store, model) if v.run_id == run.id]
    return known[0] if known else None


def _no_version(project: Project, word: str, environment: Environment) -> UsageError:
    store = store_of(project, environment)
    known = _known(project, store)
    registered = bool(mlflow_registry.versions(store, project.name))
    return UsageError(
        f"'{project.name}' has no version {word.lstrip('vV')}",
        context=known,
        hint="run `mlx models`" if registered else "run `mlx promote`",
    )


def _nothing(project: Project, which: str, environment: Environment) -> UsageError:
    store = store_of(project, environment)
    aliases = {a for version in mlflow_registry.versions(store, project.name) for a in version.aliases}
    names = [run.name for run in mlflow_runs.find_runs(store, project.name)]
    close = did_you_mean(which.strip(), [*project.environments, *sorted(aliases), *names])
    return UsageError(
        f"there is no environment, version or run '{which.strip()}'{close}",
        context=[*_known(project, store), f"store: {store}"],
        hint="run `mlx models` or `mlx runs`",
    )


def _known(project: Project, store: Store) -> list[str]:
    """List the newest versions, for a message about one that is not there."""
    found = mlflow_registry.versions(store, project.name)
    if not found:
        return [f"'{project.name}' is not registered yet"]
    lines = [
        f"version {version.version}" + "".join(f" @{alias}" for alias in version.aliases)
        for version in found[:_SHOWN]
    ]
    more = len(found) - len(lines)
    return [*lines, f"and {more} more"] if more else lines
