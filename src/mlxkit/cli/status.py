"""`mlx status`: what is out of date, and because of what."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxkit.cli.options import Session, command
from mlxkit.errors import Exit, Refused
from mlxkit.output import seconds

if TYPE_CHECKING:
    from mlxkit.output import Style
    from mlxkit.pipeline.jobs import JobRecord
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

        Needs neither the data nor a network. Jobs on other machines that were sent from here, and are not
        home yet, stand beside their stages. Example: mlx status --check
        """
        from mlxkit.pipeline.jobs import Jobs
        from mlxkit.pipeline.staleness import Staleness
        from mlxkit.project.load import load

        project = load(session.root)
        states = Staleness(project).check_all(tuple(stages or ()))
        under_way = Jobs(project).open()
        document = {"stages": [_document(state, under_way) for state in states]}
        stale = sum(s.state != "fresh" for s in states)
        refused = Refused(f"{stale} of {len(states)} stages are stale", hint="run `mlx run`")
        error = refused if check and stale else None
        session.output.answer(
            document,
            lambda: _lines(session, states, under_way),
            error=error,
            outputs={"stale": str(stale)},
        )
        return Exit.OK if error is None else Exit.REFUSED


def _document(state: StageState, under_way: list[JobRecord]) -> dict[str, Any]:
    jobs = [
        {"id": job.id, "target": job.target, "submitted": job.submitted}
        for job in under_way
        if job.stage == state.name
    ]
    told = {"name": state.name, "state": state.state, "reasons": list(state.reasons)}
    return {**told, "jobs": jobs} if jobs else told


def _lines(session: Session, states: list[StageState], under_way: list[JobRecord]) -> list[str]:
    out = session.output
    rows = []
    for state in states:
        colour: Style = "green" if state.state == "fresh" else "yellow"
        reasons = "; ".join(state.reasons)
        if state.state == "fresh" and state.missing:
            reasons = f"not here: {', '.join(state.missing)}"
        sent = [
            f"on {job.target} as {job.id} since {seconds(max(0.0, time.time() - job.submitted))}"
            for job in under_way
            if job.stage == state.name
        ]
        reasons = " · ".join(filter(None, [reasons, *sent]))
        rows.append([state.name, out.style(state.state, colour), reasons])
    stale = sum(s.state != "fresh" for s in states)
    verdict = f"{stale} of {len(states)} stages to run: mlx run" if stale else "everything is up to date"
    if not stale and any(state.missing for state in states):
        verdict += "; `mlx run` brings back what is not here"
    shown = {state.name for state in states}
    if waiting := [job.id for job in under_way if job.stage in shown]:
        verdict += f"; `mlx jobs attach {waiting[0]}` brings home what is on its way"
    return [*out.table(["stage", "state", "because"], rows), "", verdict]
