"""The files of a job on their way: code and data to the box, and home what it made.

Each step may be done again after the line broke: what arrived before that need not travel twice.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.adapters.rsync import Copier
from mlxkit.adapters.ssh import LineBroken
from mlxkit.errors import ToolError
from mlxkit.targets.box.objects import hash_of
from mlxkit.targets.box.places import TRACKING
from mlxkit.targets.parcel import sources
from mlxkit.targets.sending import send_objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.targets.base import Parcel
    from mlxkit.targets.line import Line
    from mlxkit.targets.remote_job import RemoteJob


class Transfer:
    """Carries files between a project's `root` and the machine of a line.

    What is under way lies below `folder`, one folder a job.
    """

    def __init__(self, line: Line, root: Path, folder: Path) -> None:
        self._line, self._root, self._folder = line, root, folder

    def send(self, remote: RemoteJob, parcel: Parcel) -> None:
        """Send the code, and of the data what the box does not have.

        Raises:
            LineBroken: the line broke.
            ToolError: the machine has no room, or refuses; or data changed meanwhile.
        """
        objects = sources(self._root, parcel.cache, parcel.reads)
        answer = self._line.call("prepare", {"job": remote.id, "objects": list(objects)})
        remote.lacks = dict(answer["missing"])
        remote.phase = "sending code"
        work, copier = answer["work"], self._copier(there=answer["rsync"])
        copier.send(self._root, parcel.files, work, like=self._last_work(remote, work))
        send_objects(self._line, remote.id, objects, remote.lacks, remote.tell)

    def fetch(self, remote: RemoteJob, made: Mapping[str, str], *, logged: bool) -> None:
        """Bring home what a job made, and the store that it logged to, if it has `logged` anything.

        Raises:
            LineBroken: the line broke.
            ToolError: there is no room here, or outputs do not arrive as they are there.
        """
        copier = self._copier(there=remote.rsync)
        if logged:
            copier.fetch(str(Path(remote.work).parent), [TRACKING], self._folder / remote.id)
        if made:
            remote.phase = "bringing its outputs home"
            home = self._folder / remote.id / "home"
            try:
                self._fetch_into(home, remote, copier, made)
            except LineBroken:
                raise
            except ToolError:  # half of it would keep a full disk full
                shutil.rmtree(home, ignore_errors=True)
                raise
            for path in made:
                _put(home / path, self._root / path)
            shutil.rmtree(home, ignore_errors=True)

    def _copier(self, *, there: bool) -> Copier:
        return Copier(self._line.ssh, self._line.target.name, there=there)

    def _last_work(self, remote: RemoteJob, work: str) -> str:
        """Return where the last job's code lies on the box, of which equal files need not be sent again."""
        jobs = [file.parent for file in self._folder.glob("*/job.json") if file.parent.name != remote.id]
        last = max(jobs, key=lambda folder: folder.stat().st_mtime, default=None)
        return work.replace(remote.id, last.name) if last is not None else ""

    def _fetch_into(self, home: Path, remote: RemoteJob, copier: Copier, made: Mapping[str, str]) -> None:
        """Bring outputs into a folder here, as they are there; twice, if they are others at first."""
        for _ in range(2):
            copier.fetch(remote.work, list(made), home)
            wrong = [path for path, digest in made.items() if hash_of(home / path) != digest]
            if not wrong:
                return
            shutil.rmtree(home, ignore_errors=True)
        raise ToolError(
            f"'{wrong[0]}' does not arrive as it is on the box", hint=f"run `mlx jobs fetch {remote.id}`"
        )


def _put(made: Path, place: Path) -> None:
    """Move an output to its place, which may be on another disk, and where an old one may be."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(made, place)
