"""DVC's errors in mlx's own words."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def translated() -> Iterator[None]:
    """Turn DVC's errors into ToolError."""
    from dvc.exceptions import CacheLinkError, DvcException
    from dvc.utils.strictyaml import YAMLValidationError

    try:
        yield
    except CacheLinkError as error:
        raise ToolError(
            "DVC cannot link a file to its cache: `cache.type` allows no kind of link that works here",
            context=list(error.fs_paths),
            hint="run `dvc config --local cache.type copy`",
        ) from error
    except YAMLValidationError as error:
        raise ToolError(
            f"DVC cannot read '{Path(error.path).as_posix()}'",
            context=[_described(found) for found in error.exc.errors[:3]],
            hint="see the line with `dvc status`",
        ) from error
    except DvcException as error:
        first, *rest = str(error).splitlines() or [type(error).__name__]
        cause = [str(error.__cause__)] if error.__cause__ else []
        raise ToolError(
            f"DVC failed: {first}", context=[*rest[:3], *cause[:1]], hint="run `dvc status` and `mlx doctor`"
        ) from error
    except OSError as error:
        file = Path(error.filename) if error.filename else None
        broken = file is not None and file.is_symlink() and not file.exists()
        raise ToolError(
            f"DVC failed: {error.strerror or error}",
            context=[str(file)] if file is not None else [],
            hint=f"remove the broken link '{file}'" if broken else "run `mlx doctor`",
        ) from error


def _described(found: Any) -> str:
    """Say what DVC's schema does not allow, and where."""
    where = ".".join(str(part) for part in found.path)
    return f"{where}: {found.error_message}"
