"""What travels to another machine for a job: mlx itself, and the data that the job reads."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import mlxkit
from mlxkit.targets.box.objects import listed, listing_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NEVER = (1980, 1, 1, 0, 0, 0)


@cache
def own_code() -> tuple[str, dict[str, bytes]]:
    """Return a name for this version of mlx's code, and its files: path -> content."""
    package = Path(mlxkit.__file__).parent
    files = {
        file.relative_to(package.parent).as_posix(): file.read_bytes()
        for file in sorted(package.rglob("*.py"))
        if "templates" not in file.relative_to(package).parts
    }
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:20], files


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return files as a zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(zipfile.ZipInfo(name, _NEVER), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def sources(root: Path, cache_folder: Path, reads: Mapping[str, str]) -> dict[str, Path | bytes]:
    """Find each object that a job reads: hash -> its file here, or its content where there is no file.

    Args:
        root: the project.
        cache_folder: where DVC keeps objects by md5.
        reads: path -> hash, of files and folders.
    """
    found: dict[str, Path | bytes] = {}
    for path, digest in reads.items():
        for name, inner in _parts(root / path, cache_folder, digest, found):
            stored = cache_folder / name[:2] / name[2:]
            found[name] = stored if stored.is_file() else root / path / inner
    return found


def _parts(
    place: Path, cache_folder: Path, digest: str, found: dict[str, Path | bytes]
) -> Iterator[tuple[str, str]]:
    """Yield hash and relative path of what an input consists of; a folder's listing is put among `found`."""
    if not digest.endswith(".dir"):
        yield digest, ""
        return
    stored = cache_folder / digest[:2] / digest[2:]
    if stored.is_file():
        entries = json.loads(stored.read_bytes())
        found[digest] = stored
    else:
        entries = listing_of(place)
        if listed(entries) != digest:  # somebody changes it just now, and will be told at the end
            raise FileNotFoundError(f"{place} is not what it was")
        found[digest] = json.dumps(entries).encode()
    for entry in entries:
        yield entry["md5"], entry["relpath"]
