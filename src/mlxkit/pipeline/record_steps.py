"""The steps of a record, one after the other, in processes beside the stages."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from mlxkit.errors import MlxError, ToolError, machine_explained
from mlxkit.targets.base import Job, Outcome, Running, Target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TIMEOUT_SECONDS: Mapping[str, float] = {"prepare": 90.0, "open": 90.0}
"""Steps that training waits for. Others may have a large model to carry."""
_PATIENCE_SECONDS = 3600.0


class Steps:
    """Does steps in the order in which they were asked for; `answer` tells what came of one.

    A step that fails takes those with it that wait behind it.
    """

    def __init__(self, target: Target, logs: Path) -> None:
        self._target, self._logs = target, logs
        self._waiting: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._running: tuple[str, Running] | None = None
        self._answers: dict[str, dict[str, Any]] = {}
        self.recorded = False

    def ask(self, action: str, request: Mapping[str, Any]) -> None:
        """Ask for a step; it begins when those before it have ended."""
        self._answers.pop(action, None)
        self._waiting.append((action, request))
        self._begin()

    def knows(self, action: str) -> bool:
        """Whether a step has ended."""
        return action in self._answers

    def waits(self, action: str) -> bool:
        """Whether a step is under way, or waits behind others."""
        running = self._running is not None and self._running[0] == action
        return running or any(name == action for name, _ in self._waiting)

    def answer(self, action: str) -> dict[str, Any]:
        """Return what a step answered, waiting for its end.

        Raises:
            ToolError: it failed.
        """
        while action not in self._answers:
            self.wait(1.0)
        answer = self._answers[action]
        if "error" in answer:
            error = answer["error"]
            raise ToolError(error["message"], context=error["context"], hint=error["hint"])
        return answer

    def wait(self, seconds: float) -> None:
        """Let at most that much time go by until the step that runs ends, and begin the next one."""
        if self._running is None:
            return
        action, running = self._running
        for _, outcome in self._target.wait([running], seconds=seconds):
            self._settle(action, self._read(action, running, outcome))
            self._running = None
        self._begin()

    def _begin(self) -> None:
        if self._running is not None or not self._waiting:
            return
        action, request = self._waiting[0]
        job = Job(
            f"record-{action}",
            self._logs / f"record-{action}.log",
            call="mlxkit.pipeline.record_job:record",
            arguments={**request, "action": action},
            patient=True,
            timeout=_TIMEOUT_SECONDS.get(action, _PATIENCE_SECONDS),
        )
        # Ctrl-C may come in between: a step that is not known to run must go on waiting.
        try:
            with machine_explained():
                self._running = action, self._target.start(job)
                self._waiting.popleft()
        except MlxError as error:
            self._waiting.popleft()
            self._settle(action, {"error": {"message": error.message, "context": [], "hint": error.hint}})

    def _settle(self, action: str, answer: dict[str, Any]) -> None:
        """Keep what came of a step; one that failed takes those with it that wait behind it."""
        self._answers[action] = answer
        while "error" in answer and self._waiting:
            self._answers[self._waiting.popleft()[0]] = answer

    def _read(self, action: str, running: Running, outcome: Outcome) -> dict[str, Any]:
        if outcome.succeeded and outcome.result is not None:
            self.recorded = self.recorded or ("error" not in outcome.result and action != "prepare")
            return dict(outcome.result)
        what = "MLflow does not answer" if outcome.timed_out else "the run could not be recorded in MLflow"
        error = {"message": what, "context": [f"log: {running.job.log}"], "hint": "run `mlx doctor`"}
        return {"error": error}
