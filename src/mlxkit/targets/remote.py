"""Jobs on another machine, reached over SSH; they go on there whether anybody listens or not.

A job is carried by a thread: it sends what the job needs, listens to it, finds the line again when that
breaks, and brings home what the job made.
"""

from __future__ import annotations

import contextlib
import queue
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.rsync import Copier
from mlxkit.adapters.ssh import LineBroken
from mlxkit.errors import MlxError, StageFailed, ToolError, of_the_machine
from mlxkit.targets.base import Job, Outcome, Parcel, Running
from mlxkit.targets.box.objects import hash_of
from mlxkit.targets.box.places import TRACKING
from mlxkit.targets.line import Line
from mlxkit.targets.parcel import sources
from mlxkit.targets.remote_job import RemoteJob, new_id, refused
from mlxkit.targets.sending import send_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        self._root, self._folder, self._keep, self._old, self._tell = root, folder, keep, old, tell
        self._line = Line(target)
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
                self._send(remote, _parcel(remote.job))
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

    def _send(self, remote: RemoteJob, parcel: Parcel) -> None:
        """Send the code, and of the data what the box lacks; goes on as long as that gets anywhere."""
        objects = sources(self._root, parcel.cache, parcel.reads)
        question = {"job": remote.id, "objects": list(objects)}
        missing: dict[str, int] | None = None
        tries = 0
        while True:
            try:
                answer = self._line.call("prepare", question)
                tries = tries if answer["missing"] == missing else 0
                missing = dict(answer["missing"])
                remote.phase = "sending code"
                work, copier = answer["work"], Copier(self._line.ssh, there=answer["rsync"])
                copier.send(self._root, parcel.files, work, like=self._last_work(remote, work))
                send_objects(self._line, objects, missing, remote.tell)
                return
            except LineBroken:
                if missing is None or tries == len(_PAUSES) or remote.left.wait(_PAUSES[tries]):
                    raise
                tries += 1

    def _last_work(self, remote: RemoteJob, work: str) -> str:
        """Return where the last job's code lies on the box, of which equal files need not be sent again."""
        jobs = [file.parent for file in self._folder.glob("*/job.json") if file.parent.name != remote.id]
        last = max(jobs, key=lambda folder: folder.stat().st_mtime, default=None)
        return work.replace(remote.id, last.name) if last is not None else ""

    def _listen(self, remote: RemoteJob) -> dict[str, Any] | None:
        """Listen until the job has ended, and return how; None when nobody wants to know any more."""
        tries = 0
        while not remote.left.is_set():
            try:
                for told in self._line.follow(*self._question(remote)):
                    tries = 0
                    if remote.left.is_set():
                        return None
                    if "end" in told:
                        return dict(told["end"])
                    remote.note(told)
            except LineBroken as error:
                if not remote.submitted and tries == len(_PAUSES):
                    raise
                if tries == 1:
                    self._tell(
                        f"{error.message}; the job '{remote.id}' goes on there, and is looked for again"
                    )
            remote.left.wait(_PAUSES[min(tries, len(_PAUSES) - 1)])
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

    def _come_home(self, remote: RemoteJob, ending: dict[str, Any]) -> Outcome:
        """Bring home what a job made, and return how it ended."""
        if "lost" in ending:
            return refused(StageFailed(f"{ending['lost']} while it ran on '{self.target.name}'"))
        if "refused" in ending:
            return refused(ToolError(ending["refused"]["message"], hint=ending["refused"]["hint"]))
        if ending["cancelled"]:
            return refused(StageFailed(f"it was cancelled on '{self.target.name}'"))
        made = {path: digest for path, digest in ending["made"].items() if digest is not None}
        home = self._folder / remote.id / "home"
        copier = Copier(self._line.ssh, there=remote.rsync)
        self._fetch_tracking(remote, copier, logged=ending["logged"])
        if made:
            remote.phase = "bringing its outputs home"
            self._fetch(remote, copier, made, home)
            for path in made:
                _put(home / path, self._root / path)
            shutil.rmtree(home, ignore_errors=True)
        if old := self._old():
            self._line.call("forget", {"jobs": list(old)})
        names = ("exit_code", "signal", "timed_out", "seconds", "max_memory", "result")
        return Outcome(**{name: ending[name] for name in names}, machine=self._machine(remote, ending))

    def _fetch(self, remote: RemoteJob, copier: Copier, made: dict[str, str], home: Path) -> None:
        """Bring outputs into a folder here, as they are there; twice, if they are others at first."""
        for _ in range(2):
            copier.fetch(remote.work, list(made), home)
            wrong = [path for path, digest in made.items() if hash_of(home / path) != digest]
            if not wrong:
                return
            shutil.rmtree(home, ignore_errors=True)
        raise ToolError(
            f"'{wrong[0]}' does not arrive as it is on the box", hint=f"run `mlx jobs fetch {remote.id}`"
        )

    def _fetch_tracking(self, remote: RemoteJob, copier: Copier, *, logged: bool) -> None:
        """Bring home the store that the job logged to, where it has one."""
        if logged:
            copier.fetch(str(Path(remote.work).parent), [TRACKING], self._folder / remote.id)

    def _machine(self, remote: RemoteJob, ending: dict[str, Any]) -> dict[str, Any]:
        return {**ending["machine"], "target": self.target.name, "job": remote.id}


def python_of(target: RemoteTarget) -> str:
    """Return the version of Python that stages have on a target."""
    return target.python or f"{sys.version_info.major}.{sys.version_info.minor}"


def _parcel(job: Job) -> Parcel:
    if job.parcel is None:
        raise ToolError(f"'{job.name}' can run on this machine only")
    return job.parcel


def _put(made: Path, place: Path) -> None:
    """Move an output to its place, where an old one may be."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    made.replace(place)
