"""The processes that do a job: a *keeper*, and its child, the job itself.

A keeper is a fork of the template, or a new interpreter: `python -m mlxkit.targets.worker REPORT [LOCK]`
with the message on its standard input.
"""

from __future__ import annotations

import contextlib
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

from mlxkit.targets.process_tree import adopt_orphans, die_with, end, remain

Message = dict[str, Any]
"""A job in plain values; see `workers.message_of`."""

AT_ONCE, PATIENT = b"n", b"p"
"""When the template is to start a job: now, or once it has imported everything."""
TERMINATE, KILL = b"t", b"k"
"""What mlx may order a keeper to do with its job."""

_LEFTOVER_SECONDS = 1.0
"""How long processes that a job leaves behind may take to end, such as joblib's, which then tidies up."""
_POLL_SECONDS = 0.05
_REAP_SECONDS = 30.0
"""How long what ended without a parent may stay in the list of processes."""


def main(report: str, *held: str) -> None:
    """Keep the job that standard input describes."""
    message = json.loads(sys.stdin.buffer.read())
    keep(message, socket.socket(fileno=int(report)), [int(descriptor) for descriptor in held])


def keep(message: Message, channel: socket.socket, held: list[int]) -> NoReturn:
    """Run one job as a child, end it when asked to or at its deadline, and report how it ended.

    A keeper outlives mlx for as long as it takes to kill the job and its children. Until then it holds the
    descriptors `held`: of mlx's lock, so that the next mlx does not meet them.
    """
    started = time.monotonic()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who ignores it is never told how a child ended
    adopt_orphans()
    result_read, result_write = os.pipe()
    keeper = os.getpid()
    try:
        child = os.fork()
    except OSError as error:
        refuse(channel, sys.stderr.fileno(), error)
        os._exit(0)
    if child == 0:
        for descriptor in (result_read, *held):
            os.close(descriptor)
        channel.close()
        os.setpgid(0, 0)
        die_with(keeper)
        _run(message, result_write)
    os.close(result_write)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    _tell(channel, {"pid": child})
    status, timed_out, output = _Watch(child, channel, result_read, message, started).until_it_ends()
    _tell(
        channel,
        {
            "exit_code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "timed_out": timed_out,
            "seconds": time.monotonic() - started,
            "max_memory": _max_memory(),
            "result": json.loads(output) if output else None,
        },
    )
    os._exit(0)


def refuse(channel: socket.socket, log: int, error: OSError) -> None:
    """Report a job for which the machine has no room for a process, and say so in its log."""
    with contextlib.suppress(OSError):  # nor, perhaps, for a line in the log
        os.write(log, f"no process can be started: {error.strerror}\n".encode())
    _tell(channel, {"pid": 0})
    outcome = {"exit_code": 1, "signal": None, "timed_out": False, "seconds": 0.0, "max_memory": 0}
    _tell(channel, {**outcome, "result": None})


def _tell(channel: socket.socket, words: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # mlx may be gone, and then nobody asks
        channel.sendall(json.dumps(words).encode() + b"\n")


class _Watch:
    """A keeper's look at its child."""

    def __init__(
        self, child: int, channel: socket.socket, result: int, message: Message, started: float
    ) -> None:
        self._child, self._channel, self._result = child, channel, result
        self._grace: float = message["grace"]
        self._deadline = started + message["timeout"] if message["timeout"] else None
        self._kill_at: float | None = None
        self._status: int | None = None
        self._output = b""
        # macOS has none, and is polled.
        self._ended = os.pidfd_open(child) if hasattr(os, "pidfd_open") else None
        self._sources: list[Any] = [channel, result, *([self._ended] if self._ended is not None else [])]

    def until_it_ends(self) -> tuple[int, bool, bytes]:
        """Wait for the child, its group and what left that.

        Returns its wait status, whether its time was up, and its result.
        """
        timed_out = False
        while self._status is None or self._result in self._sources or remain(self._child):
            now = time.monotonic()
            if self._deadline is not None and now >= self._deadline and self._kill_at is None:
                timed_out, self._kill_at = True, end(self._child, signal.SIGTERM, self._grace)
            if self._kill_at is not None and now >= self._kill_at:
                end(self._child, signal.SIGKILL, 0)
                if self._status is not None and now >= self._kill_at + _LEFTOVER_SECONDS:
                    break
            ready, _, _ = select.select(self._sources, [], [], self._patience(now))
            if self._result in ready:
                self._read_result()
            if self._channel in ready:
                self._obey(now)
            self._look_at_children()
        return self._status or 0, timed_out, self._output

    def _patience(self, now: float) -> float:
        """Return how long nothing needs to be looked at unless something is heard."""
        if self._ended is None or self._status is not None or self._kill_at is not None:
            return _POLL_SECONDS
        return _REAP_SECONDS if self._deadline is None else min(_REAP_SECONDS, max(0.0, self._deadline - now))

    def _read_result(self) -> None:
        chunk = os.read(self._result, 1 << 16)
        self._output += chunk
        if not chunk:
            self._sources.remove(self._result)

    def _obey(self, now: float) -> None:
        try:
            order = self._channel.recv(1)
        except ConnectionResetError:  # it had not read all that was told
            order = b""
        if not order:
            # mlx has died: nobody will keep what the job makes.
            self._sources.remove(self._channel)
        if order in (KILL, b""):
            self._kill_at = now
        elif self._kill_at is None:
            self._kill_at = end(self._child, signal.SIGTERM, self._grace)

    def _look_at_children(self) -> None:
        """Collect what has ended: the job, and processes that lost their parent."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._child:
                    self._note_end(status)

    def _note_end(self, status: int) -> None:
        self._status = status
        if self._ended is not None:
            self._sources.remove(self._ended)
        # What the job leaves behind must not write to outputs that are committed by then.
        left_until = end(self._child, signal.SIGTERM, _LEFTOVER_SECONDS)
        self._kill_at = left_until if self._kill_at is None else self._kill_at


def _max_memory() -> int:
    """Return the largest resident set of the job, bytes; macOS counts in bytes, Linux in KiB."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _run(message: Message, result: int) -> NoReturn:
    """Do the job in the child: a shell command replaces the process, a function is called."""
    os.environ.clear()
    os.environ.update(message["env"])
    os.umask(message["umask"])
    os.chdir(message["cwd"])
    if message["shell"] is not None:
        os.close(result)
        # Python ignores these two, and what a process ignores, the programs that it becomes ignore too.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        shell = os.environ.get("SHELL") or "/bin/sh"  # as DVC chooses it
        os.execv(shell, [shell, "-c", message["shell"]])
    code = 1
    try:
        sys.path.insert(0, message["cwd"])
        _forget_randomness()
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


def _forget_randomness() -> None:
    """Let NumPy begin anew, as in a new process: forks of one template would all draw the same numbers."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


if __name__ == "__main__":
    main(*sys.argv[1:])
