"""The workspace: what its files name in the cache, and what dead processes left among them."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.adapters import git, git_history
from mlxkit.adapters.dvc_files import TEMPORARY
from mlxkit.adapters.mlflow_moved import ARTIFACTS
from mlxkit.adapters.mlflow_store import DATABASE
from mlxkit.pipeline.dvc_yaml import DVC_FILE
from mlxkit.pipeline.garbage import TEMPORARY_DAYS, Age, Heap, Waste, readable
from mlxkit.pipeline.lockfile import LOCK_FILE, dvc_root
from mlxkit.project.files import leftovers
from mlxkit.project.models import PARAMS_FILE
from mlxkit.project.weight import weight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlxkit.project.models import Project

_REPORT = re.compile(r"\..+\.html?\.[0-9a-f]{32}")
_RECORDING = "record-"
_STATE = (".dvc", ".mlx")
# The artifacts of a run hold its dvc.lock, which is a record of the run and no need of the workspace.
_OF_TOOLS = (".git", ".hg", ARTIFACTS, "mlartifacts")


@dataclass(frozen=True)
class Tree:
    """One working tree.

    Attributes:
        naming: its dvc.lock and `.dvc` files.
        links: what its symbolic links lead to.
        temporary: files with names that only a process under way gives.
        number, size: of the user's own files.
    """

    naming: tuple[Path, ...]
    links: frozenset[Path]
    temporary: tuple[Path, ...]
    number: int
    size: int


def scan(folder: Path) -> Tree:
    """Go through a working tree, without virtual environments, DVC's cache and MLflow's artifacts.

    Raises:
        ToolError: a folder cannot be read, and with it what it names in the cache.
    """
    naming, links, temporary, number, size = [], set(), [], 0, 0
    with readable("the workspace cannot be read, and with it what it needs of the cache"):
        for entry, own in _walk(folder, own=True):
            if entry.is_symlink():
                links.add(Path(os.path.realpath(entry.path)))
            if entry.name == LOCK_FILE or entry.name.endswith(".dvc"):
                naming.append(Path(entry.path))
            if TEMPORARY.fullmatch(entry.name) or _REPORT.fullmatch(entry.name):
                temporary.append(Path(entry.path))
            if own:
                with suppress(FileNotFoundError):
                    number, size = number + 1, size + entry.stat(follow_symlinks=False).st_size
    return Tree(tuple(naming), frozenset(links), tuple(temporary), number, size)


def _walk(folder: Path, *, own: bool) -> Iterator[tuple[os.DirEntry[str], bool]]:
    """Yield every file below a folder, and whether it is the user's own."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    if any(entry.name == "pyvenv.cfg" for entry in found):
        return
    for entry in found:
        if not entry.is_dir(follow_symlinks=False):
            yield entry, own and not entry.name.startswith(DATABASE)
        elif entry.name not in _OF_TOOLS and not (entry.name == "cache" and folder.name == ".dvc"):
            yield from _walk(Path(entry.path), own=own and entry.name not in _STATE)


def heaps(project: Project, tree: Tree, age: Age) -> tuple[Heap, ...]:
    """Return what lies in a project's workspace, whose DVC repository has the working tree `tree`.

    Raises:
        ToolError: some of it cannot be read.
    """
    logs = sorted((project.state_dir / "logs").glob("*.log"))
    known = [log for log in logs if log.stem in project.stages or log.stem.startswith(_RECORDING)]
    left = _untracked(project.root, sorted({*_left(project), *tree.temporary}))
    with readable("the workspace cannot be read"):
        return (
            Heap("workspace", "files", tree.number, tree.size),
            _heap("logs of stages", logs, [log for log in logs if log not in known], age),
            _heap("temporary files", left, left, Age(max(age.days, TEMPORARY_DAYS), age.now)),
        )


def _heap(kind: str, paths: list[Path], useless: list[Path], age: Age) -> Heap:
    weights = {path: weight(path) for path in paths}
    waste = tuple(Waste(path, weights[path].size) for path in useless if age.is_old(weights[path].changed))
    return Heap("workspace", kind, len(paths), sum(one.size for one in weights.values()), waste)


def _untracked(root: Path, paths: list[Path]) -> list[Path]:
    """Return those that git does not have: whatever they are called, what it has is the user's."""
    top = git_history.repository(root)
    inside = [os.path.relpath(path, root) for path in paths if top is not None and path.is_relative_to(top)]
    known = git.tracked(root, inside)
    tracked = [Path(os.path.normpath(root / path)) for path in known]
    return [path for path in paths if not any(file.is_relative_to(path) for file in tracked)]


def _left(project: Project) -> Iterator[Path]:
    """Yield what mlx leaves beside the files that it writes, when it is killed meanwhile."""
    root, state = project.root, project.state_dir
    for file in (root / LOCK_FILE, root / DVC_FILE, root / PARAMS_FILE):
        yield from leftovers(file)
    for file in (state / "memo.json", state / "recorded.json"):
        yield from leftovers(file)
    if project.model_path is not None:
        model = root / project.model_path
        beside = (model.with_name(f".{model.name}.{end}") for end in ("new", "old"))
        yield from (path for path in beside if path.exists())
    yield from (state / "models").glob(".fetch-*")
    yield from _named(root, rf"\.{re.escape(DATABASE)}\.\d+(-journal)?")
    yield from _named(dvc_root(root) / ".dvc" / "tmp", r"tmp[a-z0-9_]{8}")


def _named(folder: Path, pattern: str) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if re.fullmatch(pattern, path.name)]
