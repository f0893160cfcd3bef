"""`mlx models`: the versions of the registered model, and which environment has which."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlxkit.cli.options import Env, Session, command

if TYPE_CHECKING:
    import typer

    from mlxkit.adapters.mlflow_registry import Version


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def models(session: Session, env: Env = None) -> None:
        """List the registered versions of the model, newest first.

        Example: mlx models --json
        """
        from mlxkit.adapters import mlflow_registry
        from mlxkit.project.load import load
        from mlxkit.registry.stores import store_of
        from mlxkit.registry.workspace import environment_of

        project = load(session.root)
        store = store_of(project, environment_of(project, env))
        found = mlflow_registry.versions(store, project.name)
        document = {"model": project.name, "versions": [_document(version) for version in found]}
        session.output.answer(document, lambda: _lines(session, found))


def _document(version: Version) -> dict[str, Any]:
    return {**asdict(version), "created": version.created.isoformat()}


def _lines(session: Session, found: tuple[Version, ...]) -> list[str]:
    if not found:
        return ["no model is registered yet: mlx promote"]
    out = session.output
    rows = [
        [
            version.version,
            out.style(" ".join(f"@{alias}" for alias in version.aliases), "green"),
            version.created.astimezone().strftime("%Y-%m-%d %H:%M"),
            (version.run_id or "")[:8],
            version.tags.get("mlx.commit", "")[:7],
            version.tags.get("mlx.promoted_by", ""),
        ]
        for version in found
    ]
    return out.table(["version", "environments", "registered", "run", "commit", "by"], rows)
