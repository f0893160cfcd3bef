"""The seam: where jobs run. This machine's workers stand here now; other machines take the same place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Parcel:
    """What a job needs on a machine that has nothing of the project, and what it brings home.

    Attributes:
        target: name of the machine.
        job: name of a job that is there already, and is only to be listened to; None for a new one.
        files: code and settings to be sent; all paths are relative to the project's root.
        code: path -> md5 of those that must arrive as they were.
        reads: path -> hash of data, as DVC counts it.
        writes: paths of its outputs.
        cache: folder in which DVC keeps objects by md5.
        requirements: the text of a requirements file, for the job's environment.
        env: variables that are not to be stored there.
        preload: modules that a job is likely to need; imported, they wait `linger` seconds for the next job.
    """

    target: str
    job: str | None
    files: Sequence[str]
    code: Mapping[str, str]
    reads: Mapping[str, str]
    writes: Sequence[str]
    cache: Path
    requirements: str
    env: Mapping[str, str] = field(default_factory=dict)
    preload: Sequence[str] = ()
    linger: float = 0.0


@dataclass(frozen=True)
class Job:
    """A function to call in a process of its own, or a shell command to run.

    Attributes:
        name: for messages.
        call: `module:function`; it takes `arguments` as one mapping and returns plain values.
        shell: a shell command, instead of `call`.
        env: variables for the process, beside those of this one.
        patient: whether the job is better started when every library that may help it has been imported.
        fresh: whether the process must import everything anew, because `env` must be seen at import.
        log: file that takes the process's output.
        timeout: seconds until the process and its children are ended.
        parcel: what has to travel where the job runs elsewhere; None for one that can run here only.
    """

    name: str
    log: Path
    call: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    shell: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    patient: bool = False
    fresh: bool = False
    timeout: float | None = None
    parcel: Parcel | None = None


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        exit_code: None when a signal ended it.
        signal: number of that signal.
        result: what the called function returned; None when it did not get so far.
        max_memory: largest resident set of the process, bytes.
        machine: what is known of another machine that it ran on.
        waits: whether it, or what it made, is still there, though nothing came of it here.
    """

    exit_code: int | None
    signal: int | None
    timed_out: bool
    seconds: float
    max_memory: int
    result: Any = None
    machine: Mapping[str, Any] = field(default_factory=dict)
    waits: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the process ended by itself without an error."""
        return self.exit_code == 0 and not self.timed_out


class Running(Protocol):
    """A job under way."""

    job: Job


class Target(Protocol):
    """A place that runs jobs. One thread uses it."""

    def start(self, job: Job) -> Running:
        """Start a job and return at once."""
        ...

    def wait(self, running: Sequence[Running], *, seconds: float) -> list[tuple[Running, Outcome]]:
        """Return those of the jobs that have ended, waiting at most `seconds` for the first."""
        ...

    def memory(self, running: Running) -> int:
        """Return the resident memory of a job and its children now, bytes; 0 where that cannot be seen."""
        ...

    def cancel(self, running: Running, *, now: bool = False) -> None:
        """End a job and its children: nicely, then by force, or so `now`; `wait` returns its outcome."""
        ...

    def close(self) -> None:
        """End everything that still runs."""
        ...
