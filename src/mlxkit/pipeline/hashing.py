"""Content hashes as DVC computes them, with a memo so that an unchanged file is read once.

A file is its md5; a directory is the md5 of DVC's JSON listing of its files, followed by `.dir`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.errors import DataError
from mlxkit.pipeline.lockfile import dvc_root
from mlxkit.project.files import read_mapping, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_CACHE_OBJECT = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")
_ALWAYS_IGNORED = (".git", ".hg", ".dvc")
_UNSAFE_AGE_NS = 2_000_000_000
"""A file hashed this soon after its last change may change again within the same timestamp.

One from the future too, once a clock that was ahead is right again.
"""


class Hasher:
    """Hashes paths below a project's root; remembers by inode, size and modification time."""

    def __init__(self, root: Path, memo: Path) -> None:
        self._root, self._above = root, len(os.fspath(root)) + 1
        self._dvc_root = dvc_root(root)
        self._memo_path = memo
        self._memo: dict[str, object] = read_mapping(self._memo_path)
        self._changed = False

    def hash(self, path: str) -> str | None:
        """Return the hash of a file or directory, or None when it is not there.

        A directory that links to a cache which is somewhere else by now is not there.

        Raises:
            DataError: it is there and cannot be read.
        """
        full = self._root / path
        try:
            info = full.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return (
                self._hash_directory(full)
                if stat.S_ISDIR(info.st_mode)
                else self._hash_file(os.fspath(full), info)
            )
        except OSError as error:
            file = Path(error.filename or full)
            if _leads_to_no_cache(file):
                return None
            raise DataError(
                f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}",
                context=[str(file)],
                hint=f"remove the broken link '{file}'" if file.is_symlink() else f"ls -l '{file}'",
            ) from error

    def is_here(self, path: str) -> bool:
        """Whether a path is there, without reading it."""
        full = self._root / path
        inside = (Path(folder, name) for folder, _, names in os.walk(full) for name in names)
        return full.exists() and not any(_leads_to_no_cache(file) for file in inside)

    def save(self) -> None:
        """Write the memo, if anything was learned; a memo that cannot be written costs only time."""
        if not self._changed:
            return
        try:
            write_atomically(self._memo_path, json.dumps(self._memo).encode())
        except OSError:
            self._changed = False

    def _hash_directory(self, folder: Path) -> str:
        """Hash a directory. Its paths are plain text: of many files, Path objects take most of the time."""
        above = len(os.fspath(folder)) + 1
        listing = []
        for parent, names in self._walk(folder):
            for name in names:
                file = f"{parent}/{name}"
                digest = self._hash_file(file, os.stat(file))  # noqa: PTH116
                listing.append({"md5": digest, "relpath": file[above:]})
        return hash_listing(listing)

    def _walk(self, folder: Path) -> Iterator[tuple[str, list[str]]]:
        """Go through a directory's folders and the names of their files, without what DVC ignores."""
        if any(_has_patterns(parent / ".dvcignore") for parent in self._folders_down_to(folder)):
            from mlxkit.adapters.dvc import walk

            yield from walk(self._dvc_root, folder)
            return
        for parent, folders, names in os.walk(folder, followlinks=True):
            folders[:] = [name for name in folders if name not in _ALWAYS_IGNORED]
            yield parent, [name for name in names if name != ".git"]

    def _folders_down_to(self, folder: Path) -> Iterator[Path]:
        for parent in (folder, *folder.parents):
            yield parent
            if parent == self._dvc_root:
                break

    def _hash_file(self, file: str, info: os.stat_result) -> str:
        key = file[self._above :]
        signature = [info.st_ino, info.st_size, info.st_mtime_ns]
        known = self._memo.get(key)
        if isinstance(known, list) and len(known) == 4 and known[:3] == signature:
            return str(known[3])
        # Not afterwards: to read it all may take longer than that.
        age = time.time_ns() - info.st_mtime_ns
        digest = hashlib.md5(usedforsecurity=False)
        with Path(file).open("rb") as content:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
        value = digest.hexdigest()
        if age > _UNSAFE_AGE_NS:
            self._memo[key] = [*signature, value]
            self._changed = True
        return value


def hash_listing(entries: list[dict[str, str]]) -> str:
    """Hash a directory as DVC does, from the `relpath` and `md5` of each file in it."""
    listing = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True)
    return f"{hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest()}.dir"


def _leads_to_no_cache(file: Path) -> bool:
    """Whether a file is a link to an object of a DVC cache that is not there."""
    return file.is_symlink() and not file.exists() and bool(_CACHE_OBJECT.search(str(file.readlink())))


def _has_patterns(file: Path) -> bool:
    """Whether there is a `.dvcignore` that says more than the comments of a new one."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip() and not line.startswith("#") for line in lines)
