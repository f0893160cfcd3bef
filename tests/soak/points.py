"""The named steps at which a run is killed, in one table, and how a step becomes a kill.

Production code has no hooks for this: in a fork that is about to become `mlx run`, a named function is
wrapped, and its N-th passage ends in SIGKILL, in whatever process of the run that happens.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import mmap
import os
import signal
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from processes import below

if TYPE_CHECKING:
    from collections.abc import Sequence

Side = Literal["before", "after", "half"]
Victim = Literal["group", "all", "self"]
"""Who is killed: the process group of mlx; every process of the run; the one that passes the step."""

BOTH: tuple[Side, ...] = ("before", "after")
CUT: tuple[Side, ...] = ("before", "half", "after")

MODEL, PIECES, RAW, ALL = "new model", "new pieces", "edited raw data", "deleted all"
RESTORE, CHECKOUT, FETCH = "deleted dvc.lock", "deleted outputs", "deleted raw data"
FICLONE = "1074041865"
HARNESS = os.getpid()


@dataclass(frozen=True)
class Point:
    """One step.

    Attributes:
        function: `module:name` of what is called there.
        edits: edits after which a run passes it, several joined by ` + `.
        sides: before the call, after it, or `half`: after it, with the file that it wrote cut to half of it,
            as if the process had died while it wrote.
        holding: text that an argument holds: one file of many.
        passages: how often a run passes, at least; one of them is chosen.
        file: position of the argument that names the file written.
    """

    name: str
    function: str
    edits: tuple[str, ...]
    sides: tuple[Side, ...] = BOTH
    holding: str = ""
    passages: int = 1
    file: int = 0


_FILES, _OBJECTS = "mlxkit.project.files:write_atomically", "dvc_data.hashfile"
_MLFLOW, _TRACKING = "mlflow.tracking.client:MlflowClient", "mlxkit.adapters.mlflow_tracking"

POINTS: tuple[Point, ...] = (
    # mlx itself: its own files
    Point("write dvc.yaml", _FILES, ("deleted dvc.yaml + new model",), holding="dvc.yaml"),
    Point("write dvc.lock", _FILES, (MODEL, RESTORE), holding="dvc.lock", passages=2),
    Point("write memo", _FILES, ("deleted memo + new model", RAW), holding="memo.json"),
    Point("write marker", _FILES, (MODEL, RAW), holding="recorded.json"),
    Point("rename dvc.lock", "os:replace", (MODEL, RESTORE), BOTH, ".dvc.lock.", 2),
    Point("rename memo", "os:replace", ("deleted memo + new model",), BOTH, ".memo.json."),
    Point("rename marker", "os:replace", (MODEL,), BOTH, ".recorded.json."),
    Point("write .dvc file", "dvc.utils.serialize._common:_dump_data", (RAW,), CUT, ".dvc"),
    # mlx itself: the plan and the jobs
    Point("warm up", "mlxkit.targets.template_client:TemplateClient.connect", (MODEL, PIECES)),
    Point("start a job", "mlxkit.targets.workers:Workers.start", (MODEL, RAW), passages=3),
    Point("begin a stage", "mlxkit.pipeline.execution:Execution._begin", (RAW,), passages=7),
    Point("settle a stage", "mlxkit.pipeline.execution:Execution._settle", (RAW,), passages=7),
    Point("close", "mlxkit.pipeline.execution:Execution.close", (MODEL, RESTORE, CHECKOUT)),
    Point("remove outputs of a cmd", "mlxkit.pipeline.execution:Execution._start", (PIECES,)),
    # mlx itself: DVC
    Point("claim", "mlxkit.adapters.dvc:Dvc.claim", (RAW,), passages=3),
    Point("release claims", "mlxkit.adapters.dvc:Dvc.release_claims", (MODEL,)),
    Point("write rwlock", "json:dump", (MODEL, RAW), BOTH, "rwlock", 4),
    Point("take over raw data", "mlxkit.adapters.dvc:Dvc.commit_data", (RAW,)),
    Point("fetch raw data", "mlxkit.adapters.dvc:Dvc.checkout_data", (FETCH,)),
    Point("checkout", "mlxkit.adapters.dvc:Dvc.checkout", (CHECKOUT,), passages=5),
    Point("restore", "mlxkit.adapters.dvc:Dvc.restore", (RESTORE,), passages=5),
    Point("commit", "mlxkit.adapters.dvc:Dvc.commit", (RAW, MODEL), passages=2),
    Point("save", "mlxkit.adapters.dvc_files:StageFiles.save", (RAW, RESTORE), passages=2),
    Point("stage.remove_outs", "dvc.stage:Stage.remove_outs", (RESTORE, "edited output"), passages=1),
    Point("stage.save", "dvc.stage:Stage.save", (RAW, MODEL), passages=2),
    Point("stage.commit", "dvc.stage:Stage.commit", (RAW, MODEL), passages=2),
    Point("output.save", "dvc.output:Output.save", (RAW, MODEL), passages=3),
    Point("output.commit", "dvc.output:Output.commit", (RAW, MODEL), passages=3),
    Point("output.checkout", "dvc.output:Output._checkout", (CHECKOUT, RESTORE, RAW), passages=3),
    Point("run cache save", "dvc.stage.cache:StageCache.save", (RAW, MODEL), passages=2),
    Point("run cache write", "dvc.utils.serialize._common:_dump_data", (RAW,), CUT, "/runs/"),
    Point("run cache restore", "dvc.stage.cache:StageCache.restore", (RESTORE, "old parameter")),
    Point("make a lock entry", "mlxkit.adapters.dvc_files:with_entry", (RAW, MODEL), passages=2),
    Point("replace a .dvc file", "mlxkit.adapters.dvc_files:StageFiles._dump", (RAW,)),
    # mlx itself: objects of the cache
    Point("transfer to cache", f"{_OBJECTS}.transfer:transfer", (RAW, PIECES), passages=1),
    Point("add objects", f"{_OBJECTS}.db:HashFileDB.add", (RAW, PIECES), passages=2),
    Point("protect object", f"{_OBJECTS}.db.local:LocalHashFileDB.protect", (PIECES, RAW), passages=6),
    Point("copy a file", "dvc_objects.fs.utils:copyfile", (RAW, CHECKOUT), CUT, passages=2, file=1),
    Point("rename a copy", "os:replace", (RAW, CHECKOUT), BOTH, ".tmp", 2),
    Point("link", "dvc_objects.fs.generic:_link", (PIECES, CHECKOUT), passages=5),
    Point("half a reflink", "fcntl:ioctl", (PIECES, RAW), ("before",), FICLONE, 3),
    Point("try links", f"{_OBJECTS}.checkout:test_links", (CHECKOUT, RESTORE), passages=3),
    Point("relink", f"{_OBJECTS}.checkout:_relink", (PIECES, "edited output"), passages=1),
    Point("checkout a file", f"{_OBJECTS}.checkout:_checkout_file", (CHECKOUT,), passages=20),
    # template and keepers
    Point("import a library", "mlxkit.targets.template:_preload", (MODEL,), passages=3),
    Point("fork a keeper", "mlxkit.targets.template:Template._start", (RAW,), passages=4),
    Point("keep", "mlxkit.targets.worker:keep", (RAW, MODEL), ("before",), passages=2),
    Point("watch", "mlxkit.targets.worker:_Watch.until_it_ends", (RAW, MODEL), passages=2),
    Point("end the group", "mlxkit.targets.process_tree:end", (RAW, MODEL), passages=2),
    # a stage's process
    Point("run a job", "mlxkit.targets.worker:_run", (RAW, MODEL), ("before",), passages=3),
    Point("remove outputs", "mlxkit.pipeline.execute:remove_outputs", (RAW, MODEL), passages=2),
    Point("execute", "mlxkit.pipeline.execute:execute", (RAW, MODEL), passages=2),
    Point("save an output", "mlxkit.pipeline.saving:save", (RAW, MODEL), CUT, passages=1, file=1),
    Point("save a second output", "mlxkit.pipeline.saving:save", ("new split",), CUT, "test.parquet", file=1),
    Point("save model", "mlxkit.adapters.mlflow_model:save_model", (MODEL,)),
    Point("normalise model", "mlxkit.adapters.mlflow_model:_normalise", (MODEL,)),
    Point("put model in place", "mlxkit.adapters.mlflow_model:_replace", (MODEL,)),
    Point("name the run", "pathlib:Path.write_text", (MODEL,), CUT, "run.json"),
    # the record
    Point("begin a step", "mlxkit.pipeline.record_steps:Steps._begin", (MODEL,), passages=8),
    Point("open record", "mlxkit.pipeline.record:Recorder.open", (MODEL,)),
    Point("log the model beside", "mlxkit.pipeline.record:Recorder.log_model", (MODEL,)),
    Point("close record", "mlxkit.pipeline.record:Recorder.close", (MODEL, RESTORE)),
    Point("make the store", "mlxkit.adapters.mlflow_database:make_database", (ALL,)),
    Point("prepare the store", f"{_TRACKING}:prepare", (MODEL, ALL)),
    Point("open_run", f"{_TRACKING}:open_run", (MODEL,)),
    Point("close abandoned", f"{_TRACKING}:close_abandoned", (MODEL,)),
    Point("create_run", f"{_MLFLOW}.create_run", (MODEL,)),
    Point("log_inputs", f"{_MLFLOW}.log_inputs", (MODEL,)),
    Point("log_batch", f"{_MLFLOW}.log_batch", (MODEL,), passages=3),
    Point("log_model", "mlxkit.adapters.mlflow_logged_model:log_model", (MODEL,)),
    Point("close_run", f"{_TRACKING}:close_run", (MODEL,)),
    Point("create_logged_model", f"{_MLFLOW}.create_logged_model", (MODEL,)),
    Point("log_model_artifacts", f"{_MLFLOW}.log_model_artifacts", (MODEL,)),
    Point("finalize_logged_model", f"{_MLFLOW}.finalize_logged_model", (MODEL,)),
    Point("log_outputs", f"{_MLFLOW}.log_outputs", (MODEL,)),
    Point("log_artifact", f"{_MLFLOW}.log_artifact", (MODEL,), passages=3),
    Point("set_terminated", f"{_MLFLOW}.set_terminated", (MODEL,)),
    Point("tag the model's hash", f"{_TRACKING}:set_tags", (MODEL,)),
)


def locate(point: Point) -> tuple[Any, str]:
    """Return the module or class that holds a point's function, and the function's name there.

    Raises:
        LookupError: there is no such function; it may have been renamed.
    """
    module, _, path = point.function.partition(":")
    *parents, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for parent in parents:
        owner = getattr(owner, parent)
    if name not in vars(owner):
        raise LookupError(f"the point '{point.name}' names a function that is not there: {point.function}")
    return owner, name


class Strike:
    """The kill at one passage of a step, counted over all processes of a run."""

    def __init__(self, point: Point, side: Side, passage: int, victim: Victim) -> None:
        self._point, self._side, self._passage, self._victim = point, side, passage, victim
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)
        self._mlx = 0

    @property
    def fired(self) -> bool:
        """Whether the kill took place."""
        return self._shared[8] == 1

    def install(self) -> None:
        """Wrap the step in this process, which is about to become mlx, and so in all of its forks."""
        self._mlx = os.getpid()
        owner, name = locate(self._point)
        original = vars(owner)[name]
        wrapped = self._wrap(original)
        setattr(owner, name, wrapped)
        if isinstance(owner, ModuleType):
            for module in list(sys.modules.values()):
                if vars(module).get(name) is original:
                    setattr(module, name, wrapped)

    def _wrap(self, original: Any) -> Any:
        @functools.wraps(original)
        def passing(*arguments: Any, **options: Any) -> Any:
            mine = self._is_meant(arguments) and self._count() == self._passage
            if mine and self._side == "before":
                self._kill()
            result = original(*arguments, **options)
            if mine and self._side == "half":
                path = Path(arguments[self._point.file])
                os.truncate(path, path.stat().st_size // 2)
            if mine and self._side != "before":
                self._kill()
            return result

        return passing

    def _is_meant(self, arguments: Sequence[object]) -> bool:
        """Whether an argument, or the name of a file among them, holds the point's text."""
        if not self._point.holding:
            return True
        texts = [str(value) for value in arguments if isinstance(value, str | int | Path)]
        texts += [
            str(value.name) for value in arguments if hasattr(value, "fileno") and hasattr(value, "name")
        ]
        return any(self._point.holding in text for text in texts)

    def _count(self) -> int:
        number: int = struct.unpack("q", self._shared[:8])[0] + 1
        self._shared[:8] = struct.pack("q", number)
        return number

    def _kill(self) -> None:
        self._shared[8] = 1
        match self._victim:
            case "group":
                os.killpg(self._mlx, signal.SIGKILL)
            case "all":
                kill_all(self._mlx)
            case "self":
                os.kill(os.getpid(), signal.SIGKILL)


def kill_all(mlx: int) -> None:
    """Kill every process of a run, as a crash of the machine would; the calling one last.

    All are stopped before the first one is killed, so that none starts another one meanwhile.
    """
    stopped: set[int] = set()
    while new := {pid for pid in (mlx, *below(mlx)) if pid != os.getpid()} - stopped:
        for pid in new:
            _send(pid, signal.SIGSTOP)
        stopped |= new
    for pid in stopped:
        _send(pid, signal.SIGKILL)
    if os.getpid() != HARNESS:
        os.kill(os.getpid(), signal.SIGKILL)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
