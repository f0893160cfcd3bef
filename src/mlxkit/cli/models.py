"""`mlx models`: the versions of the registered model, which environment has which, and those nobody needs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mlxkit.cli.options import Env, Session, command

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Project
    from mlxkit.registry.prune import Pruned


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def models(
        session: Session,
        action: Annotated[
            Literal["prune"] | None,
            typer.Argument(metavar="[prune]", help="Delete versions that were never promoted."),
        ] = None,
        older_than: Annotated[
            float, typer.Option("--older-than", metavar="DAYS", min=0, help="With prune: only older ones.")
        ] = 30.0,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", "-n", help="With prune: show, and delete nothing.")
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="With prune: do not ask.")] = False,
        env: Env = None,
    ) -> None:
        """List the registered versions of the model, or prune them.

        `prune` never deletes what an environment has or had, or what waits for approval.

        Example: mlx models prune --older-than 90
        """
        from mlxkit.adapters import mlflow_registry
        from mlxkit.project.load import load
        from mlxkit.registry.stores import store_of
        from mlxkit.registry.workspace import environment_of

        project = load(session.root)
        store = store_of(project, environment_of(project, env))
        if action == "prune":
            _prune(session, project, store, older_than, dry_run=dry_run, yes=yes)
            return
        found = mlflow_registry.versions(store, project.name)
        document = {"model": project.name, "versions": [_document(version) for version in found]}
        session.output.answer(document, lambda: _lines(session, found))


def _prune(
    session: Session, project: Project, store: Store, days: float, *, dry_run: bool, yes: bool
) -> None:
    from mlxkit.registry.prune import prune

    found = prune(project, store, older_than_days=days, dry_run=True)
    out, deletes = session.output, yes
    if found.deleted and not (dry_run or yes):
        if out.can_ask:
            numbers = ", ".join(version.version for version in found.deleted)
            deletes = out.ask(f"delete {len(found.deleted)} of the versions, {numbers}?")
        else:
            says = f"mlx models prune --yes --older-than {days:g}"
            out.note(f"nothing was deleted: there is no terminal to ask on, so say `{says}`")
    if deletes and not dry_run:
        found = prune(project, store, older_than_days=days)
    document = {
        "deleted": [version.version for version in found.deleted],
        "kept": [{"version": version.version, "because": reason} for version, reason in found.kept],
        "dry_run": dry_run or not deletes,
    }
    out.answer(document, lambda: _pruned_lines(session, found, dry_run=dry_run or not deletes))


def _pruned_lines(session: Session, found: Pruned, *, dry_run: bool) -> list[str]:
    word = "would be deleted" if dry_run else "deleted"
    rows = [[version.version, session.output.style(word, "red")] for version in found.deleted]
    rows += [[version.version, f"stays: {reason}"] for version, reason in found.kept]
    return session.output.table(["version", "what"], rows) if rows else ["no model is registered yet"]


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
