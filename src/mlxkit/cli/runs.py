"""`mlx runs`: what was trained, newest first."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxkit.cli.options import Env, Session, command
from mlxkit.output import number, seconds

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_runs import Run
    from mlxkit.pipeline.sync import Synced
    from mlxkit.project.models import Environment, Project


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def runs(
        session: Session,
        run: Annotated[
            str | None,
            typer.Argument(
                metavar="[RUN|sync]",
                help="One run, in full: id or start of it; `sync` records those that wait.",
            ),
        ] = None,
        limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many to list.")] = 20,
        env: Env = None,
    ) -> None:
        """List the recorded runs, show one, or record those that wait.

        A run waits when its store did not answer; it is kept in .mlx/unrecorded until `mlx runs sync`.

        Example: mlx runs -n 5
        """
        from mlxkit.adapters import mlflow_copy, mlflow_runs, mlflow_store
        from mlxkit.project.gates import metrics_named
        from mlxkit.project.load import load
        from mlxkit.registry.stores import store_of
        from mlxkit.registry.workspace import environment_of

        project = load(session.root)
        environment = environment_of(project, env)
        if run == "sync":
            _sync(session, project, environment)
            return
        store = store_of(project, environment)
        if run is not None:
            one = mlflow_runs.find_run(store, project.name, run)
            session.output.answer(_document(one), lambda: _details(session, one))
            return
        found = mlflow_runs.find_runs(store, project.name, limit=limit)
        waiting = mlflow_copy.count(mlflow_store.unrecorded(project.root))
        wanted = metrics_named(project.gates)
        session.output.answer(
            {"runs": [_document(r) for r in found], "waiting": waiting},
            lambda: [*_lines(session, found, wanted), *_waiting_lines(waiting)],
        )


def _sync(session: Session, project: Project, environment: Environment) -> None:
    from mlxkit.cli.progress import Progress
    from mlxkit.pipeline.sync import sync

    with Progress(session.output, verbose=False) as progress:
        done = sync(project, environment, progress)
    session.output.answer(
        {"synced": list(done.run_ids), "waiting": done.waiting},
        lambda: [*_synced_lines(done), *_waiting_lines(done.waiting)],
    )


def _synced_lines(done: Synced) -> list[str]:
    if not done.run_ids:
        return ["no run waits to be recorded here"]
    return [f"recorded as run {run_id[:8]}" for run_id in done.run_ids]


def _waiting_lines(waiting: int) -> list[str]:
    if not waiting:
        return []
    runs = "1 run waits" if waiting == 1 else f"{waiting} runs wait"
    return ["", f"{runs} to be recorded, since the store did not answer: mlx runs sync"]


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
        "peak MiB per stage": {name: number(value) for name, value in sorted(run.stage_memory_mb.items())},
        "tags": dict(sorted(run.tags.items())),
    }
    lines = [f"run {run.id}: {run.status.lower()}, {run.started.astimezone():%Y-%m-%d %H:%M}"]
    for title, values in sections.items():
        if values:
            lines += ["", *session.output.table([title, ""], [list(item) for item in values.items()])]
    return lines
