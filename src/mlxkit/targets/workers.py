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
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlxkit.errors import ToolError
from mlxkit.project.files import umask
from mlxkit.targets import worker
from mlxkit.targets.base import Job, Outcome, Running

if TYPE_CHECKING:
    from collections.abc import Sequence

_GRACE_SECONDS = 10.0
_ENVIRONMENT = {"PYTHONUNBUFFERED": "1"}


@dataclass
class WorkerJob:
    """A job with the socket that its keeper reports through.

    Attributes:
        asked_lingering: whether a template that other runs may end, too, was asked for it.
        pid: None until the keeper has said it, 0 where no process could be started.
        outcome: None until it has ended.
    """

    job: Job
    report: socket.socket
    asked_lingering: bool
    started: float
    received: bytes = b""
    ordered: bytes = b""
    pid: int | None = None
    outcome: Outcome | None = None

    def was_never_begun(self) -> bool:
        """Whether the template that was asked had ended by then; said of a job whose report was closed."""
        return self.asked_lingering and not (self.pid is not None or self.received or self.ordered)


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
        self._root, self._preload, self._linger = root, tuple(preload), linger
        self._lock = [] if lock is None else [lock]
        self._template: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._open: list[WorkerJob] = []
        self._keepers: list[subprocess.Popen[bytes]] = []

    def warm_up(self) -> None:
        """Find or start the template now, so that it imports while the plan is made."""
        if sys.platform != "linux" or self._control is not None:
            return
        self._control = (self._linger > 0 and self._lingering_template()) or self._own_template()

    def _lingering_template(self) -> socket.socket | None:
        """Find one, or start one that others will find; None where that is not possible."""
        from mlxkit.targets import warm

        place = warm.place_for(self._preload)
        if place is None:
            return None
        found = warm.connect(place)
        if found is None and (listener := warm.listen(place)) is not None:
            with listener:
                self._spawn("template", [self._plan(listener, place)], [listener.fileno()]).wait()
            found = warm.connect(place)
        return found

    def _own_template(self) -> socket.socket:
        """Start a template that dies with this process."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._template = self._spawn("template", [self._plan(theirs, None)], [theirs.fileno()])
        return ours

    def _plan(self, channel: socket.socket, place: Path | None) -> str:
        return json.dumps(
            {
                "descriptor": channel.fileno(),
                "parent": os.getpid(),
                "preload": self._preload,
                "linger": self._linger if place is not None else None,
                "socket": str(place),
            }
        )

    def start(self, job: Job) -> WorkerJob:
        """Start a job and return at once."""
        report = self._hand_over(job)
        asked_lingering = _may_be_forked(job) and self._template is None
        running = WorkerJob(job, report, asked_lingering, time.monotonic())
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
                    self._ask_template(word, message, [theirs.fileno(), log.fileno()])
                else:
                    self._start_keeper(message, theirs, log.fileno())
        except BaseException:
            ours.close()
            raise
        return ours

    def _ask_template(self, word: bytes, message: bytes, descriptors: list[int]) -> None:
        self.warm_up()
        assert self._control is not None
        try:
            # The message may be longer than a packet, so it travels in a file of its own.
            with _memory_file(message) as body:
                socket.send_fds(self._control, [word], [*descriptors, body.fileno(), *self._lock])
        except OSError as error:
            if self._template is not None:
                raise ToolError("the worker process has died", hint="run the same command again") from error
            self._replace_lingering_template()
            self._ask_template(word, message, descriptors)

    def _replace_lingering_template(self) -> None:
        """Go on with a template of our own where the one that others use, too, has ended."""
        if self._template is None and self._control is not None:
            self._control.close()
            self._control = self._own_template()

    def _start_keeper(self, message: bytes, report: socket.socket, log: int) -> None:
        passed = [report.fileno(), *self._lock]
        keeper = self._spawn("worker", [str(number) for number in passed], passed, log=log, piped=True)
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
                    self._replace_lingering_template()
                    item.report.close()
                    item.report, item.asked_lingering = self._hand_over(item.job), False
                elif not chunk:
                    item.outcome = _outcome(item)
                    self._open.remove(item)
                    item.report.close()
                    done.append((item, item.outcome))
        return done

    def memory(self, running: Running) -> int:
        """Return the resident memory of a job and its children now, bytes; 0 where that cannot be seen."""
        pid = running.pid if isinstance(running, WorkerJob) else 0
        return _resident(pid) if pid else 0

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
            self._control = None
        if self._template is not None:
            self._template.kill()
            self._template.wait()
            self._template = None
        for keeper in self._keepers:
            keeper.wait()

    def _spawn(
        self,
        module: str,
        arguments: list[str],
        passed: list[int],
        *,
        log: int | None = None,
        piped: bool = False,
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            # Without -P the working folder would be on the path of a template that serves other projects too.
            [sys.executable, "-P", "-m", f"mlxkit.targets.{module}", *arguments],
            cwd=self._root,
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            # A template that lingers must not keep the pipe open that somebody reads mlx's output from.
            stdout=subprocess.DEVNULL if log is None else log,
            stderr=subprocess.DEVNULL if log is None else log,
            pass_fds=passed,
            # Ctrl-C in the terminal reaches mlx alone, which then ends its jobs in order.
            start_new_session=True,
        )


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
        "env": {**os.environ, **_ENVIRONMENT, **job.env},
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


def _resident(group: int) -> int:
    """Add up the resident memory of the processes of a group, bytes. What they share counts for each."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has just ended
            continue
        fields = line.rpartition(")")[2].split()
        if int(fields[2]) == group:
            total += int(fields[21]) * page
    return total


def _memory_file(content: bytes) -> Any:
    file = os.fdopen(os.memfd_create("mlx-job"), "w+b")
    file.write(content)
    file.flush()
    file.seek(0)
    return file
