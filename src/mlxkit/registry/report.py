"""`mlx report`: the model in the workspace, as somebody who is to merge it wants to read of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import forge
from mlxkit.errors import MlxError, Refused
from mlxkit.pipeline.evaluation_report import facts_here
from mlxkit.registry.compare import compare
from mlxkit.registry.references import champion_model, workspace_model
from mlxkit.registry.workspace import environment_of, promote_from_workspace

if TYPE_CHECKING:
    from mlxkit.evaluation.facts import Evaluation
    from mlxkit.project.models import Project
    from mlxkit.registry.comparison import ModelComparison
    from mlxkit.registry.named_model import NamedModel
    from mlxkit.registry.promotion import Promotion


@dataclass(frozen=True)
class ModelReport:
    """What there is to say of the model in the workspace before it is promoted.

    Attributes:
        environment: whose champion it is compared with, and whose gates judge it.
        compared: with the champion, which is the first of the two; None while there is none.
        judged: what the gates say; None where they were not asked, or could not be.
        not_judged: why they could not be asked.
        evaluation: what the model's own evaluation found, where that is here.
    """

    project: str
    environment: str
    model: NamedModel
    compared: ModelComparison | None
    judged: Promotion | None
    not_judged: MlxError | None = None
    evaluation: Evaluation | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the document of `mlx report --json`."""
        return {
            "environment": self.environment,
            "run_id": self.model.run_id,
            "commit": self.model.run.commit if self.model.run else None,
            "metrics": dict(self.model.run.metrics) if self.model.run else {},
            "comparison": self.compared.to_json() if self.compared else None,
            "gates": self.judged.to_json()["gates"] if self.judged else None,
            "passed": self.judged.passed if self.judged else None,
            "not_judged": self.not_judged.message if self.not_judged else None,
        }


def report(project: Project, *, environment: str | None = None, gates: bool = True) -> ModelReport:
    """Compare the model in the workspace with an environment's champion, and ask the environment's gates.

    Raises:
        UsageError: nothing was trained here, or there is no such environment.
    """
    chosen = environment_of(project, environment)
    model = workspace_model(project, environment=chosen)
    champion = champion_model(project, environment=chosen)
    judged, problem = _judge(project, chosen.name, model.run_id) if gates else (None, None)
    return ModelReport(
        project.name,
        chosen.name,
        model,
        None if champion is None else compare(project, champion, model),
        judged,
        problem,
        facts_here(project),
    )


@dataclass(frozen=True)
class Told:
    """Where a report was written; `posted` is None where a fork may not, or where there is a problem."""

    posted: forge.Posted | None
    problem: MlxError | None = None


def post_comment(found: ModelReport, text: str) -> Told:
    """Write a report on the pull request of this job, as the one comment."""
    if forge.comes_from_a_fork():
        return Told(None)
    try:
        place = forge.forge_of_job()
        return Told(place.comment(place.request_of_job(), _mark(found), text))
    except MlxError as error:
        return Told(None, error)


def post_request(found: ModelReport, text: str, *, branch: str, base: str) -> Told:
    """Open a pull request with a report, or bring the text of the open one up to date."""
    title = f"Train {found.project}: run {(found.model.run_id or '')[:8]}"
    try:
        return Told(forge.forge_of_job().open_request(branch, base, title, text))
    except MlxError as error:
        return Told(None, error)


def _mark(found: ModelReport) -> str:
    return f"<!-- mlx report: {found.project} {found.environment} -->"


def _judge(project: Project, environment: str, run_id: str | None) -> tuple[Promotion | None, Refused | None]:
    """Ask the gates; a model that the environment does not take at all is no reason to report nothing."""
    try:
        return promote_from_workspace(project, to=environment, run_id=run_id, dry_run=True), None
    except Refused as error:
        return None, error
