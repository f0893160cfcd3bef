"""What lies in mlx's folder on the box, how much of it nothing needs, and the end of that.

Needed is what a job reads or runs in that has not ended, whoever sent it, and what an ended job made that
somebody may still fetch. All else is needed as long as it was used within the given days.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.targets.box import environment
from mlxkit.targets.box.objects import forget
from mlxkit.targets.box.places import JobPlace, Places, is_held, locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    IsOld = Callable[..., bool]

_DAY_SECONDS = 86400.0
_USED = "used"
_UNDER_WAY_DAYS, _WARM_DAYS = 1.0, 1 / 24
"""A sender comes back within a day; workers wait for another job in their environment for some minutes."""


@dataclass
class _Needs:
    """What jobs need that have not ended."""

    objects: set[str] = field(default_factory=set)
    environments: set[str] = field(default_factory=set)
    code: set[str] = field(default_factory=set)
    abandoned: list[JobPlace] = field(default_factory=list)


def collect(places: Places, request: Mapping[str, Any]) -> dict[str, Any]:
    """Look at all of it, and delete what nothing needs where `delete` says so.

    `request` holds `days`; `delete`; `closed`, names of jobs that nobody expects anything of any more.
    """
    now, days = time.time(), float(request["days"])

    def is_old(used: float, at_least: float = 0.0) -> bool:
        wanted = max(days, at_least)
        return wanted <= 0 or used <= now - wanted * _DAY_SECONDS

    with locked(places.taking):  # nobody takes a job meanwhile
        needs = _needs(places, is_old)
        found = {
            "job": list(_jobs(places, needs, set(request["closed"]), is_old)),
            "data": list(_data(places, needs, is_old)),
            "half of a transfer": list(_halves(places, is_old)),
            "environment": list(_environments(places, needs, is_old)),
            "version of mlx": list(_versions(places, needs, is_old)),
            "checkpoint": [(path, False) for path in places.all_checkpoints()],
        }
        failed: list[dict[str, str]] = []
        heaps = [_heap(places, kind, list(things)) for kind, things in found.items()]
        if request["delete"]:
            waste = [path for things in found.values() for path, useless in things if useless]
            failed = [error for path in waste if (error := _remove(path)) is not None]
    return {"heaps": heaps, "failed": failed, "root": str(places.root)}


def _needs(places: Places, is_old: IsOld) -> _Needs:
    needs = _Needs()
    for folder in (places.root / "jobs").glob("*"):
        job = JobPlace(folder)
        spec = job.read("job")
        if job.read("end") is not None:
            continue
        arrives = is_held(job.receiving)  # much data over a slow line may take longer than a day
        if spec is None and not arrives and is_old(folder.stat().st_mtime, _UNDER_WAY_DAYS):
            needs.abandoned.append(job)
            continue
        if spec is not None and is_old(folder.stat().st_mtime, _UNDER_WAY_DAYS) and not job.is_supervised():
            continue  # it was lost, and whoever asks is told so
        needs.objects.update((job.read("wants") or {}).get("objects", ()))
        if spec is not None:
            needs.environments.add(environment.key(spec["environment"]))
            needs.code.add(spec.get("code_of_mlx", ""))
    return needs


def _jobs(places: Places, needs: _Needs, closed: set[str], is_old: IsOld) -> Iterator[tuple[Path, bool]]:
    abandoned = {job.id for job in needs.abandoned}
    for folder in (places.root / "jobs").glob("*"):
        job = JobPlace(folder)
        done = job.id in closed and not job.is_supervised() and is_old(folder.stat().st_mtime)
        yield folder, done or job.id in abandoned


def _data(places: Places, needs: _Needs, is_old: IsOld) -> Iterator[tuple[Path, bool]]:
    for path in _files(places.objects):
        digest = path.parent.name + path.name
        used = max(path.stat().st_atime, path.stat().st_mtime)  # see `objects.use`
        yield path, digest not in needs.objects and is_old(used)


def _halves(places: Places, is_old: IsOld) -> Iterator[tuple[Path, bool]]:
    for path in _files(places.arriving):
        yield path, is_old(path.stat().st_mtime, _UNDER_WAY_DAYS) and not is_held(path)


def _environments(places: Places, needs: _Needs, is_old: IsOld) -> Iterator[tuple[Path, bool]]:
    for folder in places.environments.glob("*"):
        if folder.is_dir():
            held = is_held(folder.with_suffix(".lock"))
            old = is_old(environment.last_use(folder), _WARM_DAYS)
            yield folder, old and not held and folder.name not in needs.environments


def _versions(places: Places, needs: _Needs, is_old: IsOld) -> Iterator[tuple[Path, bool]]:
    for folder in places.code.glob("*"):
        needed = folder == own_code() or folder.name in needs.code
        noted = folder / _USED
        used = (noted if noted.exists() else folder).stat().st_mtime
        yield folder, not needed and is_old(used, _WARM_DAYS)


def use_own_code() -> None:
    """Note that this version of mlx is used now; the time of its folder stays, on which workers depend."""
    (own_code() / _USED).touch()


def own_code() -> Path:
    """Return the folder of the version of mlx that this process runs."""
    return Path(__file__).resolve().parents[3]


def _heap(places: Places, kind: str, things: Iterable[tuple[Path, bool]]) -> dict[str, Any]:
    sizes = [(path, useless, _size(path)) for path, useless in things]
    return {
        "kind": kind,
        "number": len(sizes),
        "bytes": sum(size for _, _, size in sizes),
        "waste": [
            [os.fspath(path.relative_to(places.root)), size] for path, useless, size in sizes if useless
        ],
    }


def _size(path: Path) -> int:
    """Return the bytes of a file, or of those in a folder that lie nowhere else."""
    if not path.is_dir():
        return path.stat().st_size
    sizes = 0
    for file in _files(path):
        state = file.lstat()
        sizes += state.st_size if state.st_nlink == 1 else 0
    return sizes


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)


def _remove(path: Path) -> dict[str, str] | None:
    """Remove a file or folder; returns why that failed."""
    try:
        if not path.is_dir():
            path.unlink()
        elif path.parent.name == "jobs":
            forget(JobPlace(path))
        else:
            environment.disown(path)
            shutil.rmtree(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return {"path": str(path), "reason": (error.strerror or str(error)).lower()}
    return None
