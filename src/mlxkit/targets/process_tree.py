"""The processes of a job, those included that lost their parent or left the job's process group."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies; a parent that is gone already counts."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every process below this one that loses its own; not possible on macOS."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def remain(group: int) -> bool:
    """Whether a process group has any process, or anything lives below this one."""
    return _reaches(-group) or any(_reaches(pid) for pid in _below())


def end(group: int, number: signal.Signals, grace: float) -> float:
    """Send a signal to a process group and to what left it; returns when to send the next one."""
    left = [pid for pid in _below() if _group(pid) != group]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
    for pid in left:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it may be another user's by now
            os.kill(pid, number)
    return time.monotonic() + grace


def resident(group: int) -> int:
    """Add up the resident memory of the processes of a group, bytes. What they share counts for each."""
    page = os.sysconf("SC_PAGE_SIZE")
    known = (fields for pid in _processes() if (fields := _stat(pid)))
    return sum(int(fields[21]) * page for fields in known if int(fields[2]) == group)


def _below() -> list[int]:
    """Return the processes below this one, its children and theirs; none on macOS, which has no /proc."""
    if sys.platform != "linux":
        return []
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # the usual end of a job, and to look through all processes takes a while
        return []
    children: dict[int, list[int]] = {}
    for pid in _processes():
        fields = _stat(pid)
        if fields and fields[0] not in (b"Z", b"X"):
            children.setdefault(int(fields[1]), []).append(pid)
    found, at = children.get(os.getpid(), []), 0
    while at < len(found):
        found += children.get(found[at], [])
        at += 1
    return found


def _processes() -> list[int]:
    """Return every process of this machine; none on macOS."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()] if sys.platform == "linux" else []  # noqa: PTH208


def _stat(pid: int) -> list[bytes]:
    """Return what the kernel says of a process from its state on; nothing of one that has just ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def _reaches(target: int) -> bool:
    """Whether there is a process of that number, or a group of the negative one, that may be ended."""
    try:
        os.kill(target, 0)
    except OSError:
        return False
    return True


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value)
