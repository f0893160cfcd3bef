"""`mlx run`: bring stages up to date, each in a process of its own, and record the run that trained."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlxkit.adapters import git
from mlxkit.errors import UsageError
from mlxkit.pipeline import dvc_yaml, warm
from mlxkit.pipeline.away import target_of
from mlxkit.pipeline.events import Events, ignore
from mlxkit.pipeline.execution import Execution
from mlxkit.pipeline.graph import select
from mlxkit.pipeline.lock import one_of_its_kind, run_lock
from mlxkit.pipeline.run_result import Options, RunResult, StageResult
from mlxkit.pipeline.staleness import StageState, Staleness
from mlxkit.project.environments import choose
from mlxkit.project.load import load
from mlxkit.project.params import set_params
from mlxkit.targets.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mlxkit.project.models import Project
    from mlxkit.targets.base import Target


def run(
    root: Path,
    options: Options,
    events: Events = ignore,
    *,
    target: Target | None = None,
    leaves: Callable[[Sequence[str]], bool] = lambda stages: True,
) -> RunResult:
    """Bring the named stages, and all that they read from, up to date.

    Args:
        root: the project.
        options: what is wanted.
        events: called with what happens.
        target: runs the jobs of this machine; by default its workers.
        leaves: asked after Ctrl-C whether the jobs of some stages, on other machines, go on or are ended.

    Raises:
        MlxError: before anything ran; a stage's own failure is in the result's `error`.
    """
    if options.jobs < 1:
        raise UsageError(
            f"--jobs must be at least 1, is {options.jobs}", hint="leave it out, or run with `--jobs 1`"
        )
    if options.dry_run:
        return _dry_run(root, options)
    started = time.monotonic()
    with one_of_its_kind(root), run_lock(root / ".mlx" / "run.lock", events) as lock:
        project = load(root)
        _refuse(project, options)
        if options.settings:
            set_params(root, list(options.settings))
            project = load(root)
        linger = warm.linger_seconds()
        stages = target or Workers(root, preload=warm.STAGES, lock=lock, linger=linger)
        recording = Workers(root, preload=warm.RECORD, lock=lock, linger=linger)
        execution = Execution(project, options, events, stages, recording, leaves)
        try:
            return execution.run(started)
        finally:
            execution.close()


def _dry_run(root: Path, options: Options) -> RunResult:
    if options.settings:
        raise UsageError("--dry-run changes nothing, so it takes no --set", hint="leave one of them out")
    project = load(root)
    _refuse(project, options)
    states = Staleness(project).check_all(options.stages)
    state = git.state(root, ignore=project.metric_files)
    results = tuple(_would_be(s, forced=options.forces(s.name)) for s in states)
    environment = choose(project, options.environment, branch=state.branch).environment.name
    return RunResult(None, state.commit, state.dirty, environment, results)


def _would_be(state: StageState, *, forced: bool) -> StageResult:
    if state.state == "fresh" and not forced:
        return StageResult(state.name, "fresh")
    return StageResult(state.name, "skipped", 0.0, state.reasons or ("forced",))


def _refuse(project: Project, options: Options) -> None:
    """Refuse, before anything is written, an unknown stage, environment or target, and an output in git."""
    selected = select(project.stages, options.stages)
    environment = choose(project, options.environment, branch=git.branch(project.root)).environment
    for name in selected:
        target_of(project, environment, project.stages[name], options)
    dvc_yaml.refuse_outputs_in_git(project, selected)
