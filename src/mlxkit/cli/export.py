"""`mlx export`: let Airflow, cron or systemd run a project."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxkit.cli.options import Env, Session, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlxkit.pipeline.export.airflow import DagFile
    from mlxkit.project.models import Environment, Project


def register(app: typer.Typer) -> None:
    """Add the commands."""
    export = typer.Typer(
        help="Let a scheduler run the project. Example: mlx export airflow", no_args_is_help=True
    )
    app.add_typer(export, name="export")
    _register_airflow(export)
    _register_cron(export)
    _register_systemd(export)


def _register_airflow(export: typer.Typer) -> None:
    @command(export)
    def airflow(
        session: Session,
        output: Annotated[
            Path | None,
            typer.Option("--output", "-o", metavar="FILE", help="Or a folder. Default: dags/PROJECT.py."),
        ] = None,
        env: Env = None,
    ) -> None:
        """Write a DAG file for Airflow 3: fetch, check, run each stage, and promote if all gates pass.

        It runs when `schedule: train` of mlx.yaml says. `retries`, `timeout` and `pool` of a stage are those
        of its task. Airflow and mlx stay in environments of their own.

        Example: mlx export airflow --output ~/airflow/dags
        """
        from mlxkit.pipeline.export.airflow import SCHEDULER, dag_file, dag_path
        from mlxkit.pipeline.export.job import programs_of
        from mlxkit.pipeline.export.marked import write_marked

        project, environment = _chosen(session, env)
        path = dag_path(project, environment, output)
        found = dag_file(project, environment, programs=programs_of(project.root), path=path)
        write_marked({path: found.text}, SCHEDULER)
        _warn(session, project, environment)
        document = {
            "file": str(path.resolve()),
            "dag": found.dag,
            "environment": environment.name,
            "schedule": project.schedule.train,
            "tasks": list(found.tasks),
            "pools": list(found.pools),
            "variable": found.variable,
        }
        session.output.answer(document, lambda: _dag_lines(project, path, found))


def _register_cron(export: typer.Typer) -> None:
    @command(export)
    def cron(session: Session, env: Env = None) -> None:
        """Print a line for the crontab for each job of `schedule:` in mlx.yaml.

        Each line ends with a mark: `(crontab -l | grep -v '# mlx churn '; mlx export cron) | crontab -` puts
        new ones in the place of the old. A job writes to .mlx/logs, and cron mails the end of that when it
        fails or a gate refuses.

        Example: mlx export cron --env dev
        """
        from mlxkit.pipeline.export.cron import crontab
        from mlxkit.pipeline.export.job import jobs_of, programs_of

        project, environment = _chosen(session, env)
        jobs = jobs_of(project, environment)
        lines = crontab(project.name, project.root, programs_of(project.root), jobs)
        _warn(session, project, environment)
        document = {"environment": environment.name, "jobs": [asdict(line) for line in lines]}
        session.output.answer(document, lambda: [line.line for line in lines])


def _register_systemd(export: typer.Typer) -> None:
    @command(export)
    def systemd(
        session: Session,
        output: Annotated[
            Path | None,
            typer.Option("--output", "-o", metavar="DIR", help="Write the units there. Default: print them."),
        ] = None,
        env: Env = None,
    ) -> None:
        """Print or write a service and a timer for systemd for each job of `schedule:` in mlx.yaml.

        They are units of a user. A gate that refuses is no failure; drift is one.

        Example: mlx export systemd --output ~/.config/systemd/user
        """
        from mlxkit.pipeline.export.job import jobs_of, programs_of
        from mlxkit.pipeline.export.marked import write_marked
        from mlxkit.pipeline.export.systemd import SCHEDULER, no_longer_scheduled, units

        project, environment = _chosen(session, env)
        jobs = jobs_of(project, environment)
        found = units(project.name, project.root, programs_of(project.root), jobs)
        if output is not None:
            write_marked({output / name: text for name, text in found.items()}, SCHEDULER)
            for timer in no_longer_scheduled(project.name, output, found):
                session.output.warn(f"'{timer}' is due no more: `systemctl --user disable --now {timer}`")
        _warn(session, project, environment)
        document = {
            "environment": environment.name,
            "folder": None if output is None else str(output.resolve()),
            "units": [{"name": name, "text": text} for name, text in found.items()],
        }
        session.output.answer(document, lambda: _unit_lines(found, output))


def _chosen(session: Session, env: str | None) -> tuple[Project, Environment]:
    from mlxkit.project.environments import choose
    from mlxkit.project.load import load

    project = load(session.root)
    return project, choose(project, env).environment


def _warn(session: Session, project: Project, environment: Environment) -> None:
    from mlxkit.pipeline.export.job import notes_on

    for note in notes_on(project, environment):
        session.output.warn(note)


def _dag_lines(project: Project, path: Path, found: DagFile) -> list[str]:
    schedule = project.schedule.train
    when = f"at '{schedule}'" if schedule else "when somebody starts it: mlx.yaml has no `schedule: train`"
    drift = [f"wrote the DAG '{found.dag}-drift', too, at '{project.schedule.drift}'"]
    return [
        f"wrote {_shown(path)}: the DAG '{found.dag}' with {len(found.tasks)} tasks, {when}",
        *(drift if project.schedule.drift else []),
        *(f"next: make its pool with `airflow pools set {pool} 1 mlx`" for pool in found.pools),
    ]


def _shown(path: Path) -> Path:
    """Return a path as seen from the working folder, where it lies there."""
    here, whole = Path.cwd(), path.absolute()
    return whole.relative_to(here) if whole.is_relative_to(here) else path


def _unit_lines(found: dict[str, str], output: Path | None) -> Sequence[str]:
    if output is None:
        return [line for name, text in found.items() for line in (f"# {name}", *text.splitlines(), "")][:-1]
    timers = " ".join(name for name in found if name.endswith(".timer"))
    return [
        *(f"wrote {_shown(output / name)}" for name in found),
        f"next: systemctl --user daemon-reload && systemctl --user enable --now {timers}",
    ]
