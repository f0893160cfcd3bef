"""Stop what runs after Ctrl-C: nicely, and at once after a second one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.pipeline.events import Events, Warned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlxkit.targets.base import Outcome, Running, Target


def stop(target: Target, running: Iterable[Running], events: Events) -> list[tuple[Running, Outcome]]:
    """End jobs, and return how they ended when none is left."""
    left, done = list(running), []
    if left:
        events(Warned("stopping; press Ctrl-C again to stop at once"))
    now = False
    while left:
        try:
            for job in left:
                target.cancel(job, now=now)
            ended = target.wait(left, seconds=60.0)
            done += ended
            left = [job for job in left if job not in [gone for gone, _ in ended]]
        except KeyboardInterrupt:
            now = True
    return done
