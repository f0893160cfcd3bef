"""A stage as the job that a target runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.pipeline.command import command_of
from mlxkit.targets.base import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.project.models import Project, Stage


def job_of(project: Project, stage: Stage, env: Mapping[str, str]) -> Job:
    """Return the job of a stage; `env` holds variables for it beside those of mlx."""
    command = command_of(project, stage)
    log = project.state_dir / "logs" / f"{stage.name}.log"
    if command.cmd is not None and command.is_plain and "\n" not in command.cmd:
        return Job(stage.name, log, shell=command.cmd, env=env, timeout=stage.timeout)
    return Job(
        stage.name,
        log,
        call="mlxkit.pipeline.execute:execute_job",
        arguments=command.to_json(),
        env=env,
        patient=stage.kind in ("train", "evaluate"),
        fresh=bool(stage.env),
        timeout=stage.timeout,
    )
