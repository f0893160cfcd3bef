"""Which process is which, also after a reboot or when its number is given out again."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_BOOT = "/proc/sys/kernel/random/boot_id"
_FIRST_NAMESPACE = "pid:[4026531836]"
"""Of a machine itself, and of no container; a constant of the kernel (PROC_PID_INIT_INO)."""


@dataclass(frozen=True)
class Process:
    """One process on one machine.

    Attributes:
        started: what the machine calls its start: comparable, not readable.
        namespace: where its number counts, a machine or one container; empty where that is not known.
    """

    host: str
    pid: int
    started: str
    namespace: str = ""


def this_process() -> Process:
    """Return the process that this code runs in."""
    return Process(os.uname().nodename, os.getpid(), _started(os.getpid()), _namespace())


def is_alive(process: Process) -> bool:
    """Whether a process still runs.

    One on another machine, or in another container of the same host name, counts as alive, because nobody
    here can tell.
    """
    if process.host != os.uname().nodename:
        return True
    here = _namespace()
    if process.namespace and here and process.namespace != here:
        return True
    return bool(process.started) and _started(process.pid) == process.started


def _namespace() -> str:
    """Name what process numbers of this process count in; '' on macOS."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it leads to no path
    except OSError:
        return ""
    # A machine keeps its name over a reboot, after which its processes are known to be gone. The number of a
    # container's namespace may be given out again, here after a reboot, and on any other machine.
    return f"{_line('/etc/machine-id') if namespace == _FIRST_NAMESPACE else _line(_BOOT)}/{namespace}"


def _line(file: str) -> str:
    try:
        return Path(file).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return boot and start of a process; '' when there is none of that number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        boot = Path(_BOOT).read_text(encoding="ascii").strip()
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
