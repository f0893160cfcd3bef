"""Stop what runs after Ctrl-C: nicely, and at once after a second one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.pipeline.events import Events, Warned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlxkit.targets.base import Running, Target


def stop(target: Target, running: Iterable[Running], events: Events) -> None:
    """End jobs, and return when none is left."""
    left = list(running)
    if left:
        events(Warned("stopping; press Ctrl-C again to stop at once"))
    now = False
    while left:
        try:
            for job in left:
                target.cancel(job, now=now)
            ended = [job for job, _ in target.wait(left, seconds=60.0)]
            left = [job for job in left if job not in ended]
        except KeyboardInterrupt:
            now = True
