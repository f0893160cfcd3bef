"""`mlx run`, `mlx train`, `mlx evaluate`: bring stages up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxkit.cli.options import Env, Session, command
from mlxkit.cli.results import metric_lines
from mlxkit.output import seconds, size

if TYPE_CHECKING:
    from pathlib import Path

    from mlxkit.output import Style
    from mlxkit.pipeline.run_result import Options, RunResult

Set = Annotated[
    list[str] | None,
    typer.Option("--set", "-S", metavar="KEY=VALUE", help="Write a value into params.yaml first."),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Run even what is fresh.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would run, and change nothing.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Stages to run at the same time, on each machine.")]
On = Annotated[
    str | None, typer.Option(metavar="TARGET", help="Where to run the named stages, else `train`.")
]
Retries = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="Tries again after a failure. Default: mlx.yaml's."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the output of the stages.")]

_WORTH_SECONDS = 0.1
_COLOURS: dict[str, Style] = {
    "ran": "green",
    "restored": "cyan",
    "fresh": "dim",
    "failed": "red",
    "skipped": "yellow",
    "away": "cyan",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @command(app)
    def run(
        session: Session,
        stages: Annotated[
            list[str] | None, typer.Argument(help="Stages to bring up to date; default all.")
        ] = None,
        settings: Set = None,
        force: Force = False,
        dry_run: DryRun = False,
        jobs: Jobs = 2,
        env: Env = None,
        on: On = None,
        retries: Retries = None,
        verbose: Verbose = False,
    ) -> int:
        """Run what is out of date, and record it in MLflow.

        With stages named, those and what they read from.
        Example: mlx run train --set model.learning_rate=0.05
        """
        from mlxkit.pipeline.run_result import Options

        options = Options(
            tuple(stages or ()),
            tuple(settings or ()),
            force,
            dry_run,
            jobs,
            env,
            on,
            verbose,
            retries=retries,
        )
        return answer_run(session, options)

    @command(app)
    def train(
        session: Session,
        settings: Set = None,
        force: Force = False,
        dry_run: DryRun = False,
        jobs: Jobs = 2,
        env: Env = None,
        on: On = None,
        verbose: Verbose = False,
    ) -> int:
        """Run everything up to the train stage: `mlx run train`.

        Example: mlx train --force
        """
        return _run(session, _of_kind(session, "train"), settings, force, dry_run, jobs, env, on, verbose)

    @command(app)
    def evaluate(
        session: Session,
        settings: Set = None,
        force: Force = False,
        dry_run: DryRun = False,
        jobs: Jobs = 2,
        env: Env = None,
        on: On = None,
        verbose: Verbose = False,
    ) -> int:
        """Run everything up to the evaluate stage: `mlx run evaluate`.

        Example: mlx evaluate --json
        """
        return _run(session, _of_kind(session, "evaluate"), settings, force, dry_run, jobs, env, on, verbose)


def _of_kind(session: Session, kind: str) -> tuple[str, ...]:
    from mlxkit.errors import UsageError
    from mlxkit.project.load import load

    names = tuple(stage.name for stage in load(session.root).stages.values() if stage.kind == kind)
    if not names:
        raise UsageError(f"mlx.yaml has no stage of kind '{kind}'", hint=f"add `{kind}:` below `stages:`")
    return names


def _run(
    session: Session,
    stages: tuple[str, ...],
    settings: list[str] | None,
    force: bool,
    dry_run: bool,
    jobs: int,
    env: str | None,
    on: str | None,
    verbose: bool,
) -> int:
    from mlxkit.pipeline.run_result import Options

    return answer_run(session, Options(stages, tuple(settings or ()), force, dry_run, jobs, env, on, verbose))


def answer_run(session: Session, options: Options) -> int:
    """Run, and say what came of it."""
    from mlxkit.cli.progress import Progress
    from mlxkit.pipeline.run import run

    root = session.root
    with Progress(session.output, verbose=options.verbose) as progress:
        result = run(root, options, progress, leaves=progress.ask_to_leave)
    session.output.answer(
        _document(result, options.dry_run),
        lambda: _lines(session, result, options.dry_run),
        error=result.error,
        outputs={"run_id": result.run_id or ""},
        markdown=lambda: _markdown(root, result, options.dry_run),
    )
    if result.error is not None:
        raise result.error
    return 0


def _markdown(root: Path, result: RunResult, dry_run: bool) -> str:
    from mlxkit.cli.step_summary import of_run
    from mlxkit.pipeline.evaluation_report import facts_here
    from mlxkit.project.load import load

    found = facts_here(load(root)) if result.error is None and not dry_run else None
    return of_run(result, found, dry_run=dry_run)


def _document(result: RunResult, dry_run: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "run_id": result.run_id,
        "git_commit": result.git_commit,
        "dirty": result.dirty,
        "environment": result.environment,
        "stages": [
            {
                "name": stage.name,
                "status": stage.status,
                "seconds": round(stage.seconds, 3),
                "reasons": list(stage.reasons),
                "log": stage.log,
                "max_memory": stage.max_memory,
            }
            for stage in result.stages
        ],
        "metrics": dict(result.metrics),
        "intervals": {name: list(pair) for name, pair in result.intervals.items()},
        "champion": result.champion,
        "report": result.report,
        "seconds": round(result.seconds, 3),
        "saved_seconds": round(result.saved_seconds, 3),
    }
    return {**document, "dry_run": True} if dry_run else document


def _lines(session: Session, result: RunResult, dry_run: bool) -> list[str]:
    out = session.output
    if not dry_run and result.error is None and all(stage.status == "fresh" for stage in result.stages):
        done = f"everything is up to date ({seconds(result.seconds)}{_saved(result)}){_record(result)}"
        return [done, *metric_lines(out, result)]
    words = {"skipped": "would run"} if dry_run else {}
    rows = [
        [
            stage.name,
            out.style(words.get(stage.status, stage.status), _COLOURS[stage.status]),
            seconds(stage.seconds) if stage.seconds else "",
            size(stage.max_memory) if stage.max_memory else "",
            "; ".join(stage.reasons),
        ]
        for stage in result.stages
    ]
    lines = out.table(["stage", "status", "time", "memory", "because"], rows, right=(2, 3))
    if dry_run or result.error is not None:
        return lines
    total = f"done in {seconds(result.seconds)}{_saved(result)}{_record(result)}"
    metrics = metric_lines(out, result)
    next_step = ["next: mlx promote"] if metrics and result.run_id else []
    return [*lines, "", total, *metrics, *next_step]


def _saved(result: RunResult) -> str:
    """Say what it would have taken to run everything, where that is worth a word."""
    return f", {seconds(result.saved_seconds)} saved" if result.saved_seconds >= _WORTH_SECONDS else ""


def _record(result: RunResult) -> str:
    """Say which run was recorded, if one was."""
    if not result.recorded or result.run_id is None:
        return ""
    return f", recorded as run {result.run_id[:8]}" + (" (uncommitted changes)" if result.dirty else "")
