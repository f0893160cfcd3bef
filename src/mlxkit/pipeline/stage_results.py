"""What has become of the stages of one run so far, and what went wrong with it."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlxkit.errors import MlxError, machine_explained
from mlxkit.pipeline.events import Events, StageEnded
from mlxkit.pipeline.run_result import StageResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class StageResults:
    """Takes down how each stage ended, and tells it as an event.

    Attributes:
        by_name: the results so far.
        attempts: how often each stage was tried.
        error: why the run fails: the first error, None as long as there is none.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self.by_name: dict[str, StageResult] = {}
        self.attempts: Counter[str] = Counter()
        self.error: MlxError | None = None

    def end(self, result: StageResult) -> None:
        """Take down what became of a stage."""
        self.by_name[result.name] = result
        self._events(
            StageEnded(result.name, result.status, result.seconds, result.reasons, result.max_memory)
        )

    def skip(self, names: Iterable[str]) -> None:
        """Take down that those stages which have no result yet will not be looked at any more."""
        for name in names:
            self.by_name.setdefault(name, StageResult(name, "skipped"))

    def fail(self, error: MlxError | None) -> None:
        """Let the run fail for a reason, unless it does already."""
        self.error = self.error or error

    @contextmanager
    def failing_alone(self, name: str) -> Iterator[None]:
        """Let what goes wrong with one stage end no other one that runs."""
        try:
            with machine_explained():
                yield
        except MlxError as error:
            self.fail(error)
            self.end(StageResult(name, "failed" if self.attempts[name] else "skipped"))

    def ran(self) -> list[str]:
        """Return the stages that ran to a good end."""
        return [result.name for result in self.by_name.values() if result.status == "ran"]

    def is_done(self, name: str) -> bool:
        """Whether what a stage makes is there and up to date."""
        return name in self.by_name and self.by_name[name].status in ("ran", "restored", "fresh")
