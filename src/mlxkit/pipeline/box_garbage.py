"""`mlx gc --on TARGET`: what lies in mlx's folder on another machine, and the end of what no job needs."""

from __future__ import annotations

from pathlib import Path

from mlxkit.pipeline.away import check_target
from mlxkit.pipeline.garbage import Failure, Garbage, Heap, Waste
from mlxkit.pipeline.jobs import Jobs
from mlxkit.project.load import load
from mlxkit.targets.line import Line

_TIMEOUT_SECONDS = 900.0


def gc_there(root: Path, target: str, *, older_than: float, delete: bool) -> Garbage:
    """Look at what lies on a machine, of all projects, and delete what nothing needs where `delete` says so.

    Args:
        root: the project's root.
        target: name of the machine in mlx.yaml.
        older_than: days that something must not have been used to count as garbage.
        delete: whether to delete it.

    Raises:
        UsageError: mlx.yaml has no such target.
        ToolError: the machine does not answer.
    """
    project = load(root)
    check_target(project, target)
    closed = [job.id for job in Jobs(project).all() if job.target == target and job.state != "open"]
    request = {"days": older_than, "delete": delete, "closed": closed}
    told = Line(project.targets[target]).call("garbage", request, timeout=_TIMEOUT_SECONDS)
    there = Path(told["root"])
    heaps = tuple(
        Heap(
            target,
            heap["kind"],
            heap["number"],
            heap["bytes"],
            tuple(Waste(there / path, size) for path, size in heap["waste"]),
        )
        for heap in told["heaps"]
    )
    failed = tuple(Failure(Path(one["path"]), one["reason"]) for one in told["failed"])
    kept = {one.path for one in failed}
    deleted = [one for heap in heaps for one in heap.waste if one.path not in kept] if delete else []
    return Garbage(older_than, heaps, (), tuple(deleted), failed)
