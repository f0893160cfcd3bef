"""`mlx status`: what is out of date, and because of what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlxkit.cli.options import Session, command
from mlxkit.errors import Exit, Refused

if TYPE_CHECKING:
    from mlxkit.output import Style
    from mlxkit.pipeline.staleness import StageState


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def status(
        session: Session,
        stages: Annotated[
            list[str] | None, typer.Argument(help="Stages to look at, with what they need.")
        ] = None,
        check: Annotated[bool, typer.Option("--check", help="Exit with 3 when a stage is stale.")] = False,
    ) -> int:
        """Show which stages are fresh, and why the others are not.

        Needs neither the data nor a network. Example: mlx status --check
        """
        from mlxkit.pipeline.staleness import Staleness
        from mlxkit.project.load import load

        states = Staleness(load(session.root)).check_all(tuple(stages or ()))
        document = {
            "stages": [{"name": s.name, "state": s.state, "reasons": list(s.reasons)} for s in states]
        }
        stale = sum(s.state != "fresh" for s in states)
        refused = Refused(f"{stale} of {len(states)} stages are stale", hint="run `mlx run`")
        error = refused if check and stale else None
        session.output.answer(document, lambda: _lines(session, states), error=error)
        return Exit.OK if error is None else Exit.REFUSED


def _lines(session: Session, states: list[StageState]) -> list[str]:
    out = session.output
    rows = []
    for state in states:
        colour: Style = "green" if state.state == "fresh" else "yellow"
        reasons = "; ".join(state.reasons)
        if state.state == "fresh" and state.missing:
            reasons = f"not here: {', '.join(state.missing)}"
        rows.append([state.name, out.style(state.state, colour), reasons])
    stale = sum(s.state != "fresh" for s in states)
    verdict = f"{stale} of {len(states)} stages to run: mlx run" if stale else "everything is up to date"
    if not stale and any(state.missing for state in states):
        verdict += "; `mlx run` brings back what is not here"
    return [*out.table(["stage", "state", "because"], rows), "", verdict]
