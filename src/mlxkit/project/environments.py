"""Which environment a command works in, and why."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from mlxkit.errors import UsageError
from mlxkit.project.models import Environment, Project
from mlxkit.project.schema import did_you_mean

DEFAULTS = {
    "dev": Environment("dev"),
    "staging": Environment("staging"),
    "production": Environment("production", requires="staging"),
}
"""The environments of a project that names none."""


@dataclass(frozen=True)
class Chosen:
    """An environment, and what chose it."""

    environment: Environment
    source: str


def is_alias(name: str) -> bool:
    """Whether MLflow takes the name as an alias: not `latest`, not like `v3`."""
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) is not None and not re.fullmatch(
        r"latest|v\d+", name, re.IGNORECASE
    )


def choose(project: Project, name: str | None, *, branch: str | None = None) -> Chosen:
    """Choose by `--env`, then `MLX_ENV`, then (only in CI) the branch, else the first environment.

    Raises:
        UsageError: the environment does not exist in mlx.yaml.
    """
    environments = project.environments
    if name is None and os.environ.get("MLX_ENV"):
        return Chosen(lookup(project, os.environ["MLX_ENV"], source="MLX_ENV"), "MLX_ENV")
    if name is not None:
        return Chosen(lookup(project, name, source="--env"), "--env")
    if os.environ.get("CI") and branch:
        for environment in environments.values():
            if environment.branch == branch:
                return Chosen(environment, f"branch '{branch}'")
    default = environments.get("dev") or next(iter(environments.values()))
    return Chosen(default, "default")


def lookup(project: Project, name: str, *, source: str) -> Environment:
    """Return an environment by name, or raise UsageError with the names there are."""
    if name not in project.environments:
        options = list(project.environments)
        raise UsageError(
            f"there is no environment '{name}'{did_you_mean(name, options)}",
            context=[f"named by {source}; mlx.yaml has {', '.join(options)}"],
            hint="run `mlx env`",
        )
    return project.environments[name]


def is_strict(project: Project, environment: Environment) -> bool:
    """Whether an environment refuses models from uncommitted work: every one but the first."""
    return environment.name != next(iter(project.environments), environment.name)
