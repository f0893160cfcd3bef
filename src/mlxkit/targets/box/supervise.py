"""The process that looks after one job, from its environment to its end, whether anybody listens or not.

It starts under the machine's own Python, builds the environment, and goes on under that one's, as the same
process. The job is run as on any machine, by `targets/workers.py`.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlxkit.errors import FULL_BYTES, is_full_disk
from mlxkit.targets.base import Job
from mlxkit.targets.box import environment
from mlxkit.targets.box.machine import Cards, boot, library_versions
from mlxkit.targets.box.objects import hash_of, lay_out, md5
from mlxkit.targets.box.places import JobPlace, Places, Refused
from mlxkit.targets.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlxkit.targets.base import Outcome

MARK = "MLX_JOB"
"""Variable that every process of a job carries: the job's name."""
CHECKPOINTS = "MLX_CHECKPOINTS"
"""Variable with a folder that outlives the job: another one of the same project finds it again."""
_LOOK_SECONDS, _QUEUE_SECONDS, _WAIT_SECONDS, _RETRY_SECONDS = 5.0, 2.0, 0.5, 0.01
_ROOM_BYTES = 1 << 16
_FAILED: dict[str, Any] = {
    "exit_code": 1, "signal": None, "timed_out": False, "seconds": 0.0, "max_memory": 0, "result": None
}  # fmt: skip


def start(places: Places, job: JobPlace) -> None:
    """Start the supervisor of a job, which outlives this process and the connection that it came by.

    A job that has one already, or has ended, is left alone.
    """
    descriptor = os.open(job.alive, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if job.is_supervised():
                    return
                time.sleep(_RETRY_SECONDS)  # somebody only looks
        if job.read("end") is None:
            job.room.write_bytes(bytes(_ROOM_BYTES))
            _spawn(places, job, descriptor)
    finally:
        os.close(descriptor)  # the lock is that of the open file, which the supervisor holds from then on


def _spawn(places: Places, job: JobPlace, alive: int) -> None:
    with job.setup_log.open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "mlxkit.targets.box", "supervise", str(places.root), job.id],
            cwd=job.work,
            env={**os.environ, MARK: job.id},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[alive],
        )


class Supervisor:
    """Looks after one job, and says in its folder what becomes of it."""

    def __init__(self, places: Places, job: JobPlace) -> None:
        self._places, self._job = places, job
        self._spec = job.read("job") or {}
        self._cards = Cards()
        self._ordered = 0
        """1 when the job is to be ended nicely, 2 when at once."""
        self._working = False
        self._looks = 0
        signal.signal(signal.SIGTERM, self._obey)
        signal.signal(signal.SIGUSR1, self._obey)

    def _obey(self, number: int, frame: object) -> None:
        del frame
        self._ordered = max(self._ordered, 2 if number == signal.SIGUSR1 else 1)
        if not self._working:
            raise KeyboardInterrupt

    def prepare_and_run(self) -> None:
        """Get the environment ready, and go on in it."""
        with _ending(self):
            self.tell("preparing")
            python = environment.interpreter(
                self._places, self._spec["environment"], self._job.setup_log, self.tell
            )
            module = ["-P", "-m", "mlxkit.targets.box", "run", str(self._places.root), self._job.id]
            os.execve(python, [str(python), *module], environment.variables(python))

    def run(self) -> None:
        """Do the job."""
        with _ending(self), self._workers() as workers:
            lay_out(self._places, self._job, self._spec["reads"])
            self._compare()
            self._queue()
            outcome = self._work(workers)
            made = {path: hash_of(self._job.work / path) for path in self._spec["writes"]}
            self.end({**asdict(outcome), "made": made if outcome.succeeded else {}})

    def tell(self, phase: str) -> None:
        """Say where the job is, and which process looks after it."""
        said = {"phase": phase, "pid": os.getpid(), "boot": boot(), "since": time.time()}
        with _room_or_not():  # a job need not end because nobody can be told where it is
            self._job.write("state", said)

    def end(self, outcome: dict[str, Any]) -> None:
        """Say how the job ended."""
        self._working = True  # whoever wants to end it now must not keep that from being said
        machine = {
            "host": socket.gethostname(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "versions": library_versions(),
            "gpus": [
                {"name": gpu.name, "driver": gpu.driver, "memory": gpu.memory} for gpu in self._cards.gpus
            ],
        }
        for done_with in (self._job.room, self._job.folder / "wants.json"):
            done_with.unlink(missing_ok=True)
        full = shutil.disk_usage(self._job.folder).free < FULL_BYTES
        about = {"full": full, "machine": machine, "cancelled": self._ordered > 0, "finished": time.time()}
        self._job.write("end", {**_FAILED, "made": {}, **outcome, **about})

    def _compare(self) -> None:
        """Refuse code that is not what the stage's record will say: somebody edited it while it was sent."""
        for path, digest in self._spec["code"].items():
            file = self._job.work / path
            if not file.exists() or md5(file) != digest:
                raise Refused(
                    f"'{path}' changed while it was sent to the box", hint="run the same command again"
                )

    def _queue(self) -> None:
        """Wait for graphics cards."""
        wanted = self._spec["gpus"]
        while wanted and not self._cards.take(self._places, wanted):
            self.tell(f"waiting for {wanted} GPU{'' if wanted == 1 else 's'}")
            time.sleep(_QUEUE_SECONDS)

    @contextmanager
    def _workers(self) -> Iterator[Workers]:
        """Give workers that import already while the job is made ready, if it can do with that."""
        # Who waits for the next job is not to be taken for a process of this one.
        os.environ.pop(MARK, None)
        workers = Workers(self._job.work, preload=self._spec["preload"], linger=self._spec["linger"])
        try:
            if self._spec["call"] is not None and not self._spec["fresh"]:
                workers.warm_up()
            yield workers
        finally:
            workers.close()

    def _work(self, workers: Workers) -> Outcome:
        """Run the job until it ends, or is ended."""
        self._working, obeyed, look_at = True, 0, 0.0
        running = workers.start(self._as_job())
        self.tell("running")
        while True:
            for _, outcome in workers.wait([running], seconds=_WAIT_SECONDS):
                return outcome
            if self._ordered > obeyed:
                obeyed = self._ordered
                workers.cancel(running, now=obeyed > 1)
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + _LOOK_SECONDS
                self._note_use(workers.memory(running))

    def _as_job(self) -> Job:
        spec, cards = self._spec, self._cards.gpus
        # The project is not installed here; its commands find its package all the same.
        code = os.pathsep.join([str(self._job.work / "src"), os.environ.get("PYTHONPATH", "")])
        env = {
            "PYTHONPATH": code,
            MARK: self._job.id,
            CHECKPOINTS: str(self._places.checkpoints(spec["project"])),
        }
        if cards:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(gpu.uuid for gpu in cards)
        return Job(
            spec["name"],
            self._job.log,
            call=spec["call"],
            arguments=spec["arguments"],
            shell=spec["shell"],
            env=env,
            fresh=spec["fresh"],
            timeout=spec["timeout"],
        )

    def _note_use(self, memory: int) -> None:
        """Note what the job uses now, a line of JSON each time."""
        gpus = [
            {"index": number, "used": gpu.used, "memory": gpu.memory - gpu.free, "total": gpu.memory}
            for number, gpu in enumerate(self._cards.look())
        ]
        self._looks += 1
        line = {"time": round(time.time() * 1000), "step": self._looks, "memory": memory, "gpus": gpus}
        file = self._job.folder / "use.jsonl"
        size = file.stat().st_size if file.exists() else 0
        try:
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(line) + "\n")
        except OSError as error:
            if not is_full_disk(error):
                raise
            os.truncate(file, size)  # half a line would be none


@contextmanager
def _room_or_not() -> Iterator[None]:
    """Go on without what there is no room for."""
    try:
        yield
    except OSError as error:
        if not is_full_disk(error):
            raise


@contextmanager
def _ending(supervisor: Supervisor) -> Iterator[None]:
    """Say of a job that cannot go on why that is; what nobody has thought of goes into its log, too."""
    try:
        yield
    except KeyboardInterrupt:
        supervisor.end({"exit_code": None, "signal": int(signal.SIGTERM)})
    except Refused as error:
        supervisor.end({"refused": {"message": error.message, "hint": error.hint}})
    except OSError as error:
        said = {"message": f"the box says: {error}", "hint": "", "full": is_full_disk(error)}
        supervisor.end({"refused": said})
    except Exception as error:
        supervisor.end({"refused": {"message": f"mlx failed on the box: {error!r}", "hint": ""}})
        raise
