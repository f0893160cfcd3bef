"""What a run tells while it goes on; the command line shows it, a test collects it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
class StageAway:
    """Where a stage is that runs on another machine: the machine's name, and what goes on there."""

    name: str
    target: str
    phase: str


@dataclass(frozen=True)
class StageEnded:
    """A stage is done with: its status is that of its result, `seconds` is how long it took.

    `max_memory` is its largest resident set, bytes; 0 where nothing ran.
    """

    name: str
    status: str
    seconds: float
    reasons: tuple[str, ...] = ()
    max_memory: int = 0


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
    """Some time went by; what is on the screen may be drawn again.

    `memory` tells the resident memory of what runs, bytes by stage; empty when nobody has looked.
    """

    memory: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordClosing:
    """All stages are done with, and the record in MLflow is being completed."""


Event = PlanMade | StageStarted | StageAway | StageEnded | Waiting | Warned | Tick | RecordClosing
Events = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Take no notice of an event."""
    del event
