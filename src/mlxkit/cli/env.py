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

        Of that one, each value is shown with where it comes from.

        Example: MLX_ENV=staging mlx env
        """
        from mlxkit.adapters import git
        from mlxkit.project.environments import choose
        from mlxkit.project.load import load

        project = load(session.root)
        chosen = choose(project, env, branch=git.branch(project.root))
        out, headers = session.output, ["environment", "in use", "store", "requires", "branch", "takes"]
        settings = _settings(project, chosen.environment)
        out.answer(
            {**_document(project, chosen), "settings": settings},
            lambda: [
                *out.table(headers, _rows(project, chosen.environment)),
                "",
                f"in use: {chosen.environment.name} ({chosen.source})",
                "",
                *out.table(
                    ["setting", "from", "value"],
                    [[name, each["from"], _shown(each["value"])] for name, each in settings.items()],
                ),
            ],
        )


def _settings(project: Project, environment: Environment) -> dict[str, dict[str, Any]]:
    """Return each value of an environment, and what says so."""
    from mlxkit.adapters.mlflow_errors import without_password
    from mlxkit.adapters.mlflow_store import TRACKING_VARIABLE
    from mlxkit.project.environments import is_strict

    own, variable = "mlx.yaml", os.environ.get(TRACKING_VARIABLE)
    strict = is_strict(project, environment)
    gates = f"{len(project.gates)} of promote, {len(environment.gates)} of its own"
    return {
        "tracking": _setting(environment.tracking, own)
        or _setting(without_password(variable or ""), TRACKING_VARIABLE)
        or {"value": "sqlite:///mlflow.db", "from": "default"},
        "registry": _setting(environment.registry, own) or {"value": None, "from": "tracking"},
        "requires": _setting(environment.requires, own) or {"value": None, "from": "default"},
        "branch": _setting(environment.branch, own) or {"value": None, "from": "default"},
        "remote": _setting(environment.remote, own) or {"value": "default", "from": "DVC"},
        "target": _setting(environment.target, own) or {"value": None, "from": "stage"},
        "approvers": _setting(list(environment.approvers), own) or {"value": [], "from": "default"},
        "gates": {"value": gates, "from": own},
        "committed": {"value": strict, "from": "order in mlx.yaml"},
        "pushed": {"value": strict and environment.pushed, "from": "default" if environment.pushed else own},
    }


def _setting(value: Any, source: str) -> dict[str, Any] | None:
    return {"value": value, "from": source} if value else None


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "must be" if value else "need not be"
    return (", ".join(value) if isinstance(value, list) else str(value or "")) or "-"


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
