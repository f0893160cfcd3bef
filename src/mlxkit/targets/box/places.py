"""The folder of mlx on the box, and what lies where in it.

- `mlxkit/HASH/`: mlx itself, by version of its code
- `cache/files/md5/`: data by content, as DVC keeps it; for all jobs and projects
- `arriving/HASH`: data on its way into the cache; what of it arrived before a line broke stays
- `taking`: a lock that is held by whoever takes a job, and by whoever removes what no job needs
- `environments/KEY/`: virtual environments
- `gpus/UUID`: locks of graphics cards
- `checkpoints/PROJECT/`: what a training can go on from
- `jobs/ID/`: a job. `job.json` says what is to be done, `state.json` where it is, `end.json` how it ended;
  `setup.log` and `log` hold what was said, `alive` is a lock, `tracking/` what it logs to MLflow, `work/` its
  code and data.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TRACKING = "tracking"
"""Folder with what a job logs, in that of the job."""
_JOB_ID = re.compile(r"[a-z0-9-]{1,64}")


class Refused(Exception):
    """The box cannot do what it is asked for; `hint` is what to do about it."""

    def __init__(self, message: str, *, hint: str = "", kind: str = "tool") -> None:
        super().__init__(message)
        self.message, self.hint, self.kind = message, hint, kind


@dataclass(frozen=True)
class Places:
    """The folder of mlx on this machine."""

    root: Path

    @property
    def objects(self) -> Path:
        """Where data lies by its md5, as in DVC's cache."""
        return self.root / "cache" / "files" / "md5"

    @property
    def arriving(self) -> Path:
        """Where data lies that may not be whole yet."""
        return self.root / "arriving"

    @property
    def environments(self) -> Path:
        """Where virtual environments lie."""
        return self.root / "environments"

    @property
    def gpus(self) -> Path:
        """Where the locks of graphics cards lie."""
        return self.root / "gpus"

    @property
    def code(self) -> Path:
        """Where mlx itself lies, by version."""
        return self.root / "mlxkit"

    @property
    def taking(self) -> Path:
        """The lock between jobs that are taken and the removal of what none needs."""
        return self.root / "taking"

    def all_checkpoints(self) -> list[Path]:
        """Return the folders of all projects' checkpoints."""
        return list((self.root / "checkpoints").glob("*"))

    def checkpoints(self, project: str) -> Path:
        """Return the folder in which a project keeps what a training can go on from."""
        return self.root / "checkpoints" / re.sub(r"[^\w.-]", "_", project)

    def object(self, digest: str) -> Path:
        """Return where an object lies, or will."""
        return self.objects / digest[:2] / digest[2:]

    def job(self, job_id: str) -> JobPlace:
        """Return the place of a job, which may not be there.

        Raises:
            Refused: it is no name of a job.
        """
        if not _JOB_ID.fullmatch(job_id):
            raise Refused(f"'{job_id}' is no name of a job")
        return JobPlace(self.root / "jobs" / job_id)

    def jobs(self) -> list[JobPlace]:
        """Return all jobs, the oldest first."""
        found = (path for path in (self.root / "jobs").glob("*") if (path / "job.json").is_file())
        return [JobPlace(path) for path in sorted(found, key=lambda path: path.stat().st_mtime)]


@dataclass(frozen=True)
class JobPlace:
    """The folder of one job."""

    folder: Path

    @property
    def id(self) -> str:
        """Name of the job."""
        return self.folder.name

    @property
    def work(self) -> Path:
        """Where its code and data are, and what it makes."""
        return self.folder / "work"

    @property
    def log(self) -> Path:
        """What the job said."""
        return self.folder / "log"

    @property
    def setup_log(self) -> Path:
        """What was said before it began."""
        return self.folder / "setup.log"

    @property
    def database(self) -> Path:
        """MLflow's store for what the job logs."""
        return self.folder / TRACKING / "mlflow.db"

    @property
    def alive(self) -> Path:
        """The file that its supervisor holds a lock of, for as long as that lives."""
        return self.folder / "alive"

    @property
    def room(self) -> Path:
        """A file without meaning, whose room is for saying how the job ended when the disk is full."""
        return self.folder / "room"

    @property
    def receiving(self) -> Path:
        """The file with the process that takes data for it, which holds a lock of it."""
        return self.folder / "receiving"

    def read(self, name: str) -> dict[str, Any] | None:
        """Return what `NAME.json` says; None where there is none."""
        try:
            value = json.loads((self.folder / f"{name}.json").read_bytes())
        except FileNotFoundError:
            return None
        return dict(value)

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace `NAME.json` in one step."""
        replace(self.folder / f"{name}.json", json.dumps(content).encode())

    def is_supervised(self) -> bool:
        """Whether the process that looks after the job lives; the kernel says so, after a reboot too."""
        return is_held(self.alive)


def replace(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all."""
    new = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        new.write_bytes(content)
        os.replace(new, path)  # noqa: PTH105
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock of a file, which may not be there."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # Shared: who only looks is not to be taken for a holder by somebody else who does.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a file, waiting for it; alone, or `shared` with others who say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
