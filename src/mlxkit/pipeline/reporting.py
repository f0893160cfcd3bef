"""The report of a run: what its evaluation found, beside the environment's champion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlxkit.errors import MlxError
from mlxkit.pipeline.evaluation_report import intervals, redraw_stale, report_files, shown_path
from mlxkit.pipeline.events import Events, Warned
from mlxkit.pipeline.trained_run import trained_run
from mlxkit.targets.base import Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlxkit.pipeline.record import Recorder
    from mlxkit.project.models import Project, Stage
    from mlxkit.targets.base import Running, Target

_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True)
class Reported:
    """What a run says of its evaluation beside the metrics; see `RunResult`."""

    intervals: Mapping[str, Sequence[float]] = field(default_factory=dict)
    champion: Mapping[str, Any] | None = None
    report: str | None = None


class Reporting:
    """Compares with the champion on `target`, beside the record, and draws the report with it."""

    def __init__(self, project: Project, target: Target, recorder: Recorder, events: Events) -> None:
        self._project, self._target = project, target
        self._recorder, self._events = recorder, events
        self._running: Running | None = None

    def started(self, stage: Stage) -> None:
        """Look for the champion while the model is evaluated."""
        if self._is_reported(stage):
            self._recorder.ask_champion()

    def restored(self, stage: Stage) -> None:
        """Draw the facts that came back from a cache."""
        if self._is_reported(stage):
            redraw_stale(self._project)

    def begin(self, ran: Sequence[str]) -> None:
        """Begin to compare with the champion, where the model was evaluated now and there is one."""
        stage = self._project.evaluate_stage
        if stage is None or stage.name not in ran or not self._is_reported(stage):
            return
        champion = self._recorder.champion()
        if champion is not None:
            job = Job(
                "champion",
                self._project.state_dir / "logs" / "champion.log",
                call="mlxkit.pipeline.champion_job:compare_with_champion",
                arguments={**champion, "root": str(self._project.root), "ours": trained_run(self._project)},
                patient=True,
                timeout=_TIMEOUT_SECONDS,
            )
            self._running = self._target.start(job)

    def finish(self, *, evaluated: bool) -> Reported:
        """Wait for the comparison, add its report to the run, and return what there is to say."""
        champion = self._compared()
        stage = self._project.evaluate_stage
        if not evaluated or stage is None or stage.evaluation_path is None:
            return Reported()
        facts = self._project.root / stage.evaluation_path
        return Reported(intervals(facts), champion, shown_path(self._project))

    def _compared(self) -> dict[str, Any] | None:
        if self._running is None:
            return None
        outcome = None
        while outcome is None:
            outcome = next((o for _, o in self._target.wait([self._running], seconds=1.0)), None)
        if not outcome.succeeded or outcome.result is None:
            self._events(Warned("the champion could not be compared with; see .mlx/logs/champion.log"))
            return None
        try:
            self._recorder.attach(report_files(self._project))
        except MlxError as error:
            self._events(Warned(f"the report is not in MLflow: {error}"))
        return dict(outcome.result)

    def _is_reported(self, stage: Stage) -> bool:
        """Whether a stage is the one whose findings are drawn as a report."""
        return stage is self._project.evaluate_stage and stage.evaluation_path is not None
