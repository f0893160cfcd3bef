"""The jobs on other machines that a project remembers, each in a folder of `.mlx/jobs`.

It says what a job was made from. So the job is found again by another `mlx`, after this one was left or
killed, and what it makes is recorded as made from that, not from what the project is by then.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlxkit.errors import UsageError
from mlxkit.pipeline.dvc_yaml import DVC_FILE
from mlxkit.project.files import write_atomically
from mlxkit.project.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlxkit.pipeline.dvc_yaml import Definition
    from mlxkit.project.models import Project


_KEPT_THERE, _KEPT_HERE = 3, 50
"""Closed jobs whose folders stay: on a machine for its log and so that equal code need not be sent again."""


@dataclass(frozen=True)
class JobRecord:
    """A job as it was sent.

    Attributes:
        cmd: the stage's command in dvc.yaml; `hashes` are those of all that decides its result.
        params: the values in params.yaml that it reads, by group.
        submitted: seconds since the epoch.
        record: what continues the record of its run in MLflow; None for a stage that has none.
        state: `open` until its outputs are here, or nobody wants them any more.
    """

    id: str
    target: str
    stage: str
    cmd: str
    hashes: Mapping[str, str | None]
    params: Mapping[str, Any] = field(default_factory=dict)
    submitted: float = 0.0
    record: Mapping[str, Any] | None = None
    state: str = "open"

    def does(self, definition: Definition, hashes: Mapping[str, str | None], target: str) -> bool:
        """Whether it does just what a stage would do now; dvc.yaml may have changed in other stages."""
        ours = {path: digest for path, digest in hashes.items() if path != DVC_FILE}
        theirs = {path: digest for path, digest in self.hashes.items() if path != DVC_FILE}
        return (self.target, self.stage, self.cmd, theirs) == (target, definition.name, definition.cmd, ours)


class Jobs:
    """The jobs of a project that this machine remembers."""

    def __init__(self, project: Project) -> None:
        self.folder = project.state_dir / "jobs"

    def all(self) -> list[JobRecord]:
        """Return them, the newest first."""
        found = [self._read(file) for file in self.folder.glob("*/job.json")]
        return sorted((job for job in found if job is not None), key=lambda job: -job.submitted)

    def open(self) -> list[JobRecord]:
        """Return those whose outputs may still come."""
        return [job for job in self.all() if job.state == "open"]

    def old(self, target: str) -> list[JobRecord]:
        """Return those on a machine that nobody expects anything of, but for the newest."""
        closed = [job for job in self.all() if job.target == target and job.state != "open"]
        return closed[_KEPT_THERE:]

    def drop_oldest(self) -> None:
        """Forget jobs of long ago."""
        for job in [job for job in self.all() if job.state != "open"][_KEPT_HERE:]:
            shutil.rmtree(self.folder / job.id, ignore_errors=True)

    def find(self, job_id: str) -> JobRecord:
        """Return one by its name, or by the beginning of that.

        Raises:
            UsageError: there is none, or more than one.
        """
        found = [job for job in self.all() if job.id.startswith(job_id)]
        exact = [job for job in found if job.id == job_id]
        if len(exact or found) == 1:
            return (exact or found)[0]
        known = [job.id for job in self.all()]
        if found:
            raise UsageError(f"'{job_id}' begins more than one job", context=[", ".join(known)])
        hint = did_you_mean(job_id, known).removeprefix(", ")
        raise UsageError(f"there is no job '{job_id}' here", hint=hint or "run `mlx jobs list`")

    def keep(self, job: JobRecord) -> None:
        """Remember a job."""
        folder = self.folder / job.id
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "job.json", json.dumps(asdict(job)).encode())

    def close(self, job: JobRecord, state: str) -> None:
        """Note that nothing is expected of a job any more, and drop what it left on its way."""
        self.keep(replace(job, state=state))
        for path in (self.folder / job.id).iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)

    def _read(self, file: Path) -> JobRecord | None:
        try:
            return JobRecord(**json.loads(file.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
