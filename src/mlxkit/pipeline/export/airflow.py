"""`mlx export airflow`: a DAG file with the seven steps of continuous training."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.errors import UsageError
from mlxkit.pipeline.export.job import drift_job, refuse_line_breaks
from mlxkit.pipeline.export.marked import mark_of
from mlxkit.pipeline.export.steps import steps_of
from mlxkit.pipeline.lock import DEADLINE_SECONDS
from mlxkit.pipeline.lockfile import tracked_data
from mlxkit.scaffold.render import python_literal, render_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlxkit.pipeline.export.steps import Steps
    from mlxkit.project.models import Environment, Project, Stage

SCHEDULER = "airflow"
_TEMPLATE = "export/airflow.py.jinja"
_WIDTH = 88
"""Longest line: whatever the project's own length is, its formatter leaves the file alone."""
_NETWORK_RETRIES = 2
_REFUSED = 3
_JINJA = re.compile(r"\{[{%#]")


@dataclass(frozen=True)
class Task:
    """One task of a DAG: a shell command, and how it is run.

    Attributes:
        refusal: exit code that skips what comes after, None for none.
    """

    id: str
    command: str
    retries: int = 0
    seconds: int | None = None
    pool: str | None = None
    refusal: int | None = None


@dataclass(frozen=True)
class Step:
    """One of the seven steps: a group of tasks."""

    name: str
    tasks: tuple[Task, ...]
    holds_stages: bool = False


@dataclass(frozen=True)
class DagFile:
    """The text of a DAG file, and what is in it.

    Attributes:
        variable: of the environment, for the project's folder where it lies elsewhere.
        tasks: as Airflow names them, `STEP.TASK`.
        pools: that Airflow has to have.
    """

    dag: str
    text: str
    variable: str
    tasks: tuple[str, ...]
    pools: tuple[str, ...]


def dag_name(project: Project, environment: Environment) -> str:
    """Return the name of the DAG: the project's, for its first environment."""
    first = next(iter(project.environments), environment.name)
    return project.name if environment.name == first else f"{project.name}-{environment.name}"


def dag_path(project: Project, environment: Environment, output: Path | None) -> Path:
    """Return where the DAG file goes: into `dags/` of the project, into a folder, or to a file.

    Raises:
        UsageError: Airflow would not look at a file of that name.
    """
    name = f"{dag_name(project, environment)}.py"
    if output is None:
        return project.root / "dags" / name
    if output.is_dir():
        return output / name
    if output.suffix != ".py":
        raise UsageError(
            f"'{output}' is no folder, and no name of a DAG file, which ends with '.py'",
            hint=f"run `mlx export airflow --output {shlex.quote(str(output / name))}`",
        )
    return output


def dag_file(project: Project, environment: Environment, *, programs: Path, path: Path) -> DagFile:
    """Write the DAG file of a project, as it will stand at `path`: inside the project it finds it by itself.

    Raises:
        UsageError: Airflow would read a path as something else.
    """
    refuse_line_breaks(project.root, programs)
    steps = steps_of(project)
    groups = _groups(project, environment, steps)
    drift = drift_job(project, environment)
    dag = dag_name(project, environment)
    drift_command = None if drift is None else shlex.join(drift.commands[0])
    commands = [task.command for group in groups for task in group.tasks]
    _refuse_templates([str(project.root), *commands, *([drift_command] if drift_command else [])])
    variable = f"MLX_PROJECT_{re.sub(r'[^A-Z0-9]', '_', project.name.upper())}"
    values = {
        "mark": mark_of(SCHEDULER),
        "dag": dag,
        "project": project.name,
        "environment": environment.name,
        "trains": project.train_stage is not None,
        "variable": variable,
        "place": _place(project.root, path),
        "programs": _programs(project.root, programs),
        "schedule": project.schedule.train,
        "groups": groups,
        "links": _links(steps, [group.name for group in groups]),
        "drift": drift,
        "drift_command": drift_command,
    }
    tasks = tuple(f"{group.name}.{task.id}" for group in groups for task in group.tasks)
    pools = dict.fromkeys(stage.pool for stage in project.stages.values() if stage.pool)
    return DagFile(dag, render_file(_TEMPLATE, values), variable, tasks, tuple(pools))


def _groups(project: Project, environment: Environment, steps: Steps) -> list[Step]:
    """Return the steps that this project has, in order."""
    found = []
    if steps.sources:
        bring = " && ".join(_bring(project, environment, path) for path in steps.sources)
        found.append(Step("extract", (Task("data", bring, _NETWORK_RETRIES),)))
    checks = tuple(_stage_task(stage, environment) for stage in steps.stages["validate"])
    found.append(Step("validate", (Task("configuration", "mlx check"), *checks)))
    for name, stages in steps.stages.items():
        if stages and name != "validate":
            tasks = tuple(_stage_task(stage, environment) for stage in stages)
            found.append(Step(name, tasks, holds_stages=True))
    if project.train_stage is not None:
        found += _judgement(environment)
    return found


def _bring(project: Project, environment: Environment, path: str) -> str:
    """Return a command that leaves data alone which is here, and lets DVC bring what is not."""
    here, tracked = f"ls -d {shlex.quote(path)}", tracked_data(project.root, path)
    if tracked is None:
        return f"({here})"  # Airflow takes a command that ends in `.sh` for the name of a template
    return f"({here} || dvc pull {_remote(environment)}{shlex.quote(tracked.dvc_file)})"


def _remote(environment: Environment) -> str:
    return f"--remote {shlex.quote(environment.remote)} " if environment.remote else ""


def _stage_task(stage: Stage, environment: Environment) -> Task:
    """Return the task of a stage. Airflow counts its tries, so mlx makes one; mlx itself ends it in time.

    Airflow's own limit is for what hangs all the same: longer by the time that mlx waits for another run.
    """
    words = ["mlx", "run", stage.name, "--env", environment.name, "--retries", "0"]
    seconds = None if stage.timeout is None else round(stage.timeout + DEADLINE_SECONDS)
    return Task(stage.name, shlex.join(words), stage.retries, seconds, stage.pool or None)


def _judgement(environment: Environment) -> list[Step]:
    """Return the steps that only a model has: refused by a gate, it is not uploaded."""
    promote = ["mlx", "promote", "--to", environment.name]
    push = f"dvc push {_remote(environment)}".strip()
    if not environment.remote:
        push = f'if [ -n "$(dvc config core.remote)" ]; then {push}; else echo no DVC remote; fi'
    return [
        Step("validate_model", (Task("gates", shlex.join([*promote, "--dry-run"]), refusal=_REFUSED),)),
        Step(
            "upload",
            (
                Task("data", push, _NETWORK_RETRIES),
                # Between the two, a gate may have changed its mind, or somebody has to approve.
                Task("model", shlex.join(promote), refusal=_REFUSED),
            ),
        ),
    ]


def _links(steps: Steps, groups: Sequence[str]) -> list[str]:
    """Return the statements that put the tasks into order."""
    before = [name for name in ("extract", "validate") if name in groups]
    after = [name for name in ("validate_model", "upload") if name in groups]
    first, last = ([_stages(names)] if names else [] for names in (steps.first, steps.last))
    links = [_chain([*before, *first])] if len(before) + len(first) > 1 else []
    links += [_chain([_stages((maker,)), _stages((reader,))]) for maker, reader in steps.edges]
    return [*links, _chain([*last, *after])] if after else links


def _stages(names: Sequence[str]) -> str:
    found = [f"stages[{python_literal(name)}]" for name in names]
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]"


def _chain(items: Sequence[str]) -> str:
    """Write a call as the formatter does: on one line, else an argument a line."""
    line = f"    chain({', '.join(items)})"
    if len(line) <= _WIDTH:
        return line
    return "\n".join(["    chain(", *(_argument(item) for item in items), "    )"])


def _argument(item: str) -> str:
    line = f"        {item},"
    if len(line) <= _WIDTH or not item.startswith("["):
        return line
    elements = item[1:-1].split(", ")
    return "\n".join(["        [", *(f"            {element}," for element in elements), "        ],"])


def _place(root: Path, path: Path) -> str:
    path = path.resolve()
    if path.is_relative_to(root.resolve()):
        above = len(path.relative_to(root.resolve()).parts) - 1
        return f"Path(__file__).resolve().parents[{above}]"
    return python_literal(str(root))


def _programs(root: Path, programs: Path) -> str:
    if not programs.is_relative_to(root):
        literal = python_literal(str(programs))
        line = f"Path({literal})"
        return line if len(f"PROGRAMS = {line}") <= _WIDTH else f"Path(\n    {literal},\n)"
    parts = programs.relative_to(root).parts
    return " / ".join(["PROJECT", *(python_literal(part) for part in parts)])


def _refuse_templates(texts: Sequence[str]) -> None:
    for text in texts:
        if _JINJA.search(text):
            raise UsageError(
                "Airflow would read a name as a template of its own",
                context=[text],
                hint="use a name without '{{', '{%' and '{#'",
            )
