"""Data by its content: what the box has, what a job gets to read, and what it made."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.targets.box.places import Refused, locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlxkit.targets.box.places import JobPlace, Places

_CHUNK = 1 << 20
_READ_ONLY = 0o444


def prepare(places: Places, request: Mapping[str, Any]) -> dict[str, Any]:
    """Make the folder of a job, and say which of the objects that it reads are not here.

    `missing` maps their hashes to the bytes that are here, of a transfer that broke.
    """
    job = places.job(request["job"])
    job.work.mkdir(parents=True, exist_ok=True)
    with locked(places.taking, shared=True):
        job.write("wants", {"objects": request["objects"]})
        for digest in request["objects"]:
            _use(places.object(digest))
    missing = [digest for digest in request["objects"] if not places.object(digest).exists()]
    return {
        "missing": {digest: _begun(places.arriving / digest) for digest in missing},
        "rsync": shutil.which("rsync") is not None,
        "work": str(job.work),
    }


def _use(stored: Path) -> None:
    """Note that an object is used now, as its last access: not every system does so itself."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        os.utime(stored, ns=(time.time_ns(), stored.stat().st_mtime_ns))


def lay_out(places: Places, job: JobPlace, reads: Mapping[str, str]) -> None:
    """Put what a job reads into its folder: path -> hash. Files share their blocks with the cache.

    Raises:
        Refused: an object is not here.
    """
    for path, digest in reads.items():
        place = job.work / path
        if not digest.endswith(".dir"):
            _lay(places, digest, place)
            continue
        place.mkdir(parents=True, exist_ok=True)
        for entry in _listing(places, digest):
            _lay(places, entry["md5"], place / entry["relpath"])


def listing_of(folder: Path) -> list[dict[str, str]]:
    """Return `relpath` and `md5` of each file in a folder, in DVC's order."""
    entries = [{"md5": md5(file), "relpath": file.relative_to(folder).as_posix()} for file in _files(folder)]
    return sorted(entries, key=lambda entry: entry["relpath"])


def listed(entries: list[dict[str, str]]) -> str:
    """Return DVC's hash of a folder from its listing."""
    text = json.dumps(entries, sort_keys=True)
    return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"


def hash_of(path: Path) -> str | None:
    """Return the hash of a file or folder as DVC counts it; None where there is nothing."""
    if path.is_dir():
        return listed(listing_of(path))
    return md5(path) if path.exists() else None


def md5(path: Path) -> str:
    """Hash a file."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _listing(places: Places, digest: str) -> list[dict[str, str]]:
    try:
        return list(json.loads(places.object(digest).read_bytes()))
    except FileNotFoundError:
        raise _lost(digest) from None


def _lay(places: Places, digest: str, place: Path) -> None:
    """Link a file to its object, which nobody may write to; copy it where links are not possible."""
    source = places.object(digest)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    try:
        source.chmod(_READ_ONLY)
        os.link(source, place)
    except FileNotFoundError:
        raise _lost(digest) from None
    except OSError:
        shutil.copyfile(source, place)


def _begun(arriving: Path) -> int:
    """Return how much of an object has arrived, bytes."""
    try:
        return arriving.stat().st_size
    except FileNotFoundError:
        return 0


def _lost(digest: str) -> Refused:
    return Refused(f"the object {digest} is not on the box any more", hint="run the same command again")


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            yield Path(parent, name)


def forget(place: JobPlace) -> None:
    """Remove the folder of a job, with what it was not allowed to write to."""
    for parent, _, _ in os.walk(place.folder):
        with contextlib.suppress(OSError):
            Path(parent).chmod(0o700)
    shutil.rmtree(place.folder)
