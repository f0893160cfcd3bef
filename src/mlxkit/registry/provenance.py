"""Where a model comes from, as git and DVC know it, and which environments take it from there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.adapters import git
from mlxkit.adapters.mlflow_tracking import user_name
from mlxkit.errors import Refused
from mlxkit.pipeline.lockfile import LOCK_FILE, parse_lock
from mlxkit.pipeline.record_job import MODEL_HASH
from mlxkit.project.environments import is_strict

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_runs import Run
    from mlxkit.project.models import Environment, Project

_SHOWN = 3


@dataclass(frozen=True)
class Provenance:
    """What git and DVC know of the model that is to be promoted.

    Attributes:
        dirty: whether its run was made from uncommitted work.
        locked: whether the `dvc.lock` of HEAD holds the model's hash.
        commit: HEAD.
        by: who promotes.
        pushed: whether HEAD is on a branch of a git remote; True where there is no remote.
        push: the command that pushes HEAD.
        absent: paths of data that the DVC remote lacks; none where there is no remote.
    """

    dirty: bool
    locked: bool
    commit: str | None
    by: str
    pushed: bool = True
    push: str = "git push"
    absent: tuple[str, ...] = ()


def provenance_of(project: Project, environment: Environment, run: Run) -> Provenance:
    """Ask git and DVC where a model comes from; the remotes only for an environment that wants to know."""
    root = project.root
    text = git.committed_text(root, LOCK_FILE)
    committed = {digest for locked in parse_lock(text or "").values() for digest in locked.outs.values()}
    commit = git.state(root).commit
    locked = bool(run.tags.get(MODEL_HASH)) and run.tags[MODEL_HASH] in committed
    asks = is_strict(project, environment) and environment.pushed and locked and not run.dirty
    return Provenance(
        dirty=run.dirty,
        locked=locked,
        commit=commit,
        by=actor(),
        pushed=not asks or commit is None or git.is_pushed(root, commit),
        push=git.push_command(root) if asks else "git push",
        absent=_absent(project, environment) if asks else (),
    )


def actor() -> str:
    """Return who does what is recorded: on GitHub who started the job, else the user of this machine."""
    return os.environ.get("GITHUB_ACTOR") or user_name()


def _absent(project: Project, environment: Environment) -> tuple[str, ...]:
    from mlxkit.adapters.dvc import Dvc

    repository = Dvc(project.root, remote=environment.remote)
    try:
        return tuple(repository.not_on_remote() or ())
    finally:
        repository.close()


def check_provenance(project: Project, environment: Environment, provenance: Provenance) -> None:
    """Refuse a model that nobody could make again.

    Raises:
        Refused: it is from uncommitted or unpushed work, or its data is only here.
    """
    if not is_strict(project, environment):
        return
    name = environment.name
    if provenance.dirty:
        raise Refused(
            f"'{name}' takes no model from uncommitted work",
            context=["the model's run was made with changes that are in no commit"],
            hint="run `git add src && git commit -a && mlx run --force`",
        )
    if provenance.commit is None:
        raise Refused(
            f"'{name}' takes only models that a commit holds",
            context=["this project has no commit"],
            hint="run `git init && git add --all && git commit -m 'Start'`, then `mlx run --force`",
        )
    if not provenance.locked:
        commit = provenance.commit[:12]
        raise Refused(
            f"'{name}' takes only models that the commit holds",
            context=[f"the dvc.lock of {commit} does not name this model"],
            hint="run `git add dvc.lock && git commit -m 'Train the model'`",
        )
    if not provenance.pushed:
        raise Refused(
            f"'{name}' takes only models whose commit is pushed",
            context=[f"{provenance.commit[:12]} is on no branch of a git remote"],
            hint=f"run `{provenance.push}`, or set `pushed: false` for '{name}' in mlx.yaml",
        )
    if provenance.absent:
        more = len(provenance.absent) - _SHOWN
        context = [*provenance.absent[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        where = f" --remote {environment.remote}" if environment.remote else ""
        raise Refused(
            f"'{name}' takes only models whose data is on the DVC remote",
            context=context,
            hint=f"run `dvc push{where}`, or set `pushed: false` for '{name}' in mlx.yaml",
        )
