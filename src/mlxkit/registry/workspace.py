"""What a promotion needs of the workspace: git, dvc.lock, the evaluation rows, the user's own metrics."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import git, mlflow_store
from mlxkit.adapters.mlflow_tracking import user_name
from mlxkit.errors import Refused
from mlxkit.pipeline.hashing import Hasher
from mlxkit.pipeline.lockfile import LOCK_FILE, parse_lock, tracked_data
from mlxkit.pipeline.own_metrics import own_metric
from mlxkit.pipeline.record_job import MODEL_HASH
from mlxkit.project.environments import choose, lookup, tracking_uri
from mlxkit.project.flow import producers
from mlxkit.project.gates import metrics_named
from mlxkit.project.metrics import metric_names
from mlxkit.registry.promote import find_run_to_promote, promote
from mlxkit.registry.promotion import Evaluation, Promotion, Provenance

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_runs import Run
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Environment, Project


def promote_from_workspace(
    project: Project, *, to: str | None = None, run_id: str | None = None, dry_run: bool = False
) -> Promotion:
    """Promote a run's model (default: the workspace's) to an environment (default: the current one).

    Raises what `registry.promote.promote` raises.
    """
    environment = environment_of(project, to, option="--to")
    store = store_of(project, environment)
    run = find_run_to_promote(project, environment, store, run_id)
    return promote(
        project,
        environment=environment,
        store=store,
        provenance=_provenance(project, run),
        evaluation=evaluation_of(project, environment),
        run_id=run.id,
        dry_run=dry_run,
    )


def environment_of(project: Project, name: str | None, *, option: str = "--env") -> Environment:
    """Return the environment of that name, else the current one."""
    if name is not None:
        return lookup(project, name, source=option)
    return choose(project, None, branch=git.branch(project.root)).environment


def store_of(project: Project, environment: Environment) -> Store:
    """Return the MLflow store of an environment."""
    return mlflow_store.resolve(project.root, tracking_uri(project, environment))


def _provenance(project: Project, run: Run) -> Provenance:
    text = git.committed_text(project.root, LOCK_FILE)
    committed = {digest for locked in parse_lock(text or "").values() for digest in locked.outs.values()}
    return Provenance(
        dirty=run.dirty,
        locked=bool(run.tags.get(MODEL_HASH)) and run.tags[MODEL_HASH] in committed,
        commit=git.state(project.root).commit,
        by=os.environ.get("GITHUB_ACTOR") or user_name(),
    )


def evaluation_of(project: Project, environment: Environment) -> Evaluation:
    """Return the rows that decide, loaded when they are needed, and the project's own metrics.

    Raises:
        Refused: the project has no evaluation rows.
    """
    path = project.evaluation_rows_path
    if path is None:
        raise Refused(
            "there are no rows to judge a model on",
            context=["mlx.yaml has no stage of kind 'evaluate'"],
            hint="add `evaluate: {}` below `stages:`",
        )
    load = functools.cache(functools.partial(_rows, project, path))
    usual = metric_names(project.task)
    own = [
        name
        for name in metrics_named(project.gates_of(environment))
        if name not in usual and not name.startswith("baseline.")
    ]
    metrics = {name: own_metric(project, name, load) for name in own}
    return Evaluation(load, metrics, functools.partial(_digest, project, path))


def _digest(project: Project, path: str) -> str:
    return Hasher(project.root, project.state_dir / "memo.json").hash(path) or ""


def _rows(project: Project, path: str) -> Any:
    """Load the evaluation rows; where they are not here, DVC brings them back."""
    from mlxkit.pipeline.formats import load_table

    if not (project.root / path).exists() and not _checked_out(project, path):
        raise Refused("the evaluation rows are not here", context=[path], hint="run `mlx run evaluate`")
    rows = load_table(project.root / path, read=project.read_options(path))
    return rows.reset_index(drop=True)


def _checked_out(project: Project, path: str) -> bool:
    """Bring a path back as DVC has it, whether a stage makes it or `dvc add` tracks it."""
    from mlxkit.adapters.dvc import Dvc

    maker = producers(project.stages).get(path)
    tracked = tracked_data(project.root, path)
    repository = Dvc(project.root)
    try:
        if maker is not None:
            return repository.checkout(maker)
        return tracked is not None and repository.checkout_data(tracked.dvc_file)
    finally:
        repository.close()
