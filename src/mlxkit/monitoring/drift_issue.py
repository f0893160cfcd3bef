"""One issue about drift on GitHub or GitLab: open while there is drift, closed when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.adapters import forge

if TYPE_CHECKING:
    from mlxkit.evaluation.drift import DriftReport
    from mlxkit.project.models import Project

LABEL = "drift"


def tell_issue(project: Project, found: DriftReport, text: str) -> forge.Posted | None:
    """Open the project's issue about drift, bring it up to date, or close it; None where nothing is to do.

    A check that cannot tell leaves the issue as it is.

    Raises:
        UsageError: this is no job of a forge.
        ToolError: the forge refuses, or is away.
    """
    place = forge.forge_of_job()
    mark = f"<!-- mlx drift: {project.name} -->"
    if found.verdict == "drift":
        return place.open_issue(mark, LABEL, f"Drift in the data of {project.name}", text)
    if found.verdict == "none":
        return place.close_issue(mark, LABEL, f"The drift is over.\n\n{text}")
    return None
