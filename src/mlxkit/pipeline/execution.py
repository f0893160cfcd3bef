"""One run under way: which stage may start, and what is done with it until it has ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import git, mlflow_moved
from mlxkit.adapters.dvc_locks import claims_are_cut
from mlxkit.adapters.lazy_dvc import LazyDvc
from mlxkit.errors import Interrupted, MlxError, machine_explained
from mlxkit.pipeline import dvc_yaml
from mlxkit.pipeline.away import Away
from mlxkit.pipeline.durations import keep_durations, saved_seconds
from mlxkit.pipeline.events import (
    Events,
    PlanMade,
    RecordClosing,
    StageStarted,
    Tick,
    Waiting,
    Warned,
)
from mlxkit.pipeline.failure import resume_command
from mlxkit.pipeline.lockfile import dvc_root
from mlxkit.pipeline.plan import Plan
from mlxkit.pipeline.record import Recorder
from mlxkit.pipeline.reporting import Reporting
from mlxkit.pipeline.run_result import Options, RunResult, StageResult, Status
from mlxkit.pipeline.settlement import Begun, Settlement
from mlxkit.pipeline.stage_job import job_of
from mlxkit.pipeline.stage_results import StageResults
from mlxkit.pipeline.staleness import StageState, Staleness
from mlxkit.pipeline.stop import stop
from mlxkit.project.environments import choose
from mlxkit.project.files import read_mapping
from mlxkit.targets.several import Several
from mlxkit.targets.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlxkit.project.models import Project, Stage
    from mlxkit.targets.base import Outcome, Running, Target

    Leaves = Callable[[Sequence[str]], bool]

_TICK_SECONDS = 0.1
_LOOK_SECONDS = 1.0


class Execution:
    """One run under way: what is ready starts, what ends is committed, until nothing is left."""

    def __init__(
        self,
        project: Project,
        options: Options,
        events: Events,
        target: Target,
        recording: Target,
        leaves: Leaves,
    ) -> None:
        """Make a plan. Stages run on `target`, and what is recorded of them by `recording`.

        `leaves` decides after Ctrl-C about jobs on other machines.
        """
        self._leaves = leaves
        self._project, self._options, self._events = project, options, events
        self._here, self._recording = target, recording
        self._git = git.state(project.root, ignore=project.metric_files)
        self._environment = choose(project, options.environment, branch=self._git.branch).environment
        self._dvc = LazyDvc(
            project.root,
            lambda text: events(Waiting(text)),
            lambda text: events(Warned(text)),
            remote=self._environment.remote,
        )
        self._staleness = Staleness(project, self._dvc)
        dvc_yaml.write(project, dvc_yaml.render(self._staleness.definitions, project.dvc))
        self._plan = Plan(project, options, self._staleness, self._dvc, events)
        self._settlement = Settlement(project, self._staleness, self._dvc, told=options.verbose)
        self._recorder = Recorder(project, self._environment, self._git, recording)
        self._away = Away(project, self._environment, options, self._staleness, self._recorder, events)
        self._target = Several(target, self._away.target)
        self._reporting = Reporting(project, target, self._recorder, events)
        self._results = StageResults(events)
        self._running: dict[str, tuple[Running, Begun]] = {}
        self._opening: dict[str, Begun] = {}
        self._look_at = 0.0

    def close(self) -> None:
        """End what still runs and release everything."""
        self._target.close()
        self._recording.close()
        self._dvc.close()

    def run(self, started: float) -> RunResult:
        """Go through all stages; see `run`."""
        self._events(PlanMade(tuple(self._plan.order)))
        try:
            with machine_explained():
                self._warm_up()
                if claims_are_cut(dvc_root(self._project.root)):
                    self._dvc().drop_cut_claims()
                self._plan.take_over_data()
                while len(self._results.by_name) < len(self._plan.order):
                    self._start_ready()
                    self._collect()
        except KeyboardInterrupt:
            self._interrupt()
        except MlxError as error:
            self._results.error = error
        self._dvc.release_claims()
        return self._finish(started)

    def _finish(self, started: float) -> RunResult:
        """Complete the record and the report, and say what the run did."""
        results = self._results.by_name
        self._events(RecordClosing())
        if self._results.error is None:
            self._reporting.begin(self._results.ran())
        run_id, metrics = self._record()
        self._away.close()
        reported = self._reporting.finish(evaluated=bool(metrics))
        self._staleness.save()
        saved = saved_seconds(self._project.state_dir, results.values())
        keep_durations(self._project.state_dir, results.values())
        return RunResult(
            run_id=run_id,
            git_commit=self._git.commit,
            dirty=self._git.dirty,
            environment=self._environment.name,
            stages=tuple(results.get(name, StageResult(name, "skipped")) for name in self._plan.order),
            metrics=metrics,
            **vars(reported),
            seconds=time.monotonic() - started,
            saved_seconds=saved,
            recorded=self._recorder.recorded,
            error=self._results.error,
        )

    def _warm_up(self) -> None:
        """Let the workers import their libraries while the plan is made, if anything will run."""
        stale = self._plan.stale()
        train, evaluate = self._project.train_stage, self._project.evaluate_stage
        if train is not None and train.name in stale:
            # Rather than after hours of work on what the train stage reads.
            mlflow_moved.refuse_place(self._recorder.store)
        if any(self._project.stages[name].cmd is None for name in stale) and isinstance(self._here, Workers):
            self._here.warm_up()
        if any(stage is not None and stage.name in stale for stage in (train, evaluate)):
            self._recorder.prepare()

    def _start_ready(self) -> None:
        for name in self._plan.order:
            if self._results.error is not None:
                break
            if name in self._results.by_name or name in self._running or name in self._opening:
                continue
            if not self._plan.before(name) <= self._results.by_name.keys() or self._is_full(name):
                continue
            with self._results.failing_alone(name):
                self._begin(name)
        if self._results.error is not None and not self._running:
            self._opening.clear()
            self._results.skip(self._plan.order)

    def _is_full(self, name: str) -> bool:
        """Whether the machine of a stage has as many as it may have at the same time."""
        where = self._away.where(self._project.stages[name])
        begun = [*(begun for _, begun in self._running.values()), *self._opening.values()]
        return sum(one.target == where for one in begun) >= self._options.jobs

    def _begin(self, name: str) -> None:
        """Do what a stage needs: nothing, bring its outputs back, or run it."""
        started = time.monotonic()
        found, state = self._plan.meet(name)
        match found:
            case "fresh":
                self._results.end(StageResult(name, "fresh"))
            case "restored":
                self._reporting.restored(self._project.stages[name])
                self._results.end(StageResult(name, "restored", time.monotonic() - started, state.reasons))
            case "stale":
                self._execute(name, state)

    def _execute(self, name: str, state: StageState) -> None:
        stage = self._project.stages[name]
        self._results.attempts[name] += 1
        begun = self._away.begin(stage, state)
        if stage.kind != "train":
            self._start(stage, begun, {})
            return
        sent = self._away.record(stage)
        if sent is not None and sent.record is not None:
            self._recorder.resume(sent.record)
        else:
            self._recorder.open(begun.hashes, self._staleness, target=begun.target)
        self._opening[name] = begun

    def _start_opened(self) -> None:
        """Start the training, once its run is open or cannot be."""
        variables = self._recorder.variables() if self._opening and self._results.error is None else None
        if variables is not None:
            for name, begun in self._opening.items():
                with self._results.failing_alone(name):
                    self._start(self._project.stages[name], begun, variables)
            self._opening.clear()

    def _start(self, stage: Stage, begun: Begun, env: Mapping[str, str]) -> None:
        if stage.cmd and begun.target is None:
            from mlxkit.pipeline.execute import remove_outputs

            remove_outputs(self._project.root / path for path in stage.outputs.values())
        self._reporting.started(stage)
        here = begun.target is None
        job = job_of(self._project, stage, env) if here else self._away.job(stage, begun, env)
        attempt = self._results.attempts[stage.name]
        self._events(StageStarted(stage.name, begun.state.reasons, job.log, attempt))
        self._running[stage.name] = (self._target.start(job), begun)

    def _collect(self) -> None:
        """Commit what has ended."""
        self._recorder.wait(0.0 if self._running or not self._opening else _TICK_SECONDS)
        self._start_opened()
        if not self._running:
            return
        under_way = [running for running, _ in self._running.values()]
        for running in under_way:
            self._away.listen(running)
        names = {id(running): name for name, (running, _) in self._running.items()}
        for running, outcome in self._target.wait(under_way, seconds=_TICK_SECONDS):
            name = names[id(running)]
            _, begun = self._running.pop(name)
            with self._results.failing_alone(name):
                self._settle(name, running, outcome, begun)
        if not self._running and not self._opening:
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
        error, attempt = self._settlement.failure(stage, job, outcome), self._results.attempts[name]
        retries = self._options.retries_of(stage)
        sent = self._away.record(stage)
        if error is not None:
            self._away.give_up(stage, waits=outcome.waits)
        if outcome.waits and stage.kind == "train":
            self._recorder.leave()
        if (
            error is not None
            and not outcome.waits
            and attempt <= retries
            and self._settlement.changed(name, begun.hashes) is None
        ):
            self._events(Warned(f"{name} failed, trying again ({attempt} of {retries}): {error}"))
            return self._execute(name, begun.state)
        if error is None and sent is not None:
            error = self._settlement.commit_as(sent)
            if error is None:
                self._away.settle(stage, outcome)
            else:  # what it made can be fetched again
                error = self._away.keep_open(stage, error)
        elif error is None:
            error = self._settlement.commit(name, begun.hashes)
        if error is None and stage.kind == "train":
            self._recorder.log_model(self._staleness)
        status: Status = "ran" if error is None else "failed"
        self._results.fail(error)
        log = job.log.relative_to(self._project.root).as_posix()
        reasons = begun.state.reasons
        return self._results.end(StageResult(name, status, outcome.seconds, reasons, log, outcome.max_memory))

    def _interrupt(self) -> None:
        """Stop after Ctrl-C; what finished is kept, and what runs elsewhere may go on."""
        left = self._leave()
        for name in self._running:
            self._results.by_name[name] = StageResult(name, "failed", reasons=("interrupted",))
        ended = stop(self._target, [running for running, _ in self._running.values()], self._events)
        for running, outcome in ended:
            self._away.give_up(self._project.stages[running.job.name], waits=outcome.waits)
        self._results.error = Interrupted(
            "interrupted; what had finished is kept", hint=f"run `{resume_command()}`"
        )
        if left:
            jobs = ", ".join(f"'{job}'" for job in left)
            self._results.error = Interrupted(
                f"left: {jobs} {'goes' if len(left) == 1 else 'go'} on; what had finished here is kept",
                hint=f"run `mlx jobs attach {left[0]}`, or `mlx jobs cancel {left[0]}`",
            )

    def _leave(self) -> list[str]:
        """Leave the jobs on other machines, if that is wanted; returns their names."""
        away = {name: running for name, (running, begun) in self._running.items() if begun.target is not None}
        if not away or not self._leaves(sorted(away)):
            return []
        left = {name: job for name, running in away.items() if (job := self._target.leave(running))}
        for name in left:
            del self._running[name]
            self._results.by_name[name] = StageResult(name, "away")
            if self._project.stages[name].kind == "train":
                self._recorder.leave()
        return list(left.values())

    def _record(self) -> tuple[str | None, dict[str, Any]]:
        """Complete the MLflow record; a store that fails does not undo the outputs, which are safe by now."""
        evaluate = self._project.evaluate_stage
        metrics: dict[str, Any] = {}
        if (
            evaluate is not None
            and evaluate.metrics_path is not None
            and self._results.is_done(evaluate.name)
        ):
            metrics = read_mapping(self._project.root / evaluate.metrics_path)
        try:
            train = self._project.train_stage
            trained = train is not None and self._results.is_done(train.name)
            run_id = self._recorder.close(
                self._results.by_name, self._staleness, metrics, trained, self._results.error
            )
        except MlxError as error:
            self._results.fail(error)
            run_id = self._recorder.run_id
        return run_id, metrics
