"""`mlx env`: the environments, and which one this command line is in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mlxkit.cli.options import Env, Session, command

if TYPE_CHECKING:
    import typer

    from mlxkit.project.environments import Chosen
    from mlxkit.project.models import Environment, Project


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def env(session: Session, env: Env = None) -> None:
        """Show the environments, and which one is in use and why.

        Example: MLX_ENV=staging mlx env
        """
        from mlxkit.adapters import git
        from mlxkit.project.environments import choose
        from mlxkit.project.load import load

        project = load(session.root)
        chosen = choose(project, env, branch=git.branch(project.root))
        rows = _rows(project, chosen.environment)
        headers = ["environment", "in use", "store", "requires", "branch", "takes"]
        session.output.answer(
            _document(project, chosen),
            lambda: [
                *session.output.table(headers, rows),
                "",
                f"in use: {chosen.environment.name} ({chosen.source})",
            ],
        )


def _document(project: Project, chosen: Chosen) -> dict[str, Any]:
    from mlxkit.project.environments import is_strict

    return {
        "environment": chosen.environment.name,
        "source": chosen.source,
        "environments": {
            e.name: {
                "tracking": e.tracking,
                "requires": e.requires,
                "branch": e.branch,
                "strict": is_strict(project, e),
            }
            for e in project.environments.values()
        },
    }


def _rows(project: Project, chosen: Environment) -> list[list[str]]:
    from mlxkit.adapters.mlflow_store import TRACKING_VARIABLE
    from mlxkit.project.environments import is_strict

    unnamed = TRACKING_VARIABLE if os.environ.get(TRACKING_VARIABLE) else "in the project"
    return [
        [
            e.name,
            "*" if e.name == chosen.name else "",
            e.tracking or unnamed,
            e.requires or "",
            e.branch or "",
            "committed only" if is_strict(project, e) else "anything",
        ]
        for e in project.environments.values()
    ]
