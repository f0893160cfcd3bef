"""Which process is which, also after a reboot or when its number is given out again."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process on one machine. `started` is what the machine calls its start: comparable, not readable."""

    host: str
    pid: int
    started: str


def this_process() -> Process:
    """Return the process that this code runs in."""
    return Process(os.uname().nodename, os.getpid(), _started(os.getpid()))


def is_alive(process: Process) -> bool:
    """Whether a process still runs; one on another machine counts as alive, because nobody here can tell."""
    if process.host != os.uname().nodename:
        return True
    return bool(process.started) and _started(process.pid) == process.started


def _started(pid: int) -> str:
    """Return boot and start of a process; '' when there is none of that number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
        done = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()
    # The command in parentheses may hold spaces; after it comes the state, and 19 fields on the start time.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else f"{boot}/{fields[19]}"
