"""Remotes of a DVC repository: which one is asked, and what it lacks."""

from __future__ import annotations

from typing import Any

from mlxkit.errors import ToolError
from mlxkit.project.suggestions import did_you_mean


def choose(repo: Any, name: str) -> None:
    """Ask one of the remotes instead of the default one from now on.

    Raises:
        ToolError: the repository has no remote of that name.
    """
    known = list(repo.config["remote"])
    if name not in known:
        raise ToolError(
            f"DVC has no remote '{name}'{did_you_mean(name, known)}",
            context=["mlx.yaml names it as the data remote of an environment"],
            hint=f"run `dvc remote add {name} URL`",
        )
    repo.config["core"]["remote"] = name


def missing(repo: Any) -> list[str] | None:
    """Return the paths of data that the remote lacks, sorted; None where no remote is named."""
    name = repo.config["core"].get("remote")
    if name is None:
        return None
    lacking = repo.status(cloud=True, remote=name)
    return sorted(path for path, state in lacking.items() if state in ("new", "missing"))
