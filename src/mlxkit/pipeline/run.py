"""`mlx run`: bring stages up to date, each in a process of its own, and record the run that trained."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlxkit.adapters import git
from mlxkit.errors import UsageError
from mlxkit.pipeline import dvc_yaml
from mlxkit.pipeline.events import Events, ignore
from mlxkit.pipeline.execution import Execution
from mlxkit.pipeline.graph import select
from mlxkit.pipeline.lock import run_lock
from mlxkit.pipeline.run_result import Options, RunResult, StageResult
from mlxkit.pipeline.staleness import StageState, Staleness
from mlxkit.project.environments import choose
from mlxkit.project.load import load
from mlxkit.project.params import set_params
from mlxkit.targets.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlxkit.project.models import Project
    from mlxkit.targets.base import Target

LOCAL = "local"
"""Name of this machine as a target."""
STAGES = (
    "pandas",
    "pyarrow.parquet",
    "mlxkit.pipeline.execute",
    "scipy.stats",
    "sklearn.pipeline",
    "sklearn.ensemble",
    "mlflow",
    "skops.io",
    "mlflow.sklearn",
    "mlxkit.adapters.mlflow_model",
    "mlxkit.adapters.mlflow_signature",
    "mlxkit.evaluation.score",
    "mlxkit.evaluation.profile",
    "mlxkit.evaluation.training_rows",
)
"""What stages use, in the order in which a pipeline comes to need it."""
RECORD = (
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlxkit.pipeline.record_job",
)
"""What the record in MLflow uses."""
WARM = "MLX_WARM"
"""Variable for how many seconds workers stay warm after a run; 0 ends them with it."""
_WARM_SECONDS = 600.0
_RUNNING = "MLX_RUNNING"
"""Variable that tells a stage, and what it starts, which project is being run."""


def run(root: Path, options: Options, events: Events = ignore, *, target: Target | None = None) -> RunResult:
    """Bring the named stages, and all that they read from, up to date.

    `target` runs the jobs; by default the workers of this machine.

    Raises:
        MlxError: before anything ran; a stage's own failure is in the result's `error`.
    """
    if options.jobs < 1:
        raise UsageError(f"--jobs must be at least 1, is {options.jobs}")
    if options.dry_run:
        return _dry_run(root, options)
    started = time.monotonic()
    with _one_of_its_kind(root), run_lock(root / ".mlx" / "run.lock", events) as lock:
        project = load(root)
        _refuse(project, options)
        if options.settings:
            set_params(root, list(options.settings))
            project = load(root)
        linger = _linger_seconds()
        stages = target or Workers(root, preload=STAGES, lock=lock, linger=linger)
        recording = Workers(root, preload=RECORD, lock=lock, linger=linger)
        execution = Execution(project, options, events, stages, recording)
        try:
            return execution.run(started)
        finally:
            execution.close()


def _linger_seconds() -> float:
    """Return how long workers wait for another run: only where somebody sits who may start one."""
    text = os.environ.get(WARM, "")
    try:
        watched = sys.stderr.isatty() and not os.environ.get("CI")
        return float(text) if text else _WARM_SECONDS if watched else 0.0
    except ValueError as error:
        raise UsageError(
            f"{WARM} must be a number of seconds, is '{text}'", hint=f"run `unset {WARM}`"
        ) from error


@contextmanager
def _one_of_its_kind(root: Path) -> Iterator[None]:
    """Refuse a run that a stage of this project started: each would wait for the other."""
    if os.environ.get(_RUNNING) == str(root):
        raise UsageError(
            "a stage of this project started this run, which would wait for that stage for ever",
            hint="let the stage do its own work only, and name what it needs under `inputs:`",
        )
    outer = os.environ.get(_RUNNING)
    os.environ[_RUNNING] = str(root)
    try:
        yield
    finally:
        if outer is None:
            del os.environ[_RUNNING]
        else:
            os.environ[_RUNNING] = outer


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
    choose(project, options.environment)
    _refuse_remote_targets(project, options, selected)
    dvc_yaml.refuse_outputs_in_git(project, selected)


def _refuse_remote_targets(project: Project, options: Options, selected: list[str]) -> None:
    """Refuse what this version cannot do, rather than train on the wrong machine."""
    named = set(options.stages) or {s.name for s in project.stages.values() if s.kind == "train"}
    for name in selected:
        wanted = options.on if options.on is not None and name in named else project.stages[name].on
        if wanted not in (None, LOCAL):
            raise UsageError(
                f"stage '{name}' is to run on '{wanted}', and this version runs stages on this machine only",
                hint=f"run `mlx run {name} --on {LOCAL}`",
            )
