"""What a path in `mlx.yaml` must satisfy."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from mlxkit.project.flow import inside

if TYPE_CHECKING:
    from mlxkit.project.located import Problems, Value
    from mlxkit.project.models import Project

_OWN_FILES = ("mlx.yaml", "params.yaml", "dvc.yaml", "dvc.lock", "mlflow.db", "mlruns", "src", ".env")
_OWN_FOLDERS = (".git", ".dvc", ".mlx", ".venv")


def check_path(project: Project, item: Value, problems: Problems, *, section: str) -> None:
    """Note what is wrong with a path of a section; that of `outputs` is deleted, that of `code` is there."""
    path, normal = item.text, posixpath.normpath(item.text)
    if path and path.splitlines() != [path]:
        # DVC runs each line of a stage's command as a command of its own.
        problems.add(item, f"the path {path!r} has a line break, which no path may have here")
    elif "  " in path:
        # DVC folds a long command where it likes, and of spaces in a row it may read one again.
        problems.add(item, f"the path '{path}' has two spaces in a row, which DVC does not always keep")
    elif "${" in path:
        problems.add(item, f"'{path}' is taken as it is written, and no path may hold '${{'")
    elif not path or path.startswith(("/", "~")) or normal == "." or normal.split("/")[0] == "..":
        problems.add(item, f"'{path}' must be a path inside the project, relative to its root")
    elif normal != path.rstrip("/"):
        problems.add(item, f"write '{path}' as '{normal}'")
    elif section == "code" and not (project.root / path).exists():
        problems.add(item, f"there is no file '{path}'")
    elif section == "outputs" and (
        any(inside(own, normal) for own in (*_OWN_FILES, *_OWN_FOLDERS, f"src/{project.package}"))
        or any(inside(normal, own) for own in _OWN_FOLDERS)
    ):
        # Outputs are deleted before their stage runs.
        problems.add(item, f"'{path}' is the project's own, and no place for an output")
