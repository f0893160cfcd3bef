"""Processes of a run under way: forks of one interpreter that has imported everything, and their end.

A run here is `mlx run` with the processes that it always has: mlx in a group of its own, the template in a
session, keepers, jobs, and their children. Only imports are saved: mlx and its template are forks of the
harness, which adopts orphans, so that a process that outlives its run can be seen.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PR_SET_CHILD_SUBREAPER = 36
PRELOAD = (
    "dvc.repo",
    "dvc.stage.cache",
    "dvc.output",
    "dvc_data.hashfile.checkout",
    "dvc_data.hashfile.transfer",
    "mlflow.sklearn",
    "mlflow.store.tracking.sqlalchemy_store",
    "skops.io",
    "joblib",
    "mlxkit.cli.app",
    "mlxkit.cli.progress",
    "mlxkit.adapters.dvc",
    "mlxkit.adapters.mlflow_model",
    "mlxkit.adapters.mlflow_signature",
    "mlxkit.adapters.skops_archive",
    "mlxkit.evaluation.training_rows",
    "mlxkit.pipeline.run",
    "mlxkit.pipeline.record_job",
    "mlxkit.pipeline.execute",
)


def prepare() -> None:
    """Import what the forks need, and adopt every orphan below this process."""
    from mlxkit.pipeline import warm

    for name in (*warm.STAGES, *warm.RECORD, *PRELOAD):
        importlib.import_module(name)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    gc.collect()
    gc.freeze()  # a fork that collects garbage would copy every page


@dataclass
class Command:
    """One `mlx` command under way, or ended."""

    pid: int
    out: Path
    err: Path
    code: int | None = None

    def ended(self) -> bool:
        """Whether it has ended; `code` is negative when a signal ended it."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def said(self) -> str:
        """The end of what it printed."""
        return f"{self.out.read_text()[-600:]}{self.err.read_text()[-600:]}"

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended; returns whether it has."""
        until = time.monotonic() + seconds
        while not self.ended() and time.monotonic() < until:
            time.sleep(0.005)
        return self.code is not None


def start(folder: Path, log: Path, call: Callable[[], int | None]) -> Command:
    """Call a function in a fork with a process group of its own, whose output goes to files beside `log`."""
    out, err = log.with_suffix(".out"), log.with_suffix(".err")
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.chdir(folder)
        _redirect(Path(os.devnull), out, err)
        _finish(call)
    return Command(pid, out, err)


def start_mlx(folder: Path, log: Path, arguments: Sequence[str], before: Callable[[], None]) -> Command:
    """Start an `mlx` command; `before` is called in its process first."""

    def call() -> int:
        from mlxkit.cli.app import main
        from mlxkit.targets import spawn

        spawn.subprocess = _Subprocess()  # type: ignore[assignment]
        sys.argv = ["mlx", *arguments]
        before()
        return main(list(arguments))

    return start(folder, log, call)


class _Subprocess:
    """The module `subprocess`, but that a template is forked: its imports are paid already."""

    def __getattr__(self, name: str) -> Any:
        import subprocess

        return getattr(subprocess, name)

    def Popen(self, command: Sequence[str], **options: Any) -> Any:
        import subprocess

        if any("template" in word for word in command):
            return _ForkedTemplate(command, **options)
        return subprocess.Popen(command, **options)


class _ForkedTemplate:
    """What `Popen` would return for a template."""

    stdin = None

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        pass_fds: Sequence[int],
        **others: object,
    ) -> None:
        self.pid = os.fork()
        if self.pid:
            return
        os.setsid()
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        null = Path(os.devnull)
        _redirect(null, null, null)
        kept = sorted({0, 1, 2, *pass_fds})
        for low, high in zip(kept, [*kept[1:], 1 << 16], strict=True):
            os.closerange(low + 1, high)
        _, module, *arguments = command[command.index("-m") :]
        _finish(lambda: importlib.import_module(module).main(*arguments))

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _redirect(source: Path, out: Path, err: Path) -> None:
    for number, path, flags in (
        (0, source, os.O_RDONLY),
        (1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        descriptor = os.open(path, flags, 0o644)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)


def _finish(call: Callable[[], int | None]) -> NoReturn:
    code: int | None = 99
    try:
        code = call() or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def children() -> dict[int, list[int]]:
    """Return parent -> children of all processes that live: no zombies."""
    found: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text(errors="replace")
            except OSError:
                continue
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state not in "ZX":
                found.setdefault(int(parent), []).append(int(folder.name))
    return found


def below(pid: int) -> list[int]:
    """Return the processes below one, those nearest to it first."""
    tree, found = children(), [pid]
    for known in found:
        found += tree.get(known, [])
    return found[1:]


def roles(mlx: int) -> dict[str, list[int]]:
    """Tell the processes of a run apart: template, keepers, jobs, and the jobs' children."""
    tree = children()
    started = [pid for pid in tree.get(mlx, []) if _leads_session(pid)]
    templates = [pid for pid in started if "mlxkit.targets.worker" not in words_of(pid)]
    keepers = [pid for pid in started if pid not in templates]
    keepers += [pid for template in templates for pid in tree.get(template, [])]
    jobs = [pid for keeper in keepers for pid in tree.get(keeper, [])]
    offspring = [pid for job in jobs for pid in tree.get(job, [])]
    return {"template": templates, "keeper": keepers, "job": jobs, "child": offspring}


def words_of(pid: int) -> str:
    """Return the command line of a process, '' when it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""


def is_of_a_job(pid: int) -> bool:
    """Whether a process belongs to a job: a job has a group of its own in the session of its keeper."""
    try:
        return os.getpgid(pid) != os.getsid(pid)
    except ProcessLookupError:
        return False


def _leads_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def reap() -> None:
    """Collect orphans that have ended."""
    for name in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{name}/stat").read_text(errors="replace")
            if stat.rpartition(")")[2].split()[0] == "Z":
                os.waitpid(int(name), 0)
