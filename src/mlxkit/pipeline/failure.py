"""Why a stage failed, in words, with the place in the user's own code and the end of its output."""

from __future__ import annotations

import shlex
import signal
from typing import TYPE_CHECKING

from mlxkit.adapters import git
from mlxkit.errors import ConfigError, DataError, MlxError, StageFailed, ToolError
from mlxkit.pipeline.lockfile import cache_folder, dvc_root

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlxkit.pipeline.lockfile import Tracked
    from mlxkit.project.models import Project, Stage
    from mlxkit.targets.base import Job, Outcome

_TAIL_LINES = 12
_ERRORS: Mapping[str, type[MlxError]] = {"config": ConfigError, "tool": ToolError}
"""Failures that are not the stage's own, and end the command with their own exit codes."""


def explain(name: str, job: Job, outcome: Outcome) -> MlxError | None:
    """Return what is to be said of a job's end, or None when it went well."""
    if outcome.timed_out:
        limit = f"{job.timeout:g} s"
        return _failed(
            name, f"took longer than its timeout of {limit}", job, hint="raise `timeout:` in mlx.yaml"
        )
    if outcome.signal is not None:
        known = {number.value: number.name for number in signal.Signals}
        killed = outcome.signal == signal.SIGKILL
        hint = "look at its memory use: the system kills what takes too much" if killed else ""
        return _failed(
            name, f"was killed by {known.get(outcome.signal, f'signal {outcome.signal}')}", job, hint=hint
        )
    if outcome.exit_code:
        return _failed(name, f"ended with exit code {outcome.exit_code}", job)
    if job.call is not None and outcome.result is None:
        return _failed(name, "ended before its function returned", job)
    problem = outcome.result or {}
    if problem:
        places = problem["context"]
        return _ERRORS.get(problem["kind"], StageFailed)(
            f"stage '{name}' failed: {problem['message']}",
            context=[*places, *_tail(job.log)],
            hint=problem["hint"] or "mend it, then run `mlx run`; what had finished is kept",
        )
    return None


def missing_output(project: Project, stage: Stage, job: Job) -> MlxError | None:
    """Return an error when a stage did not make what it promises."""
    for path in stage.outputs.values():
        if not (project.root / path).exists():
            return _failed(
                stage.name, f"did not make '{path}'", job, hint="write that path, or remove it from mlx.yaml"
            )
    return None


def missing_input(
    root: Path, name: str, path: str, *, tracked: Tracked | None, remote: str | None
) -> MlxError:
    """Return the error for an input that is not there, and if DVC tracks it, is nowhere else."""
    if tracked is None:
        return DataError(
            f"stage '{name}' reads '{path}', which is not there",
            hint="put it there, then run `mlx run` again",
        )
    if remote is None and tracked.imported:
        return DataError(
            f"'{path}' was imported, and is neither here nor in the cache",
            context=[f"stage '{name}' reads it"],
            hint=f"import it again with `dvc update {shlex.quote(tracked.dvc_file)}`",
        )
    if remote is None:
        cache = _cache_of_main_tree(root)
        twin = [] if cache is None else ["this is a worktree, and the main one has a cache of its own"]
        named = "put it there, or name a remote with `dvc remote add -d NAME URL`"
        return DataError(
            f"'{path}' is neither here nor in the cache, and no remote is named that could have it",
            context=[f"stage '{name}' reads it", *twin],
            hint=named
            if cache is None
            else f"share it with `dvc cache dir --local {shlex.quote(str(cache))}`",
        )
    return DataError(
        f"'{path}' is neither here nor in the cache, and the remote '{remote}' did not give it",
        context=[f"stage '{name}' reads it"],
        hint="run `dvc push` where it is, then `mlx run` here",
    )


def _cache_of_main_tree(root: Path) -> Path | None:
    """Return the cache of the main working tree, when this is another one and uses a cache of its own."""
    main = git.main_tree(root)
    if main is None or not dvc_root(main).joinpath(".dvc").is_dir():
        return None
    cache = cache_folder(main).parents[1]
    return cache if cache.is_dir() and cache != cache_folder(root).parents[1] else None


def changed_while_running(name: str, path: str) -> MlxError:
    """Return the error for an input that is not what it was when the stage began."""
    return StageFailed(
        f"'{path}' changed while stage '{name}' ran, so its result is not kept", hint="run `mlx run` again"
    )


def _failed(name: str, what: str, job: Job, *, hint: str = "") -> StageFailed:
    return StageFailed(
        f"stage '{name}' {what}",
        context=_tail(job.log),
        hint=hint or "mend it, then run `mlx run`; what had finished is kept",
    )


def _tail(log: Path) -> list[str]:
    """Return the last lines of a log, and where the rest is; nothing for an empty one."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 16_384))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    shown = [line.rstrip() for line in lines if line.strip()][-_TAIL_LINES:]
    return [*(f"| {line}" for line in shown), f"log: {log}"] if shown else []
