"""Why a stage failed, in words, with the place in the user's own code and the end of its output."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
from typing import TYPE_CHECKING

from mlxkit.adapters import git
from mlxkit.errors import (
    FREE_SPACE,
    FULL_BYTES,
    NO_SPACE,
    ConfigError,
    DataError,
    MlxError,
    StageFailed,
    ToolError,
)
from mlxkit.pipeline.lockfile import cache_folder, dvc_root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mlxkit.pipeline.lockfile import Tracked
    from mlxkit.project.models import Project, Stage
    from mlxkit.targets.base import Job, Outcome

_TAIL_LINES = 12
_ERRORS: Mapping[str, type[MlxError]] = {"config": ConfigError, "tool": ToolError}
"""Failures that are not the stage's own, and end the command with their own exit codes."""


def explain(project: Project, job: Job, outcome: Outcome, *, told: bool = False) -> MlxError | None:
    """Return what is to be said of a job's end, or None when it went well.

    `told` says that its output was shown while it ran.
    """
    tail = _tail(job.log, told=told)
    if outcome.timed_out:
        return _failed(
            job,
            f"took longer than its timeout of {job.timeout:g} s",
            tail,
            hint="raise `timeout:` in mlx.yaml",
        )
    if outcome.signal is not None:
        known = {number.value: number.name for number in signal.Signals}
        killed = outcome.signal == signal.SIGKILL
        hint = "look at its memory use: the system kills what takes too much" if killed else ""
        name = known.get(outcome.signal, f"signal {outcome.signal}")
        return _failed(job, f"was killed by {name}", tail, hint=hint)
    if outcome.exit_code:
        # Functions are found in src/, commands find what is installed.
        lacks = any(f"No module named '{project.package}'" in line for line in _last_lines(job.log))
        install = "make setup" if (project.root / "Makefile").exists() else "pip install --editable ."
        hint = f"run `{install}`, so that commands find the package '{project.package}'" if lacks else ""
        return _failed(job, f"ended with exit code {outcome.exit_code}", tail, hint=hint)
    if job.call is not None and outcome.result is None:
        return _failed(job, "ended before its function returned", tail)
    problem = outcome.result or {}
    if problem:
        return _ERRORS.get(problem["kind"], StageFailed)(
            f"stage '{job.name}' failed: {problem['message']}",
            context=[*problem["context"], *tail],
            hint=problem["hint"] or _resume(),
        )
    return None


def missing_output(project: Project, stage: Stage, job: Job, *, told: bool = False) -> MlxError | None:
    """Return an error when a stage did not make what it promises; `told` as in `explain`."""
    for path in stage.outputs.values():
        if not (project.root / path).exists():
            return _failed(
                job,
                f"did not make '{path}'",
                _tail(job.log, told=told),
                hint="write that path, or remove it from mlx.yaml",
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


def resume_command() -> str:
    """Return the command that goes on where a run stopped: the one that was typed."""
    words = [word for word in sys.argv[1:] if word not in ("--force", "-f")]
    return shlex.join(["mlx", *(words or ["run"])])


def _resume() -> str:
    return f"mend it, then run `{resume_command()}`; what had finished is kept"


def _failed(job: Job, what: str, tail: Sequence[str], *, hint: str = "") -> StageFailed:
    full = shutil.disk_usage(job.log.parent).free < FULL_BYTES
    return StageFailed(
        f"stage '{job.name}' {what}",
        context=[*tail, *([NO_SPACE] if full else [])],
        hint=(FREE_SPACE if full else hint) or _resume(),
    )


def _tail(log: Path, *, told: bool) -> list[str]:
    """Return the last lines of a log, unless they were told, and where it is; nothing for an empty one."""
    lines = _last_lines(log)
    shown = [] if told else [f"| {line}" for line in lines]
    return [*shown, f"log: {log}"] if lines else []


def _last_lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 16_384))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line.rstrip() for line in lines if line.strip()][-_TAIL_LINES:]
