"""`mlx runs`: what was trained, newest first."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxkit.cli.options import Env, Session, command
from mlxkit.output import number, seconds

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_runs import Run


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def runs(
        session: Session,
        run: Annotated[
            str | None, typer.Argument(metavar="[RUN]", help="One run, in full: id or start of it.")
        ] = None,
        limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many to list.")] = 20,
        env: Env = None,
    ) -> None:
        """List the recorded runs with their main metrics, or show one in full.

        Example: mlx runs -n 5
        """
        from mlxkit.adapters import mlflow_runs
        from mlxkit.project.load import load
        from mlxkit.registry.workspace import environment_of, store_of

        project = load(session.root)
        store = store_of(project, environment_of(project, env))
        if run is not None:
            one = mlflow_runs.find_run(store, project.name, run)
            session.output.answer(_document(one), lambda: _details(session, one))
            return
        found = mlflow_runs.find_runs(store, project.name, limit=limit)
        wanted = list(dict.fromkeys(gate.metric for gate in project.gates))
        session.output.answer({"runs": [_document(r) for r in found]}, lambda: _lines(session, found, wanted))


def _document(run: Run) -> dict[str, Any]:
    return {**asdict(run), "started": run.started.isoformat()}


def _lines(session: Session, found: tuple[Run, ...], wanted: list[str]) -> list[str]:
    if not found:
        return ["there are no runs yet: mlx run"]
    out = session.output
    known = [name for name in wanted if any(name in run.metrics for run in found)]
    metrics = known or sorted({name for run in found for name in run.metrics if "." not in name})[:3]
    rows = [
        [
            run.id[:8],
            run.started.astimezone().strftime("%Y-%m-%d %H:%M"),
            run.status.lower(),
            seconds(run.seconds) if run.seconds is not None else "",
            *(number(run.metrics[name]) if name in run.metrics else "" for name in metrics),
            (run.commit or "")[:7] + (" + changes" if run.dirty else ""),
        ]
        for run in found
    ]
    right = tuple(range(3, 4 + len(metrics)))
    return out.table(["run", "started", "status", "time", *metrics, "commit"], rows, right=right)


def _details(session: Session, run: Run) -> list[str]:
    sections = {
        "metrics": {name: number(value) for name, value in sorted(run.metrics.items())},
        "parameters": dict(sorted(run.params.items())),
        "seconds per stage": {name: number(value) for name, value in sorted(run.stage_seconds.items())},
        "tags": dict(sorted(run.tags.items())),
    }
    lines = [f"run {run.id}: {run.status.lower()}, {run.started.astimezone():%Y-%m-%d %H:%M}"]
    for title, values in sections.items():
        if values:
            lines += ["", *session.output.table([title, ""], [list(item) for item in values.items()])]
    return lines
