"""The end of a job, at somebody's wish."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.targets.box.supervise import MARK

if TYPE_CHECKING:
    from mlxkit.targets.box.places import JobPlace

_GRACE_SECONDS, _POLL_SECONDS = 15.0, 0.05
"""Longer than a supervisor gives its job between TERM and KILL."""


def cancel(job: JobPlace, *, now: bool) -> int:
    """End a job and every process that carries its name; returns how many had to be killed in the end."""
    state = job.read("state")
    if job.is_supervised() and state is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(state["pid"], signal.SIGUSR1 if now else signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        while job.is_supervised() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
    killed = 0
    while left := processes(job.id):
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed += len(left)
        time.sleep(_POLL_SECONDS)
    return killed


def processes(job_id: str) -> list[int]:
    """Find the processes that carry a job's name in their environment; none on a system without /proc."""
    mark = f"{MARK}={job_id}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it has just ended, or is another user's
            continue
        if mark in variables and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found
