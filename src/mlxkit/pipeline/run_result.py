"""What a run is asked for, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlxkit.errors import MlxError
    from mlxkit.project.models import Stage

Status = Literal["ran", "restored", "fresh", "failed", "skipped", "away"]


@dataclass(frozen=True)
class Options:
    """What a run is asked for.

    Attributes:
        stages: run what these need and no more; empty means everything.
        settings: `group.key=value` to write into params.yaml first.
        on: target for the named stages, else for the train stage; `local` is this machine.
        job: name of a job on another machine whose outputs are wanted; then `stages` names its stage alone.
        jobs: how many stages may run at the same time on each machine, at least 1.
        verbose: the output of the stages is shown as it comes, so that no error needs to repeat it.
        retries: how many more times a failed stage is tried; None means as mlx.yaml says.
    """

    stages: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    force: bool = False
    dry_run: bool = False
    jobs: int = 2
    environment: str | None = None
    on: str | None = None
    verbose: bool = False
    job: str | None = None
    retries: int | None = None

    def forces(self, stage: str) -> bool:
        """Whether a stage is to run even when it is fresh: of those needed, only the named ones."""
        return self.force and (not self.stages or stage in self.stages)

    def retries_of(self, stage: Stage) -> int:
        """Return how many more times a failed stage is tried."""
        return stage.retries if self.retries is None else self.retries


@dataclass(frozen=True)
class StageResult:
    """What became of one stage; `away` means that it goes on on another machine.

    `seconds` is 0 where nothing had to be done. `max_memory` is its largest resident set, bytes; 0 where
    nothing ran.
    """

    name: str
    status: Status
    seconds: float = 0.0
    reasons: tuple[str, ...] = ()
    log: str | None = None
    max_memory: int = 0


@dataclass(frozen=True)
class RunResult:
    """What a run did.

    Attributes:
        run_id: MLflow run of the model that is now in the workspace, None without one.
        metrics: what `evaluate` wrote, None where it is not up to date.
        intervals: 95 % interval of each of them that has one.
        champion: what the champion did on the same rows, where the model was evaluated now and there is one.
        report: path of the page with all of it, relative to the project.
        saved_seconds: what the stages that did not have to run took when they last ran here.
        recorded: whether this run wrote to the record in MLflow.
        error: why the run failed, None when it did not; what had finished is kept.
    """

    run_id: str | None
    git_commit: str | None
    dirty: bool
    environment: str
    stages: tuple[StageResult, ...]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    intervals: Mapping[str, Sequence[float]] = field(default_factory=dict)
    champion: Mapping[str, Any] | None = None
    report: str | None = None
    seconds: float = 0.0
    saved_seconds: float = 0.0
    recorded: bool = False
    error: MlxError | None = None
