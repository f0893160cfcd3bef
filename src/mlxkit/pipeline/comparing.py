"""The comparison with the champion as a job of a run, beside the record of the run."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlxkit.targets.base import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.project.models import Project
    from mlxkit.targets.base import Running, Target

_TIMEOUT_SECONDS = 600.0


class Comparing:
    """One comparison under way."""

    def __init__(self, project: Project, target: Target, champion: Mapping[str, Any]) -> None:
        """Begin it; `champion` is what the record answered."""
        job = Job(
            "champion",
            project.state_dir / "logs" / "champion.log",
            call="mlxkit.pipeline.champion_job:compare_with_champion",
            arguments={**champion, "root": str(project.root), "ours": _run_of(project)},
            patient=True,
            timeout=_TIMEOUT_SECONDS,
        )
        self._target = target
        self._running: Running = target.start(job)

    def finish(self) -> dict[str, Any] | None:
        """Wait for its end; returns what the champion did, None where the job failed."""
        while True:
            for _, outcome in self._target.wait([self._running], seconds=1.0):
                return outcome.result if outcome.succeeded else None


def _run_of(project: Project) -> str | None:
    """Return the run that trained the model in the workspace, as its record names it."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = project.root / (project.run_record_path or "")
        return str(json.loads(record.read_text(encoding="utf-8"))["run_id"])
    return None
