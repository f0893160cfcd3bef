"""`mlx compare`: two models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxkit.cli.options import NAMES, Env, Session, command
from mlxkit.errors import UsageError

if TYPE_CHECKING:
    from mlxkit.project.models import Environment, Project
    from mlxkit.registry.named_model import NamedModel


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def compare(
        session: Session,
        first: Annotated[
            str | None,
            typer.Argument(metavar="[A]", help=f"One model: {NAMES}. Default: the environment's champion."),
        ] = None,
        second: Annotated[
            str | None,
            typer.Argument(metavar="[B]", help=f"The other: {NAMES}. Default: the one in the workspace."),
        ] = None,
        report: Annotated[
            Path | None, typer.Option(metavar="FILE.html", help="Write it as one HTML page too.")
        ] = None,
        env: Env = None,
    ) -> None:
        """Compare two models on the same rows, and what they were made of.

        Models are named like @production, churn/3, 3, or by a run. Example: mlx compare @production 3
        """
        from mlxkit.cli.compare_lines import lines_of
        from mlxkit.project.load import load
        from mlxkit.registry.compare import compare as compare_models
        from mlxkit.registry.workspace import environment_of

        project = load(session.root)
        environment = environment_of(project, env)
        one, other = _both(project, first, second, environment)
        found = compare_models(project, one, other)
        if report is not None:
            from mlxkit.registry.compare_page import write_page

            write_page(found, report, name=project.name)
        document = found.to_json() | {"report": None if report is None else str(report)}
        session.output.answer(document, lambda: lines_of(session.output, found, report))


def _both(
    project: Project, first: str | None, second: str | None, environment: Environment
) -> tuple[NamedModel, NamedModel]:
    from mlxkit.registry.references import champion_model, find_model, workspace_model

    if first is None:
        one = champion_model(project, environment=environment)
        if one is None:
            raise UsageError(
                f"'{environment.name}' has no champion yet to compare with",
                hint=f"run `mlx promote --to {environment.name}`, or name two models: `mlx compare A B`",
            )
    else:
        one = find_model(project, first, environment=environment)
    if second is None:
        return one, workspace_model(project, environment=environment)
    return one, find_model(project, second, environment=environment)
