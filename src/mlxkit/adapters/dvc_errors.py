"""DVC's errors in mlx's own words."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.errors import FREE_SPACE, NO_SPACE, ToolError, is_full_disk, of_the_machine

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def translated() -> Iterator[None]:
    """Turn DVC's errors into ToolError."""
    import sqlite3

    from dvc.exceptions import DvcException

    try:
        yield
    except (DvcException, OSError, sqlite3.Error) as error:
        raise _explained(error) from error


def _explained(error: Exception) -> ToolError:
    import sqlite3

    from dvc.exceptions import CacheLinkError
    from dvc.utils.strictyaml import YAMLValidationError

    if is_full_disk(error):
        return ToolError(f"DVC failed: {NO_SPACE}", hint=FREE_SPACE)
    if isinstance(error, CacheLinkError):
        return ToolError(
            "DVC cannot link a file to its cache: `cache.type` allows no kind of link that works here",
            context=list(error.fs_paths),
            hint="run `dvc config --local cache.type copy`",
        )
    if isinstance(error, YAMLValidationError):
        return ToolError(
            f"DVC cannot read '{Path(error.path).as_posix()}'",
            context=[_described(found) for found in error.exc.errors[:3]],
            hint="see the line with `dvc status`",
        )
    if isinstance(error, sqlite3.Error):
        return ToolError(
            f"DVC cannot use its database of hashes: {error}",
            hint="look at the folder that `dvc doctor` calls 'Repo.site_cache_dir'; it may be deleted",
        )
    if isinstance(error, OSError):
        file = Path(error.filename) if error.filename else None
        broken = file is not None and file.is_symlink() and not file.exists()
        known = of_the_machine(error)
        otherwise = known.hint if known is not None else "run `mlx doctor`"
        return ToolError(
            f"DVC failed: {error.strerror or error}",
            context=[str(file)] if file is not None else [],
            hint=f"remove the broken link '{file}'" if broken else otherwise,
        )
    first, *rest = str(error).splitlines() or [type(error).__name__]
    cause = [str(error.__cause__)] if error.__cause__ else []
    return ToolError(
        f"DVC failed: {first}", context=[*rest[:3], *cause[:1]], hint="run `dvc status` and `mlx doctor`"
    )


def _described(found: Any) -> str:
    """Say what DVC's schema does not allow, and where."""
    where = ".".join(str(part) for part in found.path)
    return f"{where}: {found.error_message}"


def unknown_hash(root: Path, file: Path, path: str, name: str) -> ToolError:
    """Say that a dvc.lock or a `.dvc` file records a path by a hash that DVC does not have."""
    shown = file.relative_to(root).as_posix()
    named = re.compile(rf"\bhash:\s*['\"]?{re.escape(name)}\b")
    lines = file.read_text(encoding="utf-8").splitlines()
    line = next((number for number, text in enumerate(lines, start=1) if named.search(text)), 1)
    return ToolError(
        f"'{shown}' records a hash that DVC does not have: '{name}', of '{os.path.relpath(path, root)}'",
        context=[f"{shown}:{line}: {lines[line - 1].strip('- ')}"],
        hint=f"run `git checkout -- {shlex.quote(shown)}`, or write `hash: md5` there with the content's md5",
    )
