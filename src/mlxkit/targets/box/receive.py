"""Objects as they arrive: one stream of their bytes, hashed while it is written.

Each goes into the cache once it is whole, and only if it is what its name says. What of one arrived before
the line broke stays, and the next stream goes on there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlxkit.errors import is_full_disk
from mlxkit.targets.box.places import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future
    from io import BufferedReader, BytesIO

    from mlxkit.targets.box.places import JobPlace, Places

_CHUNK, _PIECES = 1 << 20, 16
_POLL_SECONDS = 0.02
_NUMBER_BYTES = 20


def receive(places: Places, request: Mapping[str, Any], stream: BufferedReader | BytesIO) -> dict[str, Any]:
    """Take objects from a stream.

    Args:
        places: the box's folder.
        request: `job`, for which they come, and `objects`, a list of hash, size and the byte at which the
            stream begins with it.
        stream: their bytes, one object after the other.

    Returns:
        `broken`, the hashes of those that are not what they are called, and `whole`, whether all came.
    """
    places.arriving.mkdir(parents=True, exist_ok=True)
    places.objects.mkdir(parents=True, exist_ok=True)
    for number in range(256):
        (places.objects / f"{number:02x}").mkdir(exist_ok=True)
    broken: list[str] = []
    with _instead_of_another(places.job(request["job"])):
        for digest, size, start in request["objects"]:
            take = _take_small if size <= _CHUNK and start == 0 else _take_large
            found = take(places, digest, stream, size, start)
            if found is None:
                return {"broken": broken, "whole": False}
            # What somebody else has sent, too, and was first, is there all the same.
            if found != digest.removesuffix(".dir") and not places.object(digest).exists():
                broken.append(digest)
    return {"broken": broken, "whole": True}


@contextlib.contextmanager
def _instead_of_another(job: JobPlace) -> Iterator[None]:
    """End the process that took a job's objects before: its line fell silent, and nobody told it so.

    It would hold for hours what arrived by it, while a job has one sender at a time.
    """
    descriptor = os.open(job.receiving, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                number = os.pread(descriptor, _NUMBER_BYTES, 0)
                if number and _receives(int(number)):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(number), signal.SIGKILL)
                time.sleep(_POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _receives(number: int) -> bool:
    """Whether a process takes objects: who has just got the lock has not written its own number yet.

    The one of before may belong to anything by now. A system without /proc does not tell.
    """
    process = Path("/proc", str(number))
    try:
        return b"mlxkit.targets.box\0receive\0" in (process / "cmdline").read_bytes()
    except OSError:
        return not process.parent.is_dir()


def _take_small(
    places: Places, digest: str, stream: BufferedReader | BytesIO, size: int, start: int
) -> str | None:
    """Take an object that needs no trace of it when the line breaks; see `_take_large`."""
    del start
    content = stream.read(size)
    if len(content) < size:
        return None
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found == digest.removesuffix(".dir"):
        replace(places.object(digest), content)
    return found


def _take_large(
    places: Places, digest: str, stream: BufferedReader | BytesIO, size: int, start: int
) -> str | None:
    """Take an object into the cache if it is what it is called.

    Returns its md5, which is "" where what came before is gone; None if the stream ended too early.
    """
    with _arriving(places.arriving / digest) as (path, file):
        try:
            found = _write(file, stream, size, start)
        except OSError as error:
            if is_full_disk(error):  # half of it would keep the disk full for others
                path.unlink(missing_ok=True)
            raise
        if found == digest.removesuffix(".dir"):
            os.replace(path, places.object(digest))  # noqa: PTH105
        elif found is not None:
            path.unlink()
    return found


def _write(file: BinaryIO, stream: BufferedReader | BytesIO, size: int, start: int) -> str | None:
    """Write bytes to a file from `start` on; see `_take_large`."""
    digest = hashlib.md5(usedforsecurity=False)
    before, left = 0, size - start
    while before < start and (chunk := file.read(min(_CHUNK, start - before))):
        digest.update(chunk)
        before += len(chunk)
    file.truncate(before)
    with ThreadPoolExecutor(1) as hasher:  # while the next piece comes
        hashed: deque[Future[None]] = deque()
        while left and (chunk := stream.read1(min(_CHUNK, left))):
            hashed.append(hasher.submit(digest.update, chunk))
            file.write(chunk)
            left -= len(chunk)
            if len(hashed) == _PIECES:
                hashed.popleft().result()
    file.flush()
    if left:
        return None
    return digest.hexdigest() if before == start else ""


@contextlib.contextmanager
def _arriving(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a file for an object that nobody else writes to meanwhile: that one, else another beside it."""
    while True:
        with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:  # noqa: PTH123
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # somebody else sends it at this moment, too
                path = path.with_name(f"{path.name}.{os.getpid()}")
                continue
            if _is(file, path):
                yield path, file
                return


def _is(file: BinaryIO, path: Path) -> bool:
    """Whether a file is still the one of that name: who had the lock before may have moved it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
