"""One run under way: which stage may start, what it needs, and what becomes of it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import git, mlflow_moved
from mlxkit.adapters.dvc_locks import claims_are_cut
from mlxkit.errors import Interrupted, MlxError, of_the_machine
from mlxkit.pipeline import dvc_yaml
from mlxkit.pipeline.durations import keep_durations, saved_seconds
from mlxkit.pipeline.events import (
    Events,
    PlanMade,
    RecordClosing,
    StageEnded,
    StageStarted,
    Tick,
    Waiting,
    Warned,
)
from mlxkit.pipeline.failure import resume_command
from mlxkit.pipeline.graph import select, upstream
from mlxkit.pipeline.lockfile import dvc_root
from mlxkit.pipeline.record import Recorder
from mlxkit.pipeline.reporting import Reporting
from mlxkit.pipeline.restore import Restore
from mlxkit.pipeline.run_result import Options, RunResult, StageResult, Status
from mlxkit.pipeline.settlement import Begun, Settlement
from mlxkit.pipeline.stage_job import job_of
from mlxkit.pipeline.staleness import StageState, Staleness
from mlxkit.pipeline.stop import stop
from mlxkit.project.environments import choose
from mlxkit.project.files import read_mapping
from mlxkit.targets.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlxkit.project.models import Project, Stage
    from mlxkit.targets.base import Outcome, Running, Target


_TICK_SECONDS = 0.1
_LOOK_SECONDS = 1.0


class Execution:
    """One run under way: what is ready starts, what ends is committed, until nothing is left."""

    def __init__(
        self, project: Project, options: Options, events: Events, target: Target, recording: Target
    ) -> None:
        """Make a plan. Stages run on `target`, and what is recorded of them by `recording`."""
        self._project, self._options, self._events = project, options, events
        self._target, self._recording = target, recording
        self._staleness = Staleness(project, lambda: self.dvc)
        dvc_yaml.write(project, dvc_yaml.render(self._staleness.definitions))
        self._restore = Restore(project, self._staleness, lambda: self.dvc, events)
        self._settlement = Settlement(project, self._staleness, lambda: self.dvc, told=options.verbose)
        self._order = select(project.stages, options.stages)
        self._above = upstream(project.stages)
        self._git = git.state(project.root, ignore=project.metric_files)
        self._environment = choose(project, options.environment, branch=self._git.branch).environment
        self._recorder = Recorder(project, self._environment, self._git, recording)
        self._reporting = Reporting(project, target, self._recorder, events)
        self._results: dict[str, StageResult] = {}
        self._running: dict[str, tuple[Running, Begun]] = {}
        self._opening: dict[str, Begun] = {}
        self._attempts: dict[str, int] = {}
        self._planned: dict[str, StageState] = {}
        """What the plan found; it holds until anything is brought back or run."""
        self._look_at = 0.0
        self._error: MlxError | None = None
        self._dvc: Any = None

    def close(self) -> None:
        """End what still runs and release everything."""
        self._target.close()
        self._recording.close()
        if self._dvc is not None:
            self._dvc.close()

    def run(self, started: float) -> RunResult:
        """Go through all stages; see `run`."""
        self._events(PlanMade(tuple(self._order)))
        try:
            self._warm_up()
            if claims_are_cut(dvc_root(self._project.root)):
                self.dvc.drop_cut_claims()
            if self._restore.take_over_data(self._order):
                self._planned.clear()
            while len(self._results) < len(self._order):
                self._start_ready()
                self._collect()
        except KeyboardInterrupt:
            self._interrupt()
        except MlxError as error:
            self._error = error
        except OSError as error:
            self._error = of_the_machine(error)
            if self._error is None:
                raise
        if self._dvc is not None:
            self._dvc.release_claims()
        self._events(RecordClosing())
        if self._error is None:
            self._reporting.begin(
                [result.name for result in self._results.values() if result.status == "ran"]
            )
        run_id, metrics = self._record()
        reported = self._reporting.finish(evaluated=bool(metrics))
        self._staleness.save()
        saved = saved_seconds(self._project.state_dir, self._results.values())
        keep_durations(self._project.state_dir, self._results.values())
        return RunResult(
            run_id=run_id,
            git_commit=self._git.commit,
            dirty=self._git.dirty,
            environment=self._environment.name,
            stages=tuple(self._results.get(name, StageResult(name, "skipped")) for name in self._order),
            metrics=metrics,
            **vars(reported),
            seconds=time.monotonic() - started,
            saved_seconds=saved,
            recorded=self._recorder.recorded,
            error=self._error,
        )

    def _warm_up(self) -> None:
        """Let the workers import their libraries while the plan is made, if anything will run."""
        stale: set[str] = set()
        for name in self._order:
            if self._options.forces(name) or self._above[name] & stale:
                stale.add(name)
                continue
            self._planned[name] = self._staleness.check(name)
            if self._planned[name].state != "fresh":
                stale.add(name)
        train, evaluate = self._project.train_stage, self._project.evaluate_stage
        if train is not None and train.name in stale:
            # Rather than after hours of work on what the train stage reads.
            mlflow_moved.refuse_place(self._recorder.store)
        if any(self._project.stages[name].cmd is None for name in stale) and isinstance(
            self._target, Workers
        ):
            self._target.warm_up()
        if any(stage is not None and stage.name in stale for stage in (train, evaluate)):
            self._recorder.prepare()

    @property
    def dvc(self) -> Any:
        """The DVC repository, opened when it is first needed."""
        if self._dvc is None:
            from mlxkit.adapters.dvc import Dvc

            self._dvc = Dvc(
                self._project.root,
                lambda text: self._events(Waiting(text)),
                lambda text: self._events(Warned(text)),
            )
        return self._dvc

    def _start_ready(self) -> None:
        for name in self._order:
            if self._error is not None or len(self._running) + len(self._opening) >= self._options.jobs:
                break
            if name in self._results or name in self._running or name in self._opening:
                continue
            if any(above in self._order and above not in self._results for above in self._above[name]):
                continue
            with self._failing_alone(name):
                self._begin(name)
        if self._error is not None and not self._running:
            self._opening.clear()
            for name in self._order:
                self._results.setdefault(name, StageResult(name, "skipped"))

    @contextmanager
    def _failing_alone(self, name: str) -> Iterator[None]:
        """Let what goes wrong with one stage end no other one that runs."""
        try:
            yield
            return
        except MlxError as error:
            known: MlxError | None = error
        except OSError as error:
            known = of_the_machine(error)
            if known is None:
                raise
        self._error = self._error or known
        self._end(StageResult(name, "failed" if name in self._attempts else "skipped"))

    def _begin(self, name: str) -> None:
        """Decide what a stage needs: nothing, its outputs back, or to run."""
        state = self._planned.get(name) or self._staleness.check(name)
        forced = self._options.forces(name)
        started = time.monotonic()
        if forced or state.state != "fresh" or state.missing:
            self._planned.clear()
            if self.dvc.claim(name):
                self._staleness.reload()
                state = self._staleness.check(name)
        if not forced:
            if state.state == "fresh" and not state.missing:
                return self._end(StageResult(name, "fresh"))
            if self._restore.outputs(name, state):
                self._reporting.restored(self._project.stages[name])
                reasons = state.reasons or tuple(f"{path} was not here" for path in state.missing)
                return self._end(StageResult(name, "restored", time.monotonic() - started, reasons))
        self._restore.inputs(name)
        reasons = ("forced",) if forced and not state.reasons else state.reasons
        reasons = reasons or tuple(f"{path} is neither here nor in the cache" for path in state.missing)
        self._execute(name, StageState(name, state.state, reasons, state.missing))
        return None

    def _execute(self, name: str, state: StageState) -> None:
        stage = self._project.stages[name]
        self._attempts[name] = self._attempts.get(name, 0) + 1
        begun = Begun(state, self._staleness.dependency_hashes(name))
        if stage.kind == "train":
            self._recorder.open(begun.hashes, self._staleness)
            self._opening[name] = begun
        else:
            self._start(stage, begun, {})

    def _start_opened(self) -> None:
        """Start the training, once its run is open or cannot be."""
        variables = self._recorder.variables() if self._opening and self._error is None else None
        if variables is not None:
            for name, begun in self._opening.items():
                with self._failing_alone(name):
                    self._start(self._project.stages[name], begun, variables)
            self._opening.clear()

    def _start(self, stage: Stage, begun: Begun, env: Mapping[str, str]) -> None:
        if stage.cmd:
            from mlxkit.pipeline.execute import remove_outputs

            remove_outputs(self._project.root / path for path in stage.outputs.values())
        self._reporting.started(stage)
        job = job_of(self._project, stage, env)
        self._events(StageStarted(stage.name, begun.state.reasons, job.log, self._attempts[stage.name]))
        self._running[stage.name] = (self._target.start(job), begun)

    def _collect(self) -> None:
        """Commit what has ended."""
        self._recorder.wait(0.0 if self._running or not self._opening else _TICK_SECONDS)
        self._start_opened()
        if not self._running:
            return
        under_way = [running for running, _ in self._running.values()]
        names = {id(running): name for name, (running, _) in self._running.items()}
        for running, outcome in self._target.wait(under_way, seconds=_TICK_SECONDS):
            name = names[id(running)]
            _, begun = self._running.pop(name)
            with self._failing_alone(name):
                self._settle(name, running, outcome, begun)
        if not self._running and not self._opening and self._dvc is not None:
            self._dvc.release_claims()
        self._events(Tick(self._memory()))

    def _memory(self) -> dict[str, int]:
        """Look at the memory of what runs, now and then: it means to read about every process here."""
        now = time.monotonic()
        if now < self._look_at:
            return {}
        self._look_at = now + _LOOK_SECONDS
        return {name: self._target.memory(running) for name, (running, _) in self._running.items()}

    def _settle(self, name: str, running: Running, outcome: Outcome, begun: Begun) -> None:
        """Keep what a stage made, or try again, or end it as failed."""
        stage, job = self._project.stages[name], running.job
        error, attempt = self._settlement.failure(stage, job, outcome), self._attempts[name]
        if (
            error is not None
            and attempt <= stage.retries
            and self._settlement.changed(name, begun.hashes) is None
        ):
            self._events(Warned(f"{name} failed, trying again ({attempt} of {stage.retries}): {error}"))
            return self._execute(name, begun.state)
        if error is None:
            error = self._settlement.commit(name, begun.hashes)
        if error is None and stage.kind == "train":
            self._recorder.log_model(self._staleness)
        status: Status = "ran" if error is None else "failed"
        self._error = self._error or error
        log = job.log.relative_to(self._project.root).as_posix()
        reasons = begun.state.reasons
        return self._end(StageResult(name, status, outcome.seconds, reasons, log, outcome.max_memory))

    def _end(self, result: StageResult) -> None:
        self._results[result.name] = result
        self._events(
            StageEnded(result.name, result.status, result.seconds, result.reasons, result.max_memory)
        )

    def _interrupt(self) -> None:
        """Stop after Ctrl-C; what finished is kept."""
        for name in self._running:
            self._results[name] = StageResult(name, "failed", reasons=("interrupted",))
        stop(self._target, [running for running, _ in self._running.values()], self._events)
        self._error = Interrupted("interrupted; what had finished is kept", hint=f"run `{resume_command()}`")

    def _record(self) -> tuple[str | None, dict[str, Any]]:
        """Complete the MLflow record; a store that fails does not undo the outputs, which are safe by now."""
        evaluate = self._project.evaluate_stage
        metrics: dict[str, Any] = {}
        if evaluate is not None and evaluate.metrics_path is not None and self._done(evaluate.name):
            metrics = read_mapping(self._project.root / evaluate.metrics_path)
        try:
            train = self._project.train_stage
            trained = train is not None and self._done(train.name)
            return self._recorder.close(
                self._results, self._staleness, metrics, trained, self._error
            ), metrics
        except MlxError as error:
            self._error = self._error or error
            return self._recorder.run_id, metrics

    def _done(self, name: str) -> bool:
        return name in self._results and self._results[name].status in ("ran", "restored", "fresh")
