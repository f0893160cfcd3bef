"""Which environment a command works in, and why."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from mlxkit.errors import UsageError
from mlxkit.project.models import Environment, Project
from mlxkit.project.suggestions import did_you_mean
from mlxkit.project.variables import expand

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
    """Choose by `--env`, then `MLX_ENV`, then (in CI, but not for a pull request) the branch, else `dev`.

    Raises:
        UsageError: the environment does not exist in mlx.yaml.
    """
    environments = project.environments
    if name is None and os.environ.get("MLX_ENV"):
        return Chosen(lookup(project, os.environ["MLX_ENV"], source="MLX_ENV"), "MLX_ENV")
    if name is not None:
        return Chosen(lookup(project, name, source="--env"), "--env")
    if os.environ.get("CI") and branch and not _is_pull_request():
        for environment in environments.values():
            if environment.branch == branch:
                return Chosen(environment, f"branch '{branch}'")
    default = environments.get("dev") or next(iter(environments.values()))
    return Chosen(default, "default")


def _is_pull_request() -> bool:
    """Whether this CI job is for a pull request, whose author may call their branch `main`."""
    return any(os.environ.get(name) for name in ("GITHUB_HEAD_REF", "CI_MERGE_REQUEST_IID"))


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


def tracking_uri(project: Project, environment: Environment) -> str | None:
    """Return an environment's MLflow tracking URI, expanded; None means the store in the project's root.

    Raises:
        ConfigError: it names a variable that is not set.
    """
    return _expanded(project, environment, environment.tracking)


def registry_uri(project: Project, environment: Environment) -> str | None:
    """Return an environment's MLflow registry URI, expanded; None means that of the tracking store.

    Raises:
        ConfigError: it names a variable that is not set.
    """
    return _expanded(project, environment, environment.registry)


def _expanded(project: Project, environment: Environment, text: str | None) -> str | None:
    if text is None:
        return None
    return expand(text, project.root, where=f"environment '{environment.name}'")


def sharing_store(project: Project, environment: Environment) -> list[str]:
    """Name the environments that keep their runs in the same store as this one, itself included."""
    return [other.name for other in project.environments.values() if other.tracking == environment.tracking]


def is_strict(project: Project, environment: Environment) -> bool:
    """Whether an environment refuses models from uncommitted work: every one but the first."""
    return environment.name != next(iter(project.environments), environment.name)
