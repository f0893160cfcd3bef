"""What lies in DVC's cache: objects, entries of the run cache, half-written files."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.adapters.dvc_files import TEMPORARY
from mlxkit.errors import ToolError
from mlxkit.pipeline.lockfile import named_objects
from mlxkit.project.weight import Weight, weight, weight_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PREFIX = re.compile(r"[0-9a-f]{2}")
_OBJECT = re.compile(r"[0-9a-f]{30}(?:\.dir)?")
_ENTRY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Contents:
    """What lies in the cache.

    Attributes:
        folder: that of the objects.
        objects: by name; `runs` and `temporary` by path.
        runs: entries of the run cache, which bring back what a stage once made of some inputs.
        temporary: half-written files.
    """

    folder: Path
    objects: Mapping[str, Weight]
    runs: Mapping[Path, Weight]
    temporary: Mapping[Path, Weight]

    def path_of(self, name: str) -> Path:
        """Return where an object lies."""
        return self.folder / name[:2] / name[2:]

    def listed(self, name: str) -> set[str]:
        """Return the objects that a directory's listing names; none, if it is not here.

        Raises:
            ToolError: the listing is damaged.
        """
        path = self.path_of(name)
        try:
            return {entry["md5"] for entry in json.loads(path.read_bytes())}
        except FileNotFoundError:
            return set()
        except (ValueError, TypeError, KeyError) as error:
            raise ToolError(
                "a directory's listing in DVC's cache is damaged, so what it needs is unknown",
                context=[str(path)],
                hint=f"run `rm -f '{path}'`, then `dvc fetch` or `mlx run`",
            ) from error


def read(folder: Path) -> Contents:
    """Read what lies in the cache whose objects are in `folder`."""
    runs = folder.parents[1] / "runs"
    temporary = _temporary(folder)
    for prefix in _entries(runs):
        temporary.update(_temporary(prefix))
    return Contents(folder, _objects(folder), _runs(runs), temporary)


def content(path: Path) -> bytes:
    """Return what a file holds: nothing, if it is gone meanwhile or a link that leads nowhere."""
    with suppress(FileNotFoundError, IsADirectoryError):
        return path.read_bytes()
    return b""


def made(run: Path) -> set[str]:
    """Return the outputs that an entry of the run cache names."""
    return named_objects(content(run).partition(b"\nouts:")[2])


def is_key(folder: Path) -> bool:
    """Whether a folder holds all entries of the run cache for the same inputs."""
    return _ENTRY.fullmatch(folder.name) is not None


def _objects(folder: Path) -> dict[str, Weight]:
    objects = {}
    for prefix in _entries(folder):
        if _PREFIX.fullmatch(prefix.name) and prefix.is_dir(follow_symlinks=False):
            for entry in _entries(prefix):
                if _OBJECT.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        info = entry.stat(follow_symlinks=False)
                        objects[f"{prefix.name}{entry.name}"] = weight_of(info)
    return objects


def _runs(folder: Path) -> dict[Path, Weight]:
    return {
        Path(entry.path): weight(Path(entry.path))
        for prefix in _entries(folder)
        for key in _entries(prefix)
        for entry in _entries(key)
        if _ENTRY.fullmatch(key.name) and _ENTRY.fullmatch(entry.name)
    }


def _temporary(folder: Path | os.DirEntry[str]) -> dict[Path, Weight]:
    """Return the half-written files in a folder and in the folders there."""
    found = {}
    for entry in _entries(folder):
        for candidate in (entry, *_entries(entry)):
            if TEMPORARY.fullmatch(candidate.name):
                with suppress(FileNotFoundError):
                    found[Path(candidate.path)] = weight(Path(candidate.path))
    return found


def _entries(folder: Path | os.DirEntry[str]) -> Iterator[os.DirEntry[str]]:
    """Yield what a folder holds, in order; nothing, if there is none or it is a link."""
    if isinstance(folder, os.DirEntry) and not folder.is_dir(follow_symlinks=False):
        return
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from sorted(entries, key=lambda entry: entry.name)
