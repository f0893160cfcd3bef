"""The processes behind `Workers`: `--template FD PARENT` forks keepers, `--keeper FD PARENT` is one."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from typing import Any, NoReturn

PRELOAD = ("pandas", "pyarrow.parquet", "sklearn.pipeline", "sklearn.ensemble", "mlflow", "mlflow.sklearn")
"""Imported once by the template, in this order; requests are served between two imports."""

TERMINATE, KILL = b"t", b"k"
"""What mlx may order a keeper to do with its job."""

_PR_SET_PDEATHSIG = 1
_LEFTOVER_SECONDS = 1.0
"""How long processes that a job leaves behind may take to end, such as joblib's, which then tidies up."""


def main(role: str, descriptor: str, parent: str) -> None:
    """Run as the template or as a keeper until the work is done or mlx is gone."""
    channel = socket.socket(fileno=int(descriptor))
    if role == "--template":
        _die_with(int(parent))
        _serve(channel)
    else:
        message = json.loads(sys.stdin.buffer.read())
        _keep(message, channel)


def _die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies; a parent that is gone already counts."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _serve(control: socket.socket) -> None:
    """Import the libraries, and fork a keeper for each request until the socket closes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers report by themselves; nobody waits for them here
    pending = list(PRELOAD)
    while True:
        ready, _, _ = select.select([control], [], [], 0 if pending else None)
        if ready:
            body, descriptors, _, _ = socket.recv_fds(control, 64, 3)
            if not body:
                return
            _fork_keeper(control, descriptors)
        elif pending:
            _preload(pending.pop(0))


def _preload(module: str) -> None:
    """Import a library; one that is absent or broken is the stage's own affair to report."""
    with contextlib.suppress(Exception):
        importlib.import_module(module)


def _fork_keeper(control: socket.socket, descriptors: list[int]) -> None:
    report, log, body = descriptors
    with os.fdopen(body, "rb") as file:
        message = json.loads(file.read())
    if os.fork() == 0:
        control.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        _keep(message, socket.socket(fileno=report))
    os.close(report)
    os.close(log)


def _keep(message: dict[str, Any], channel: socket.socket) -> NoReturn:
    """Run one job as a child, end it when asked to or at its deadline, and report how it ended.

    A keeper outlives mlx for as long as it takes to end the job and its children.
    """
    started = time.monotonic()
    result_read, result_write = os.pipe()
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(result_read)
        channel.close()
        os.setpgid(0, 0)
        _die_with(keeper)
        _run(message, result_write)
    os.close(result_write)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    status, timed_out, output = _watch(child, channel, result_read, message, started)
    outcome = {
        "exit_code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
        "timed_out": timed_out,
        "seconds": time.monotonic() - started,
        "max_memory": _max_memory(),
        "result": json.loads(output) if output else None,
    }
    with contextlib.suppress(OSError):  # mlx may be gone, and then nobody asks
        channel.sendall(json.dumps(outcome).encode())
    os._exit(0)


def _watch(
    child: int, channel: socket.socket, result: int, message: dict[str, Any], started: float
) -> tuple[int, bool, bytes]:
    """Wait for the child. Returns its wait status, whether it ran out of time, and its result."""
    deadline = started + message["timeout"] if message["timeout"] else None
    kill_at: float | None = None
    timed_out = False
    output = b""
    sources: list[Any] = [channel, result]
    pid, status = 0, 0
    while pid == 0 or result in sources or _exists(child):
        now = time.monotonic()
        if deadline is not None and now >= deadline and kill_at is None:
            timed_out, kill_at = True, _end(child, signal.SIGTERM, message["grace"])
        if kill_at is not None and now >= kill_at:
            _end(child, signal.SIGKILL, 0)
            if pid != 0:
                break
        ready, _, _ = select.select(sources, [], [], 0.05)
        if result in ready:
            chunk = os.read(result, 1 << 16)
            output += chunk
            if not chunk:
                sources.remove(result)
        if channel in ready:
            order = channel.recv(1)
            if not order:
                sources.remove(channel)  # mlx has died
            if order == KILL:
                kill_at = now
            elif kill_at is None:
                kill_at = _end(child, signal.SIGTERM, message["grace"])
        if pid == 0:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid != 0:
                # What the job leaves behind must not write to outputs that are committed by then.
                left_until = _end(child, signal.SIGTERM, _LEFTOVER_SECONDS)
                kill_at = left_until if kill_at is None else kill_at
    return status, timed_out, output


def _exists(group: int) -> bool:
    """Whether a process group has any process."""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def _end(group: int, number: signal.Signals, grace: float) -> float:
    """Send a signal to a process group; returns the time at which to send the next one."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
    return time.monotonic() + grace


def _max_memory() -> int:
    """Return the largest resident set of the job, bytes; macOS counts in bytes, Linux in KiB."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _run(message: dict[str, Any], result: int) -> NoReturn:
    """Do the job in the child: a shell command replaces the process, a function is called."""
    os.environ.update(message["env"])
    if message["shell"] is not None:
        os.close(result)
        shell = os.environ.get("SHELL") or "/bin/sh"  # as DVC chooses it
        os.execv(shell, [shell, "-c", message["shell"]])
    code = 1
    try:
        module, _, name = message["call"].partition(":")
        value = getattr(importlib.import_module(module), name)(message["arguments"])
        sys.stdout.flush()
        sys.stderr.flush()
        with os.fdopen(result, "wb") as file:
            file.write(json.dumps(value).encode())
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
