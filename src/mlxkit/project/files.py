"""Files written so that a reader sees the old content or the new, never a half, or read as empty."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from mlxkit.errors import DataError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step; its permissions are kept, and nothing is left behind on failure.

    A symbolic link stays one: the file that it names is replaced.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_report(path: Path, text: str) -> None:
    """Write a file that the user named on the command line.

    Raises:
        DataError: it cannot be written there.
    """
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"'{path}' cannot be written: {reason}", hint="name another file") from error


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a JSON file; one that is not there, or holds no mapping, counts as empty."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def umask() -> int:
    """Return the permissions that new files of this process lack."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def leftovers(path: Path) -> list[Path]:
    """Return what `write_atomically` left beside a file when its process was killed."""
    path = path.resolve()
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}")
    if not path.parent.is_dir():
        return []
    return [entry for entry in path.parent.iterdir() if pattern.fullmatch(entry.name)]
