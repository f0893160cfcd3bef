"""Jobs on another machine, reached over SSH; they go on there whether anybody listens or not.

A job is carried by a thread: it sends what the job needs, listens to it, finds the line again when that
breaks, and brings home what the job made.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.ssh import LineBroken
from mlxkit.errors import FREE_SPACE, MlxError, StageFailed, ToolError, full_there, of_the_machine
from mlxkit.targets.base import Job, Outcome, Parcel, Running
from mlxkit.targets.line import Line
from mlxkit.targets.remote_job import RemoteJob, new_id, refused
from mlxkit.targets.transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mlxkit.project.models import RemoteTarget

_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between tries to find a line again; the last one goes on."""


class Remote:
    """Runs jobs on one machine.

    Args:
        target: the machine.
        root: the project.
        folder: where what is under way lies, one folder a job.
        keep: called with each new job, to remember it by, before anything of it leaves this machine.
        old: returns jobs whose folders there nobody needs any more.
        tell: called from other threads, with what the user should know meanwhile.
    """

    def __init__(
        self,
        target: RemoteTarget,
        root: Path,
        folder: Path,
        *,
        keep: Callable[[RemoteJob], None] = lambda remote: None,
        old: Callable[[], Sequence[str]] = list,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.target = target
        self._root, self._keep, self._old, self._tell = root, keep, old, tell
        self._line = Line(target)
        self._transfer = Transfer(self._line, root, folder)
        self._ended: queue.SimpleQueue[tuple[RemoteJob, Outcome | Exception]] = queue.SimpleQueue()

    def start(self, job: Job) -> RemoteJob:
        """Send a job there, or listen to one that is there already from its beginning; returns at once."""
        known = _parcel(job).job
        remote = RemoteJob(job, known or new_id(job.name), submitted=known is not None)
        if known is None:
            self._keep(remote)
        remote.job.log.parent.mkdir(parents=True, exist_ok=True)
        remote.job.log.write_bytes(b"")
        threading.Thread(target=self._do, args=[remote], name=remote.id, daemon=True).start()
        return remote

    def wait(self, running: Sequence[Running], *, seconds: float) -> list[tuple[Running, Outcome]]:
        """Return those of the jobs that have ended, waiting at most `seconds` for the first."""
        done: list[tuple[Running, Outcome]] = []
        with contextlib.suppress(queue.Empty):
            while True:
                item, outcome = self._ended.get(timeout=0.0 if done else seconds)
                if isinstance(outcome, Exception):
                    raise outcome
                if item in running:
                    done.append((item, outcome))
        return done

    def memory(self, running: Running) -> int:
        """Return the resident memory of a job when the box last looked, bytes; 0 where that is not known."""
        return running.memory if isinstance(running, RemoteJob) else 0

    def cancel(self, running: Running, *, now: bool = False) -> None:
        """End a job and its children: nicely, then by force, or so `now`; `wait` returns its outcome."""
        if not isinstance(running, RemoteJob):
            return
        if not running.submitted:  # it has not begun, or nobody has heard of it yet
            running.left.set()
            self._ended.put((running, Outcome(None, signal.SIGTERM, False, 0.0, 0)))
        try:
            self._line.call("cancel", {"job": running.id, "now": now})
        except ToolError as error:
            if running.submitted and not running.left.is_set():
                running.left.set()
                self._ended.put((running, refused(error, waiting=running.id)))
                self._tell(f"'{running.id}' could not be ended: run `mlx jobs cancel {running.id}`")

    def leave(self, running: Running) -> str | None:
        """Stop listening to a job, which goes on; returns its name, None for one that was not there yet."""
        if not isinstance(running, RemoteJob):
            return None
        running.left.set()
        return running.id if running.submitted else None

    def close(self) -> None:
        """Leave everything that still runs: it goes on there."""
        self._line.hang_up()

    # --- one job, in a thread of its own

    def _do(self, remote: RemoteJob) -> None:
        sent = remote.submitted
        try:
            if not sent:
                parcel = _parcel(remote.job)
                self._insist(remote, lambda: self._transfer.send(remote, parcel), "files are sent again soon")
                sent = True
            ending = self._listen(remote)
            outcome = None if ending is None else self._come_home(remote, ending)
        except MlxError as error:
            outcome = refused(error, waiting=remote.id if sent else None)
        except OSError as error:
            known = of_the_machine(error) or ToolError(str(error))
            outcome = refused(known, waiting=remote.id if sent else None)
        except Exception as error:  # a bug; whoever waits raises it in the main thread
            self._ended.put((remote, error))
            return
        if outcome is not None:
            self._ended.put((remote, outcome))

    def _insist(self, remote: RemoteJob, work: Callable[[], None], what: str) -> bool:
        """Do what a broken line may end, until it is done; returns whether it was.

        It is tried for as long as anybody wants to know of the job, once the box has that. Before, only for
        as long as something arrives, and not at all where the box never answered. `what` is said meanwhile.
        """
        tries, lacks = 0, remote.lacks
        while not remote.left.is_set():
            try:
                work()
            except LineBroken as error:
                if remote.lacks != lacks:
                    tries, lacks = 0, remote.lacks
                self._wait(remote, error, tries, what)
                tries += 1
            else:
                return True
        return False

    def _wait(self, remote: RemoteJob, error: LineBroken | None, tries: int, what: str) -> None:
        """Wait until a line may be there again; gives up where nothing that goes on depends on it."""
        if error is not None and not remote.submitted and (not self._line.reached or tries == len(_PAUSES)):
            raise error
        if error is not None and tries == 1:
            self._tell(f"{error.message}; {what}")
        remote.left.wait(_PAUSES[min(tries, len(_PAUSES) - 1)])

    def _listen(self, remote: RemoteJob) -> dict[str, Any] | None:
        """Listen until the job has ended, and return how; None when nobody wants to know any more."""
        tries = 0
        while not remote.left.is_set():
            broken = None
            try:
                for told in self._line.follow(*self._question(remote)):
                    tries = 0
                    if remote.left.is_set():
                        return None
                    if "end" in told:
                        return dict(told["end"])
                    remote.note(told)
            except LineBroken as error:
                broken = error
            self._wait(remote, broken, tries, f"the job '{remote.id}' goes on there, and is looked for again")
            tries += 1
        return None

    def _question(self, remote: RemoteJob) -> tuple[str, dict[str, Any]]:
        """Return what the box is asked: to take the job, which it does once, and to tell of it."""
        job, parcel = remote.job, _parcel(remote.job)
        if parcel.job is not None:
            return "follow", {"job": remote.id, "since": remote.since}
        spec = {
            "name": job.name,
            "project": self._root.name,
            "call": job.call,
            "arguments": dict(job.arguments),
            "shell": job.shell,
            "timeout": job.timeout,
            "fresh": job.fresh,
            "preload": list(parcel.preload),
            "linger": parcel.linger,
            "gpus": self.target.gpus,
            "code": dict(parcel.code),
            "reads": dict(parcel.reads),
            "writes": list(parcel.writes),
            "environment": {"python": python_of(self.target), "requirements": parcel.requirements},
        }
        request = {"job": remote.id, "since": remote.since, "spec": spec, "env": dict(parcel.env)}
        return "submit", request

    def _come_home(self, remote: RemoteJob, ending: dict[str, Any]) -> Outcome | None:
        """Bring home what a job made, and return how it ended; None when nobody wants to know any more."""
        if "lost" in ending:
            return refused(StageFailed(f"{ending['lost']} while it ran on '{self.target.name}'"))
        if "refused" in ending:
            return refused(self._why(ending["refused"], full=ending["full"]))
        if ending["cancelled"]:
            return refused(StageFailed(f"it was cancelled on '{self.target.name}'"))
        if ending["full"] and ending["exit_code"]:
            message, hint = full_there(self.target.name, f"it ended with exit code {ending['exit_code']}")
            return refused(StageFailed(message, hint=hint))
        made = {path: digest for path, digest in ending["made"].items() if digest is not None}
        safe = f"what '{remote.id}' made is safe there, and fetched once the line is back"
        if not self._insist(
            remote, lambda: self._transfer.fetch(remote, made, logged=ending["logged"]), safe
        ):
            return None
        self._forget_old()
        names = ("exit_code", "signal", "timed_out", "seconds", "max_memory", "result")
        values = {name: ending[name] for name in names}
        if (values["result"] or {}).get("hint") == FREE_SPACE:
            values["result"] = {**values["result"], "hint": full_there(self.target.name)[1]}
        return Outcome(**values, machine=self._machine(remote, ending))

    def _why(self, error: Mapping[str, Any], *, full: bool) -> ToolError:
        """Return why the box did not run a job; it may be that its disk was full."""
        message, hint = error["message"], error["hint"]
        if full or error.get("full"):
            message, hint = full_there(self.target.name, "" if error.get("full") else message)
        return ToolError(message, hint=hint)

    def _forget_old(self) -> None:
        """Let the box remove what nobody needs any more; another job will ask again if it does not answer."""
        if old := self._old():
            with contextlib.suppress(LineBroken):
                self._line.call("forget", {"jobs": list(old)})

    def _machine(self, remote: RemoteJob, ending: dict[str, Any]) -> dict[str, Any]:
        return {**ending["machine"], "target": self.target.name, "job": remote.id}


def python_of(target: RemoteTarget) -> str:
    """Return the version of Python that stages have on a target."""
    return target.python or f"{sys.version_info.major}.{sys.version_info.minor}"


def _parcel(job: Job) -> Parcel:
    if job.parcel is None:
        raise ToolError(f"'{job.name}' can run on this machine only")
    return job.parcel
