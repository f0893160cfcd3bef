"""Waiting for what other processes do, without a sleep of a guessed length, and looking whether they live."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for something that other processes bring about."""
    pause = threading.Event()
    until = time.monotonic() + seconds
    while not (result := condition()) and time.monotonic() < until:
        pause.wait(0.02)
    return result


def is_running(pid: int) -> bool:
    """Whether a process lives; one that has ended and that nobody has waited for does not."""
    try:
        os.kill(pid, 0)
        if sys.platform == "linux":
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            return stat.rpartition(")")[2].split()[0] not in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return False
    return True


def pid_in(path: Path) -> int:
    """Wait for a process that writes its number into a file."""
    text = eventually(lambda: path.exists() and path.read_text())
    assert text, f"{path.name} was not written"
    return int(text)
