"""What becomes of a stage that ended: its outputs are committed, or why they are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.errors import MlxError
from mlxkit.pipeline.failure import changed_while_running, explain, missing_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlxkit.adapters.dvc import Dvc
    from mlxkit.pipeline.jobs import JobRecord
    from mlxkit.pipeline.staleness import StageState, Staleness
    from mlxkit.project.models import Project, Stage
    from mlxkit.targets.base import Job, Outcome


@dataclass(frozen=True)
class Begun:
    """Why a stage began, and the hashes at that moment of all that decides its result.

    `target` names the machine that it runs on, None for this one.
    """

    state: StageState
    hashes: Mapping[str, str | None]
    target: str | None = None


class Settlement:
    """Looks at what stages of one project made, and commits it; `dvc` opens its repository.

    `told` says whether the user has seen what a stage said.
    """

    def __init__(self, project: Project, staleness: Staleness, dvc: Callable[[], Dvc], *, told: bool) -> None:
        self._project, self._staleness, self._dvc, self._told = project, staleness, dvc, told

    def failure(self, stage: Stage, job: Job, outcome: Outcome) -> MlxError | None:
        """Say why a job that ended did not make what its stage should."""
        error = explain(self._project, job, outcome, told=self._told)
        return error or missing_output(self._project, stage, job, told=self._told)

    def commit(self, name: str, before: Mapping[str, str | None]) -> MlxError | None:
        """Keep what a stage made, in DVC's cache and dvc.lock; returns why that failed."""
        try:
            changed = self.changed(name, before)
            changed = changed or self._dvc().commit(name, before, lambda: self.changed(name, before))
            self._staleness.reload()
        except MlxError as error:
            return error
        return changed_while_running(name, changed) if changed is not None else None

    def commit_as(self, job: JobRecord) -> MlxError | None:
        """Keep what a stage made elsewhere, as made from what it was sent with; returns why that failed."""
        try:
            self._dvc().commit_as(job.stage, job.cmd, job.hashes, job.params)
            self._staleness.reload()
        except MlxError as error:
            return error
        return None

    def changed(self, name: str, before: Mapping[str, str | None]) -> str | None:
        """Return what of all that decides a stage's result is not as it was when the stage began."""
        now = self._staleness.dependency_hashes(name)
        return next((path for path, known in before.items() if now[path] != known), None)
