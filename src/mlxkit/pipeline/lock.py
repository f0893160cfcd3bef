"""One run at a time in a project: a second one waits, and says for whom."""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO, TYPE_CHECKING

from mlxkit.errors import LockTimeout, MlxError, ToolError, UsageError, of_the_machine
from mlxkit.pipeline.events import Events, Waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_SECONDS = 3600.0
_POLL_SECONDS = 0.2
_RUNNING = "MLX_RUNNING"
"""Variable that tells a stage, and what it starts, which project is being run."""


@contextmanager
def run_lock(path: Path, events: Events, *, deadline: float | None = None) -> Iterator[int]:
    """Hold the project's run lock; the kernel frees it when its holder dies.

    Yields its descriptor: processes that get a copy keep the lock when this one is killed, until they end.

    Raises:
        LockTimeout: another run holds it for over `deadline` seconds (MLX_LOCK_TIMEOUT, else an hour).
        ToolError: the lock file cannot be written.
        UsageError: MLX_LOCK_TIMEOUT is no number.
    """
    if deadline is None:
        deadline = _deadline()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        known = of_the_machine(error)
        raise ToolError(
            f"the project cannot be written: {(error.strerror or str(error)).lower()}",
            context=[str(path)],
            hint=known.hint if known is not None else "run `mlx doctor`",
        ) from error
    with file:
        _acquire(file, events, time.monotonic() + deadline)
        file.truncate(0)
        _sign(file)
        try:
            yield file.fileno()
        finally:
            file.truncate(0)
            fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def held(path: Path, *, until: float, refusal: MlxError) -> Iterator[None]:
    """Hold the lock of a file, which the kernel frees when its holder dies.

    Raises `refusal` where somebody else holds it at `until`, by the monotonic clock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise refusal from None
                time.sleep(_POLL_SECONDS)
        yield


@contextmanager
def one_of_its_kind(root: Path) -> Iterator[None]:
    """Refuse a run that a stage of this project started: each would wait for the other."""
    outer = os.environ.get(_RUNNING)
    running = outer.split(os.pathsep) if outer else []
    if str(root) in running:
        raise UsageError(
            "a stage of this project started this run, which would wait for that stage for ever",
            hint="let the stage do its own work only, and name what it needs under `inputs:`",
        )
    os.environ[_RUNNING] = os.pathsep.join([*running, str(root)])
    try:
        yield
    finally:
        if outer is None:
            del os.environ[_RUNNING]
        else:
            os.environ[_RUNNING] = outer


def _deadline() -> float:
    text = os.environ.get("MLX_LOCK_TIMEOUT", "")
    try:
        return float(text) if text else DEADLINE_SECONDS
    except ValueError as error:
        raise UsageError(
            f"MLX_LOCK_TIMEOUT must be a number of seconds, is '{text}'", hint="run `unset MLX_LOCK_TIMEOUT`"
        ) from error


def _acquire(file: IO[str], events: Events, until: float) -> None:
    told = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = _holder(file)
        if not told:
            events(Waiting(f"waiting for another run in this project ({holder})"))
            told = True
        if time.monotonic() > until:
            raise LockTimeout(
                "another run in this project does not end",
                context=[holder],
                hint="wait for it, or end it; set MLX_LOCK_TIMEOUT to wait longer",
            )
        time.sleep(_POLL_SECONDS)


def _sign(file: IO[str]) -> None:
    """Write who holds the lock. On a full disk it is held all the same: `mlx gc` makes room under it."""
    known = {"pid": os.getpid(), "since": datetime.now().astimezone().isoformat(timespec="seconds")}
    with suppress(OSError):
        os.write(file.fileno(), json.dumps(known).encode())


def _holder(file: IO[str]) -> str:
    file.seek(0)
    try:
        known = json.loads(file.read())
        return f"process {known['pid']}, since {known['since']}"
    except (ValueError, KeyError, TypeError):
        return "it has just started"
