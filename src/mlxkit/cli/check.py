"""`mlx check`: is mlx.yaml valid, and dvc.yaml in step with it."""

from __future__ import annotations

from typing import Annotated

import typer

from mlxkit.cli.options import Session, command
from mlxkit.errors import Refused


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def check(
        session: Session,
        fix: Annotated[bool, typer.Option("--fix", help="Write dvc.yaml anew.")] = False,
    ) -> None:
        """Check mlx.yaml, params.yaml, and that dvc.yaml is in step.

        Reports every problem at once, with line and column. Example: mlx check --fix
        """
        from mlxkit.pipeline import dvc_yaml
        from mlxkit.project.load import load

        project = load(session.root)
        text = dvc_yaml.text_of(project)
        dvc_yaml.refuse_foreign(project)
        dvc_yaml.refuse_outputs_in_git(project, project.stages)
        fixed = fix and dvc_yaml.write(project, text)
        in_step = dvc_yaml.in_step(project, text)
        error = (
            None
            if in_step
            else Refused("dvc.yaml is not in step with mlx.yaml", hint="run `mlx check --fix`")
        )
        document = {"valid": True, "in_step": in_step, "fixed": fixed, "stages": list(project.stages)}
        verdict = "mlx.yaml is valid" + (
            "; wrote dvc.yaml" if fixed else ", and dvc.yaml in step" if in_step else ""
        )
        session.output.answer(document, lambda: [verdict], error=error)
        if error is not None:
            raise error
