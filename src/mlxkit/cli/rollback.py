"""`mlx rollback`: give an environment the model that it had before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlxkit.cli.options import Env, Session, command

if TYPE_CHECKING:
    from mlxkit.registry.rollback import Rollback


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def rollback(
        session: Session,
        to: Annotated[
            str | None, typer.Option(metavar="VERSION", help="Version; else the one before the current one.")
        ] = None,
        reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the record.")] = "",
        env: Env = None,
    ) -> None:
        """Give an environment the model that it had before.

        That one is loaded and predicts some rows before anything changes. A record is written as for a
        promotion.

        Example: mlx rollback --env production --reason 'prices doubled'
        """
        from mlxkit.project.load import load
        from mlxkit.registry.workspace import roll_back_in_workspace

        done = roll_back_in_workspace(load(session.root), environment=env, to=to, reason=reason)
        outputs = {"rolled_back": str(done.rolled_back).lower(), "version": done.version}
        session.output.answer(done.to_json(), lambda: _lines(session, done), outputs=outputs)
        for hint in done.hints:
            session.output.warn(hint)


def _lines(session: Session, done: Rollback) -> list[str]:
    if done.note:
        return [done.note]
    name = session.output.style(f"{done.model}@{done.environment}", "bold")
    tried = (
        f"it predicted {done.tried} rows" if done.tried else "it was loaded; there were no rows to try it on"
    )
    return [f"{name} is version {done.version} again, after version {done.before or '-'}; {tried}"]
