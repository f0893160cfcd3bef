"""Stages that run on other machines: what goes with them, and what becomes of it here."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import git
from mlxkit.errors import UsageError
from mlxkit.pipeline.events import Events, StageAway, Warned
from mlxkit.pipeline.jobs import JobRecord, Jobs
from mlxkit.pipeline.lockfile import cache_folder
from mlxkit.pipeline.requirements import requirements_of
from mlxkit.pipeline.settlement import Begun
from mlxkit.pipeline.stage_job import job_of
from mlxkit.pipeline.warm import AWAY, STAGES, linger_seconds
from mlxkit.project.models import CONFIG_FILE, PARAMS_FILE
from mlxkit.project.params import read_params
from mlxkit.project.suggestions import did_you_mean
from mlxkit.project.variables import ENV_FILE, read_dotenv
from mlxkit.targets.base import Parcel
from mlxkit.targets.box.places import TRACKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlxkit.errors import MlxError
    from mlxkit.pipeline.record import Recorder
    from mlxkit.pipeline.run_result import Options
    from mlxkit.pipeline.staleness import StageState, Staleness
    from mlxkit.project.models import Environment, Project, Stage
    from mlxkit.targets.base import Job, Outcome, Running, Target
    from mlxkit.targets.remote_job import RemoteJob

LOCAL = "local"
"""Name of this machine as a target."""
VARIABLE = "MLX_TARGET"
_SKIPPED = (".git", ".dvc", ".mlx", ".venv", "mlruns", "node_modules", "__pycache__")


class Away:
    """What a run does with the stages that it sends to other machines."""

    def __init__(
        self,
        project: Project,
        environment: Environment,
        options: Options,
        staleness: Staleness,
        recorder: Recorder,
        events: Events,
    ) -> None:
        self._project, self._environment = project, environment
        self._options, self._events = options, events
        self._staleness, self._recorder = staleness, recorder
        self._jobs = Jobs(project)
        self._begun: dict[str, Begun] = {}
        self._records: dict[str, JobRecord] = {}
        self._told: dict[str, StageAway] = {}

    def target(self, name: str) -> Target:
        """Return the machine of a name, to which jobs are sent."""
        from mlxkit.targets.remote import Remote

        return Remote(
            self._project.targets[name],
            self._project.root,
            self._jobs.folder,
            keep=self._keep,
            old=lambda: [job.id for job in self._jobs.old(name)],
            tell=lambda text: self._events(Warned(text)),
        )

    def where(self, stage: Stage) -> str | None:
        """Return the name of the machine that a stage runs on, None for this one."""
        if self._options.job is not None:
            return self._jobs.find(self._options.job).target
        return target_of(self._project, self._environment, stage, self._options)

    def begin(self, stage: Stage, state: StageState) -> Begun:
        """Note what a stage begins with, and where it runs; a machine may be doing just that already."""
        hashes, target = self._staleness.dependency_hashes(stage.name), self.where(stage)
        known = None
        if self._options.job is not None:
            known = self._jobs.find(self._options.job)
            hashes = dict(known.hashes)
        elif target is not None:
            definition = self._staleness.definitions[stage.name]
            known = next((job for job in self._jobs.open() if job.does(definition, hashes, target)), None)
        begun = Begun(state, hashes, target)
        self._begun[stage.name] = begun
        if known is not None:
            self._records[stage.name] = known
        return begun

    def record(self, stage: Stage) -> JobRecord | None:
        """Return what is remembered of a stage's job, once that was sent."""
        return self._records.get(stage.name)

    def job(self, stage: Stage, begun: Begun, env: Mapping[str, str]) -> Job:
        """Return the job of a stage on its machine; `env` is what it would have here."""
        assert begun.target is not None
        known = self._records.get(stage.name)
        here = job_of(self._project, stage, env)
        arguments = {
            "command": dict(here.arguments),
            "run_id": env.get("MLFLOW_RUN_ID"),
            "experiment": self._project.name,
        }
        return replace(
            here,
            call=None if here.call is None else "mlxkit.pipeline.execute_away:execute_job_away",
            arguments=arguments,
            env={},
            parcel=self._parcel(stage, begun, begun.target, known.id if known is not None else None),
        )

    def _parcel(self, stage: Stage, begun: Begun, target: str, job_id: str | None) -> Parcel:
        root, definition = self._project.root, self._staleness.definitions[stage.name]
        listed = git.files(root)
        files = set(_walk(root, _data_of(self._project)) if listed is None else listed)
        files |= {path for path in (*definition.code, CONFIG_FILE, PARAMS_FILE) if (root / path).is_file()}
        outputs = set(definition.made)
        files -= {*outputs, ENV_FILE}  # what that says travels as variables, and is stored nowhere there
        deps = {path: digest for path in definition.deps if (digest := begun.hashes.get(path)) is not None}
        return Parcel(
            target=target,
            job=job_id,
            files=sorted(files),
            code={path: digest for path, digest in deps.items() if path in files},
            reads={path: digest for path, digest in deps.items() if path not in files},
            writes=sorted(outputs),
            cache=cache_folder(root),
            requirements="" if job_id is not None else requirements_of(self._project, target),
            env=read_dotenv(root),
            preload=(*STAGES, *AWAY),
            linger=linger_seconds(),
        )

    def _keep(self, remote: RemoteJob) -> None:
        """Remember a job before it is sent."""
        name, parcel = remote.job.name, remote.job.parcel
        assert parcel is not None
        values, definition = read_params(self._project.root), self._staleness.definitions[name]
        trains = self._project.stages[name].kind == "train"
        self._records[name] = JobRecord(
            id=remote.id,
            target=parcel.target,
            stage=name,
            cmd=definition.cmd,
            hashes=dict(self._begun[name].hashes),
            params={group: values.get(group) for group in definition.params},
            submitted=time.time(),
            record=self._recorder.saved() if trains else None,
        )
        self._jobs.keep(self._records[name])

    def listen(self, running: Running) -> None:
        """Pass on where a job is by now, and what it logs and uses, if it trains."""
        if running.job.parcel is None:
            return
        where = StageAway(running.job.name, running.job.parcel.target, getattr(running, "phase", ""))
        if self._told.get(where.name) != where:
            self._told[where.name] = where
            self._events(where)
        told = getattr(running, "measured", None)
        values: list[Any] = []
        while told:
            found = told.popleft()
            values += [*found.get("values", ()), *_system_metrics(found.get("use", ()))]
        if values:
            self._recorder.tell(values)

    def settle(self, stage: Stage, outcome: Outcome) -> None:
        """Begin to record what a job logged, once its outputs are kept; it must not be fetched again."""
        job = self._records[stage.name]
        self._jobs.keep(replace(job, state="fetched"))
        if stage.kind == "train":
            self._recorder.merge(self._jobs.folder / job.id / TRACKING, outcome.machine)

    def keep_open(self, stage: Stage, error: MlxError) -> MlxError:
        """Let a job wait there whose outputs could not be kept; returns the error with the way to them."""
        if stage.kind == "train":
            self._recorder.leave()
        waits = f"nothing is lost there: run `mlx jobs fetch {self._records[stage.name].id}`"
        error.hint = "; ".join(filter(None, [error.hint, waits]))
        return error

    def give_up(self, stage: Stage, *, waits: bool = False) -> None:
        """Note that a job came to nothing, unless it, or what it made, still waits there."""
        if stage.name in self._records and not waits:
            self._jobs.close(self._records.pop(stage.name), "failed")

    def close(self) -> None:
        """Drop what jobs left on their way, once everything is recorded."""
        for job in self._jobs.all():
            if job.state == "fetched":
                self._jobs.close(job, "done")
        self._jobs.drop_oldest()


def _system_metrics(lines: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float, int, int]]:
    """Yield what a job used, by the names that MLflow itself gives to such values."""
    for line in lines:
        at, step = line["time"], line["step"]
        yield "system/process_memory_usage_megabytes", line["memory"] / 1e6, at, step
        for card in line["gpus"]:
            name = f"system/gpu_{card['index']}"
            yield f"{name}_utilization_percentage", card["used"], at, step
            yield f"{name}_memory_usage_megabytes", card["memory"] / 1e6, at, step


def target_of(project: Project, environment: Environment, stage: Stage, options: Options) -> str | None:
    """Return the name of the target that a stage runs on, None for this machine.

    `--on`, else the variable MLX_TARGET, is for the stages that are named, or for the training where none is;
    then comes what the stage says, and for the training what the environment says.

    Raises:
        UsageError: mlx.yaml has no such target.
    """
    chosen = options.on or os.environ.get(VARIABLE) or None
    trains = stage.kind == "train"
    meant = stage.name in options.stages if options.stages else trains
    wanted = chosen if chosen is not None and meant else stage.on or (environment.target if trains else None)
    if wanted in (None, LOCAL):
        return None
    check_target(project, wanted)
    return wanted


def check_target(project: Project, name: str) -> None:
    """Refuse a target that mlx.yaml does not have.

    Raises:
        UsageError: it has none of that name.
    """
    if name not in project.targets:
        close = did_you_mean(name, [LOCAL, *project.targets])
        hint = close.removeprefix(", ") or f"add it to {CONFIG_FILE}: `targets: {{{name}: {{ssh: HOST}}}}`"
        raise UsageError(f"there is no target '{name}'", hint=hint)


def _data_of(project: Project) -> set[str]:
    """Return the paths that stages read and make, which travel as data."""
    stages = project.stages.values()
    return {path for stage in stages for path in (*stage.inputs.values(), *stage.outputs.values())}


def _walk(root: Path, data: set[str]) -> Iterator[str]:
    """Yield the files of a project that is in no git repository."""
    for parent, folders, names in os.walk(root):
        above = Path(parent).relative_to(root)
        folders[:] = [n for n in folders if n not in _SKIPPED and (above / n).as_posix() not in data]
        yield from (path for name in names if (path := (above / name).as_posix()) not in data)
