"""One issue about drift on GitHub or GitLab: open while there is drift, closed when it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.adapters import forge
from mlxkit.errors import MlxError

if TYPE_CHECKING:
    from mlxkit.evaluation.drift import DriftReport
    from mlxkit.project.models import Project

LABEL = "drift"


@dataclass(frozen=True)
class Told:
    """What became of the issue; `posted` is None where nothing was to do, or where there is a problem."""

    posted: forge.Posted | None
    problem: MlxError | None = None

    def to_json(self) -> dict[str, str | None]:
        """Return it as plain values."""
        return {
            "action": self.posted.action if self.posted else None,
            "url": self.posted.url if self.posted else None,
            "problem": self.problem.message if self.problem else None,
        }


def tell_issue(project: Project, found: DriftReport, text: str) -> Told:
    """Open the project's issue about drift, bring it up to date, or close it.

    A check that cannot tell leaves the issue as it is. A forge that refuses, or is none, hides no verdict.
    """
    try:
        return Told(_posted(forge.forge_of_job(), project, found, text))
    except MlxError as error:
        return Told(None, error)


def _posted(place: forge.Forge, project: Project, found: DriftReport, text: str) -> forge.Posted | None:
    mark = f"<!-- mlx drift: {project.name} -->"
    if found.verdict == "drift":
        return place.open_issue(mark, LABEL, f"Drift in the data of {project.name}", text)
    if found.verdict == "none":
        return place.close_issue(mark, LABEL, f"The drift is over.\n\n{text}")
    return None
