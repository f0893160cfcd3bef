"""Several targets as one: jobs that travel go to other machines, the others stay here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlxkit.targets.base import Job, Outcome, Running, Target

_TURN_SECONDS = 0.05


class Several:
    """Runs each job where it belongs.

    Args:
        here: this machine.
        there: makes the target of a name, once it is needed.
    """

    def __init__(self, here: Target, there: Callable[[str], Target]) -> None:
        self._here, self._make = here, there
        self._there: dict[str, Target] = {}

    def start(self, job: Job) -> Running:
        """Start a job and return at once."""
        return self._of(job).start(job)

    def wait(self, running: Sequence[Running], *, seconds: float) -> list[tuple[Running, Outcome]]:
        """Return those of the jobs that have ended, waiting at most `seconds` for the first."""
        places: dict[int, tuple[Target, list[Running]]] = {}
        for item in running:
            target = self._of(item.job)
            places.setdefault(id(target), (target, []))[1].append(item)
        if len(places) == 1:
            target, mine = next(iter(places.values()))
            return target.wait(mine, seconds=seconds)
        deadline = time.monotonic() + seconds
        while True:
            turn = min(_TURN_SECONDS, max(0.0, deadline - time.monotonic()))
            ended = [found for target, mine in places.values() for found in target.wait(mine, seconds=turn)]
            if ended or time.monotonic() >= deadline:
                return ended

    def memory(self, running: Running) -> int:
        """Return the resident memory of a job and its children now, bytes; 0 where that cannot be seen."""
        return self._of(running.job).memory(running)

    def cancel(self, running: Running, *, now: bool = False) -> None:
        """End a job and its children: nicely, then by force, or so `now`; `wait` returns its outcome."""
        self._of(running.job).cancel(running, now=now)

    def leave(self, running: Running) -> str | None:
        """Stop listening to a job elsewhere, which goes on; returns its name, None for one that does not."""
        from mlxkit.targets.remote import Remote

        target = self._of(running.job)
        return target.leave(running) if isinstance(target, Remote) else None

    def close(self) -> None:
        """End everything that still runs here; what runs elsewhere goes on."""
        for target in (self._here, *self._there.values()):
            target.close()

    def _of(self, job: Job) -> Target:
        if job.parcel is None:
            return self._here
        name = job.parcel.target
        if name not in self._there:
            self._there[name] = self._make(name)
        return self._there[name]
