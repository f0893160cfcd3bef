"""Jobs in processes of this machine.

Every job has a *keeper*: a small process that starts the job in a process group of its own, ends it at
its deadline, measures it, and reports through a pipe. On Linux keeper and job are forks of one *template*,
which imports the heavy libraries once, so that no import is paid twice and no state leaks from job to job;
elsewhere, and for a job whose variables must be seen at import, they are a new interpreter. When mlx dies,
the kernel ends the template; the keepers see their pipes close, and end their jobs.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlxkit.errors import ToolError
from mlxkit.targets import worker
from mlxkit.targets.base import Job, Outcome, Running

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_GRACE_SECONDS = 10.0


@dataclass
class WorkerJob:
    """A job with the pipe that its keeper reports through."""

    job: Job
    report: socket.socket
    started: float
    received: bytes = b""
    ordered: bytes = b""


class Workers:
    """Runs jobs on this machine. `root` is the working directory of every job."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._template: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._open: list[WorkerJob] = []
        self._keepers: list[subprocess.Popen[bytes]] = []

    def warm_up(self) -> None:
        """Start the template now, so that it imports while the plan is made."""
        if sys.platform != "linux" or self._template is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._template = self._spawn("--template", theirs)
        self._control = ours

    def start(self, job: Job) -> WorkerJob:
        """Start a job and return at once."""
        job.log.parent.mkdir(parents=True, exist_ok=True)
        message = json.dumps(_message(job)).encode()
        ours, theirs = socket.socketpair()
        try:
            with theirs, job.log.open("wb") as log:
                if job.fresh or sys.platform != "linux":
                    self._keepers.append(self._spawn("--keeper", theirs, log.fileno(), message))
                else:
                    self._ask_template(message, [theirs.fileno(), log.fileno()])
        except BaseException:
            ours.close()
            raise
        running = WorkerJob(job, ours, time.monotonic())
        self._open.append(running)
        return running

    def _ask_template(self, message: bytes, descriptors: list[int]) -> None:
        self.warm_up()
        assert self._control is not None
        try:
            # The message may be longer than a packet, so it travels in a file of its own.
            with _memory_file(message) as body:
                socket.send_fds(self._control, [b"job"], [*descriptors, body.fileno()])
        except OSError as error:
            raise ToolError("the worker process has died", hint="run the same command again") from error

    def wait(self, running: Sequence[Running], *, seconds: float) -> list[tuple[Running, Outcome]]:
        """Return those of the jobs that have ended, waiting at most `seconds` for the first."""
        ours = [item for item in running if isinstance(item, WorkerJob)]
        done: list[tuple[Running, Outcome]] = []
        with selectors.DefaultSelector() as selector:
            for item in ours:
                selector.register(item.report, selectors.EVENT_READ, item)
            for key, _ in selector.select(seconds):
                item = key.data
                try:
                    chunk = item.report.recv(1 << 16)
                except ConnectionResetError:  # told once of an order that the keeper did not read any more
                    continue
                item.received += chunk
                if not chunk:
                    done.append((item, self._finish(item)))
        return done

    def _finish(self, item: WorkerJob) -> Outcome:
        item.report.close()
        self._open.remove(item)
        try:
            return Outcome(**json.loads(item.received))
        except ValueError:  # the keeper itself was killed and reported nothing
            return Outcome(None, signal.SIGKILL, False, time.monotonic() - item.started, 0)

    def cancel(self, running: Running, *, now: bool = False) -> None:
        """End a job and its children: nicely, then by force, or so `now`; `wait` returns its outcome."""
        order = worker.KILL if now else worker.TERMINATE
        if isinstance(running, WorkerJob) and running in self._open and running.ordered != order:
            running.ordered = order
            with contextlib.suppress(BrokenPipeError):  # it has ended already
                running.report.send(order)

    def close(self) -> None:
        """End everything that still runs."""
        for item in list(self._open):
            self.cancel(item)
        deadline = time.monotonic() + 2 * _GRACE_SECONDS
        while self._open and time.monotonic() < deadline:
            try:
                self.wait(list(self._open), seconds=0.2)
            except KeyboardInterrupt:
                for item in self._open:
                    self.cancel(item, now=True)
        if self._control is not None:
            self._control.close()
        for process in [*self._keepers, *([self._template] if self._template else [])]:
            process.kill() if process is self._template else None
            process.wait()

    def _spawn(
        self, role: str, channel: socket.socket, log: int | None = None, message: bytes | None = None
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlxkit.targets.worker", role, str(channel.fileno()), str(os.getpid())],
            cwd=self._root,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE if message is not None else subprocess.DEVNULL,
            stdout=log if log is not None else subprocess.DEVNULL,
            stderr=log if log is not None else subprocess.DEVNULL,
            pass_fds=[channel.fileno()],
            # Ctrl-C in the terminal reaches mlx alone, which then ends its jobs in order.
            start_new_session=True,
        )
        if message is not None and process.stdin is not None:
            process.stdin.write(message)
            process.stdin.close()
        return process


def _message(job: Job) -> dict[str, Any]:
    return {
        "call": job.call,
        "arguments": dict(job.arguments),
        "shell": job.shell,
        "env": dict(job.env),
        "timeout": job.timeout,
        "grace": _GRACE_SECONDS,
    }


def _memory_file(content: bytes) -> Any:
    file = os.fdopen(os.memfd_create("mlx-job"), "w+b")
    file.write(content)
    file.flush()
    file.seek(0)
    return file
