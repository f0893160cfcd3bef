"""What a run tells while it goes on; the command line shows it, a test collects it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class PlanMade:
    """The stages that a run will look at, in order."""

    stages: tuple[str, ...]


@dataclass(frozen=True)
class StageStarted:
    """A stage begins to run, because of `reasons`; its output goes to `log`."""

    name: str
    reasons: tuple[str, ...]
    log: Path
    attempt: int = 1


@dataclass(frozen=True)
class StageEnded:
    """A stage is done with: its status is that of its result, `seconds` is how long it took."""

    name: str
    status: str
    seconds: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """The run waits for something, such as another run in the same project."""

    text: str


@dataclass(frozen=True)
class Warned:
    """Something the user should know that does not stop the run."""

    text: str


@dataclass(frozen=True)
class Tick:
    """Some time went by; what is on the screen may be drawn again."""


Event = PlanMade | StageStarted | StageEnded | Waiting | Warned | Tick
Events = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Take no notice of an event."""
    del event
