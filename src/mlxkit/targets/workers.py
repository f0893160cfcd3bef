"""Jobs in processes of this machine.

Every job has a *keeper*: a small process that starts the job in a process group of its own, ends it at
its deadline, measures it, and reports through a socket. On Linux keeper and job are forks of one *template*,
which imports the heavy libraries once, so that no import is paid twice and no state leaks from job to job;
elsewhere, and for a job whose variables must be seen at import, they are a new interpreter. When mlx dies,
the keepers see their sockets close, and kill their jobs.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from mlxkit.project.files import umask
from mlxkit.targets import worker
from mlxkit.targets.base import Job, Outcome, Running
from mlxkit.targets.process_tree import resident
from mlxkit.targets.spawn import ENVIRONMENT, spawn
from mlxkit.targets.template_client import TemplateClient

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

_GRACE_SECONDS = 10.0


@dataclass
class WorkerJob:
    """A job with the socket that its keeper reports through.

    Attributes:
        asked: the connection to the template that was asked for it; None for a job that must not be asked for
            again.
        pid: None until the keeper has said it, 0 where no process could be started.
        outcome: None until it has ended.
    """

    job: Job
    report: socket.socket
    asked: socket.socket | None
    started: float
    received: bytes = b""
    ordered: bytes = b""
    pid: int | None = None
    outcome: Outcome | None = None

    def was_never_begun(self) -> bool:
        """Whether the template that was asked had ended by then; said of a job whose report was closed."""
        return self.asked is not None and not (self.pid is not None or self.received or self.ordered)


class Workers:
    """Runs jobs on this machine.

    Args:
        root: the working directory of every job.
        preload: modules that the template imports, in this order; jobs are served between two imports.
        lock: a descriptor that keepers hold as long as their job lives, after the death of mlx too.
        linger: seconds for which the template waits for another mlx after the last; 0 ends it with this one.
    """

    def __init__(
        self, root: Path, *, preload: Sequence[str] = (), lock: int | None = None, linger: float = 0.0
    ) -> None:
        self._root = root
        self._lock = [] if lock is None else [lock]
        self._template = TemplateClient(root, preload, held=self._lock, linger=linger)
        self._open: list[WorkerJob] = []
        self._keepers: list[subprocess.Popen[bytes]] = []

    def warm_up(self) -> None:
        """Find or start the template now, so that it imports while the plan is made."""
        if sys.platform == "linux":
            self._template.connect()

    def start(self, job: Job) -> WorkerJob:
        """Start a job and return at once."""
        report = self._hand_over(job)
        asked = self._template.connection if _may_be_forked(job) else None
        running = WorkerJob(job, report, asked, time.monotonic())
        self._open.append(running)
        return running

    def _hand_over(self, job: Job) -> socket.socket:
        """Give a job to a keeper; returns the socket that it will report through."""
        job.log.parent.mkdir(parents=True, exist_ok=True)
        message = json.dumps(message_of(job, self._root)).encode()
        ours, theirs = socket.socketpair()
        try:
            with theirs, _new_log(job.log) as log:
                if _may_be_forked(job):
                    word = worker.PATIENT if job.patient else worker.AT_ONCE
                    self._template.ask(word, message, [theirs.fileno(), log.fileno()])
                else:
                    self._start_keeper(message, theirs, log.fileno())
        except BaseException:
            ours.close()
            raise
        return ours

    def _start_keeper(self, message: bytes, report: socket.socket, log: int) -> None:
        passed = [report.fileno(), *self._lock]
        numbers = [str(number) for number in passed]
        keeper = spawn("worker", numbers, passed, root=self._root, log=log, piped=True)
        self._keepers.append(keeper)
        assert keeper.stdin is not None
        with contextlib.suppress(BrokenPipeError), keeper.stdin:
            keeper.stdin.write(message)

    def wait(self, running: Sequence[Running], *, seconds: float) -> list[tuple[Running, Outcome]]:
        """Return those of the jobs that have ended, waiting at most `seconds` for the first.

        One that was told already is told again: Ctrl-C may have come before anybody heard.
        """
        ours = [item for item in running if isinstance(item, WorkerJob)]
        done: list[tuple[Running, Outcome]] = [(item, item.outcome) for item in ours if item.outcome]
        with selectors.DefaultSelector() as selector:
            for item in (item for item in ours if item.outcome is None):
                selector.register(item.report, selectors.EVENT_READ, item)
            for key, _ in selector.select(0.0 if done else seconds):
                item = key.data
                try:
                    chunk = item.report.recv(1 << 16)
                except ConnectionResetError:  # told once of an order that the keeper did not read any more
                    continue
                item.received += chunk
                if item.pid is None and b"\n" in item.received:
                    first, _, item.received = item.received.partition(b"\n")
                    item.pid = json.loads(first)["pid"]
                if not chunk and item.was_never_begun():
                    if item.asked is self._template.connection:
                        self._template.replace()
                    item.report.close()
                    item.report, item.asked = self._hand_over(item.job), None
                elif not chunk:
                    item.outcome = _outcome(item)
                    self._open.remove(item)
                    item.report.close()
                    done.append((item, item.outcome))
        return done

    def memory(self, running: Running) -> int:
        """Return the resident memory of a job and its children now, bytes; 0 where that cannot be seen."""
        pid = running.pid if isinstance(running, WorkerJob) else 0
        return resident(pid) if pid else 0

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
        self._template.close()
        for keeper in self._keepers:
            keeper.wait()


def _new_log(path: Path) -> BinaryIO:
    """Begin a log, in the place of an old one that may be another user's and not writable to this one."""
    try:
        return path.open("wb")
    except PermissionError:
        path.unlink(missing_ok=True)
        return path.open("wb")


def _may_be_forked(job: Job) -> bool:
    """Whether a template can start a job. A shell needs no libraries, and its memory is not to be theirs."""
    return sys.platform == "linux" and not job.fresh and job.shell is None


def message_of(job: Job, root: Path) -> worker.Message:
    """Return a job as the plain values that a keeper takes."""
    return {
        "call": job.call,
        "arguments": dict(job.arguments),
        "shell": job.shell,
        "cwd": str(root),
        "umask": umask(),
        "env": {**os.environ, **ENVIRONMENT, **job.env},
        "timeout": job.timeout,
        "grace": _GRACE_SECONDS,
    }


def _outcome(item: WorkerJob) -> Outcome:
    """Read what a keeper said at the end of its job."""
    try:
        return Outcome(**json.loads(item.received))
    except ValueError:  # the keeper itself was killed and reported nothing
        if item.pid:  # the job died with it, and its children, which may still write, did not
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(item.pid, signal.SIGKILL)
        return Outcome(None, signal.SIGKILL, False, time.monotonic() - item.started, 0)
