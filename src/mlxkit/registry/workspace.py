"""What a promotion needs of the workspace: git, dvc.lock, the evaluation rows, the user's own metrics."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import git
from mlxkit.errors import Refused, ToolError
from mlxkit.pipeline.hashing import Hasher
from mlxkit.pipeline.lockfile import tracked_data
from mlxkit.pipeline.own_metrics import own_metric
from mlxkit.project.environments import choose, lookup
from mlxkit.project.flow import producers
from mlxkit.project.gates import metrics_named
from mlxkit.project.metrics import metric_names
from mlxkit.registry.approval import on_github
from mlxkit.registry.candidate import find_candidate
from mlxkit.registry.decision import decide
from mlxkit.registry.history import history, history_in_git
from mlxkit.registry.promote import promote
from mlxkit.registry.promotion import Evaluation, Promotion
from mlxkit.registry.provenance import actor, provenance_of
from mlxkit.registry.rollback import roll_back
from mlxkit.registry.stores import store_of

if TYPE_CHECKING:
    from mlxkit.project.models import Environment, Project
    from mlxkit.registry.history import Entry
    from mlxkit.registry.rollback import Rollback


def promote_from_workspace(
    project: Project,
    *,
    to: str | None = None,
    run_id: str | None = None,
    dry_run: bool = False,
    reason: str = "",
    approves: bool = False,
) -> Promotion:
    """Promote a run's model (default: the workspace's) to an environment (default: the current one).

    Raises what `registry.promote.promote` raises.
    """
    environment = environment_of(project, to, option="--to")
    store = store_of(project, environment)
    run = find_candidate(project, environment, store, run_id).run
    return promote(
        project,
        environment=environment,
        store=store,
        provenance=provenance_of(project, environment, run),
        evaluation=evaluation_of(project, environment),
        run_id=run.id,
        dry_run=dry_run,
        reason=reason,
        approves=approves,
    )


def decide_in_workspace(
    project: Project, *, to: str | None, approve: bool, run_id: str | None = None, reason: str = ""
) -> Promotion:
    """Approve or reject what waits for an environment; on GitHub, promote there and then if nothing does.

    Raises:
        Refused: nothing waits; else what `registry.decision.decide` raises.
    """
    environment = environment_of(project, to, option="--to")
    store = store_of(project, environment)
    done = decide(project, environment, store, by=actor(), approve=approve, run_id=run_id, reason=reason)
    if done is not None:
        return done
    if approve and on_github():
        return promote_from_workspace(project, to=to, run_id=run_id, reason=reason, approves=True)
    raise Refused(
        f"nothing waits for approval in '{environment.name}'",
        hint=f"run `mlx promote --to {environment.name}`",
    )


def roll_back_in_workspace(
    project: Project, *, environment: str | None = None, to: str | None = None, reason: str = ""
) -> Rollback:
    """Give an environment the version that it had before.

    Raises what `registry.rollback.roll_back` raises.
    """
    chosen = environment_of(project, environment)
    rows = None if project.evaluation_rows_path is None else evaluation_of(project, chosen).rows
    return roll_back(project, store_of(project, chosen), chosen, by=actor(), rows=rows, to=to, reason=reason)


def histories(
    project: Project, environment: str | None = None
) -> tuple[dict[str, tuple[Entry, ...]], list[str]]:
    """Return the history of each environment, or of one, and what could not be asked.

    Of several environments, one whose store does not answer is told as far as git knows it.
    """
    if environment is not None:
        only = lookup(project, environment, source="--env")
        return {only.name: history(project, store_of(project, only), only.name)}, []
    found, notes = {}, []
    for name, each in project.environments.items():
        try:
            found[name] = history(project, store_of(project, each), name)
        except ToolError as error:
            notes.append(f"of '{name}' this is what git knows: {error.message}")
            found[name] = history_in_git(project, name)
            if len(notes) == len(project.environments):
                raise
    return found, notes


def environment_of(project: Project, name: str | None, *, option: str = "--env") -> Environment:
    """Return the environment of that name, else the current one."""
    if name is not None:
        return lookup(project, name, source=option)
    return choose(project, None, branch=git.branch(project.root)).environment


def evaluation_of(project: Project, environment: Environment) -> Evaluation:
    """Return the rows that decide, loaded when they are needed, and the project's own metrics.

    Raises:
        Refused: the project has no evaluation rows.
    """
    path = _rows_path(project)
    load = functools.cache(functools.partial(_rows, project, path))
    usual = metric_names(project.task)
    own = [
        name
        for name in metrics_named(project.gates_of(environment))
        if name not in usual and not name.startswith("baseline.")
    ]
    metrics = {name: own_metric(project, name, load) for name in own}
    return Evaluation(load, metrics, functools.partial(_digest, project, path))


def evaluation_rows(project: Project) -> Any:
    """Return the rows that models are scored on; where they are not here, DVC brings them back.

    Raises:
        Refused: there are none.
    """
    return _rows(project, _rows_path(project))


def _rows_path(project: Project) -> str:
    path = project.evaluation_rows_path
    if path is None:
        raise Refused(
            "there are no rows to judge a model on",
            context=["mlx.yaml has no stage of kind 'evaluate'"],
            hint="add `evaluate: {}` below `stages:`",
        )
    return path


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
