"""Pipes for much data."""

from __future__ import annotations

import contextlib
import fcntl

_BYTES = 1 << 20


def widen(descriptor: int) -> None:
    """Let a pipe hold a megabyte, where that can be: who fills it waits less often for who empties it."""
    with contextlib.suppress(OSError, AttributeError):  # no pipe, a limit of the system, or not Linux
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _BYTES)
