"""`mlx jobs`: the jobs on other machines."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxkit.cli.options import Env, Session, command
from mlxkit.cli.run_ import answer_run
from mlxkit.output import seconds

if TYPE_CHECKING:
    from mlxkit.output import Style
    from mlxkit.pipeline.jobs import JobRecord
    from mlxkit.pipeline.remote_jobs import JobState
    from mlxkit.project.models import Project

Job = Annotated[
    str | None, typer.Argument(metavar="[JOB]", help="Name of a job, or its beginning; else the open one.")
]
_COLOURS: dict[str, Style] = {
    "running": "cyan",
    "ended": "green",
    "failed": "red",
    "lost": "red",
    "cancelled": "yellow",
    "unknown": "yellow",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    jobs = typer.Typer(help="Look after jobs on other machines. Example: mlx jobs list", no_args_is_help=True)
    app.add_typer(jobs, name="jobs")
    _register_looks(jobs)
    _register_ends(jobs)


def _register_looks(jobs: typer.Typer) -> None:
    @command(jobs, "list")
    def list_(session: Session) -> None:
        """List the jobs that were sent from here.

        The newest is first, and each is shown as its machine sees it now.
        Example: mlx jobs list
        """
        from mlxkit.pipeline.remote_jobs import overview

        found = overview(_project(session))
        session.output.answer({"jobs": [_document(one) for one in found]}, lambda: _lines(session, found))

    @command(jobs)
    def logs(
        session: Session,
        job: Job = None,
        follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it ends.")] = False,
    ) -> None:
        """Print what a job has said.

        Example: mlx jobs logs -f
        """
        from mlxkit.pipeline.remote_jobs import log_of, wanted

        project = _project(session)
        record = wanted(project, job)
        said = log_of(project, record, follow=follow)
        if session.output.mode == "json":
            text = b"".join(said).decode("utf-8", "replace")
            session.output.answer({"job": record.id, "log": text}, lambda: [])
            return
        for chunk in said:
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()


def _register_ends(jobs: typer.Typer) -> None:
    @command(jobs)
    def attach(session: Session, job: Job = None, env: Env = None) -> int:
        """Wait for a job, and bring home what it makes.

        Example: mlx jobs attach
        """
        return _attach(session, job, env)

    @command(jobs)
    def fetch(session: Session, job: Job = None, env: Env = None) -> int:
        """Bring home what a job has made that has ended.

        Example: mlx jobs fetch
        """
        from mlxkit.errors import UsageError
        from mlxkit.pipeline.remote_jobs import overview, wanted

        project = _project(session)
        record = wanted(project, job)
        state = next((one.state for one in overview(project) if one.job.id == record.id), "")
        if state == "running":
            raise UsageError(
                f"the job '{record.id}' has not ended yet", hint=f"run `mlx jobs attach {record.id}`"
            )
        return _attach(session, record.id, env)

    @command(jobs)
    def cancel(
        session: Session,
        job: Job = None,
        now: Annotated[bool, typer.Option("--now", help="By force, without ten seconds of grace.")] = False,
        env: Env = None,
    ) -> None:
        """End a job and every process that it started.

        Example: mlx jobs cancel --now
        """
        from mlxkit.pipeline.remote_jobs import cancel as end
        from mlxkit.pipeline.remote_jobs import wanted

        project = _project(session)
        record = wanted(project, job)
        killed = end(project, record, now=now, environment=env)
        session.output.answer({"job": record.id, "killed": killed}, lambda: [f"cancelled {record.id}"])


def _attach(session: Session, job: str | None, env: str | None) -> int:
    from mlxkit.errors import UsageError
    from mlxkit.pipeline.remote_jobs import wanted
    from mlxkit.pipeline.run_result import Options

    record: JobRecord = wanted(_project(session), job)
    if record.state != "open":
        raise UsageError(f"the job '{record.id}' is not open any more: it is {record.state}")
    return answer_run(session, Options((record.stage,), on=record.target, job=record.id, environment=env))


def _project(session: Session) -> Project:
    from mlxkit.project.load import load

    return load(session.root)


def _document(found: JobState) -> dict[str, Any]:
    job = asdict(found.job)
    kept = {name: job[name] for name in ("id", "target", "stage", "submitted")}
    return {**kept, "state": found.state, "text": found.text, "seconds": round(found.seconds, 1)}


def _lines(session: Session, found: list[JobState]) -> list[str]:
    if not found:
        return ["no job was sent from here yet: mlx train --on TARGET"]
    out = session.output
    rows = [
        [
            one.job.id,
            one.job.stage,
            one.job.target,
            out.style(one.state, _COLOURS.get(one.state, "dim")),
            seconds(one.seconds) if one.seconds else "",
            one.text,
        ]
        for one in found
    ]
    return out.table(["job", "stage", "target", "state", "time", ""], rows, right=(4,))
