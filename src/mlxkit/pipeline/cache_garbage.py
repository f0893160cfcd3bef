"""What of DVC's cache neither the workspace nor any commit needs, and the deletion of that.

Needed is what these name: the files of the working trees, every commit, the run cache's young entries, and
links into the cache. So is every young object. The listing of a directory needs the files that it lists.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.adapters import git_history
from mlxkit.errors import Refused, ToolError
from mlxkit.pipeline.cache_contents import Contents, content, is_key, made, read
from mlxkit.pipeline.garbage import TEMPORARY_DAYS, Age, Heap, Removal, Waste, readable
from mlxkit.pipeline.lockfile import NAMING_FILES, cache_folder, dvc_root, named_objects
from mlxkit.pipeline.workspace_garbage import Tree, scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlxkit.project.weight import Weight


@dataclass(frozen=True)
class CacheGarbage:
    """What lies in the cache, and which of it nothing needs."""

    contents: Contents
    objects: tuple[str, ...]
    runs: tuple[Path, ...]
    temporary: tuple[Path, ...]

    @property
    def heaps(self) -> tuple[Heap, ...]:
        """The same, by kind."""
        lie = self.contents
        objects = {lie.path_of(name): weight for name, weight in lie.objects.items()}
        return (
            _heap("objects", objects, tuple(lie.path_of(name) for name in self.objects)),
            _heap("runs to restore", lie.runs, self.runs),
            _heap("temporary files", lie.temporary, self.temporary),
        )


def _heap(kind: str, lie: Mapping[Path, Weight], useless: tuple[Path, ...]) -> Heap:
    waste = tuple(Waste(path, lie[path].size) for path in useless)
    return Heap("cache", kind, len(lie), sum(weight.size for weight in lie.values()), waste)


def shared_cache(root: Path) -> Path | None:
    """Return the folder of the cache, where it is not in this repository's `.dvc` and others may use it."""
    objects = cache_folder(root).resolve()
    return None if objects.is_relative_to((dvc_root(root) / ".dvc").resolve()) else objects.parents[1]


def look(root: Path, tree: Tree, age: Age) -> CacheGarbage:
    """Look at the cache of a project, whose DVC repository has the working tree `tree`.

    Raises:
        Refused: git's history is not whole here.
        ToolError: something that may name objects cannot be read.
    """
    with readable("what DVC's cache is needed for cannot be read"):
        lie = read(cache_folder(root))
        needed = _needed(root, tree, lie, age) if lie.objects or lie.runs else set()
    old_runs = [path for path, weight in lie.runs.items() if age.is_old(weight.changed)]
    return CacheGarbage(
        lie,
        tuple(sorted(lie.objects.keys() - needed)),
        tuple(path for path in old_runs if not _can_restore(path, needed)),
        tuple(
            path
            for path, weight in lie.temporary.items()
            if age.is_old(weight.changed, at_least=TEMPORARY_DAYS)
        ),
    )


def _needed(root: Path, tree: Tree, lie: Contents, age: Age) -> set[str]:
    """Return the names of all objects that something needs, whether they are here or not."""
    needed = {name for name, weight in lie.objects.items() if not age.is_old(weight.changed)}
    for path, weight in lie.runs.items():
        if not age.is_old(weight.changed):
            needed |= named_objects(content(path))
    for user in (tree, *_other_trees(root)):
        for path in user.naming:
            needed |= named_objects(content(path))
        needed |= _linked(user, lie.folder.resolve())
    for version in _committed(root, abandoned=age.days > 0):
        needed |= named_objects(version)
    listings = [name for name in needed if name.endswith(".dir") and name in lie.objects]
    return needed.union(*map(lie.listed, listings))


def _linked(tree: Tree, folder: Path) -> set[str]:
    return {"".join(link.relative_to(folder).parts) for link in tree.links if link.is_relative_to(folder)}


def _other_trees(root: Path) -> Iterator[Tree]:
    top = git_history.repository(root)
    if top is not None:
        others = [other for other in git_history.worktrees(root) if other.resolve() != top.resolve()]
        yield from map(scan, others)


def _committed(root: Path, *, abandoned: bool) -> Iterator[bytes]:
    if git_history.repository(root) is None:
        return
    if git_history.is_shallow(root):
        raise Refused(
            "this clone lacks the older part of git's history, and what that needs of the cache is unknown",
            context=[str(dvc_root(root))],
            hint="run `git fetch --unshallow`",
        )
    yield from git_history.versions(root, NAMING_FILES, abandoned=abandoned)


def _can_restore(run: Path, needed: set[str]) -> bool:
    outputs = made(run)
    return bool(outputs) and outputs <= needed


def delete(garbage: CacheGarbage, removal: Removal) -> None:
    """Delete what nothing needs; what names other things goes before them, so that half of it does no harm.

    Where something cannot be deleted, what it names stays too.
    """
    lie = garbage.contents
    kept = {name for run in _delete_runs(garbage, removal) for name in made(run)}
    listings = [name for name in garbage.objects if name.endswith(".dir")]
    for name in listings:
        if name in kept or not removal.remove(Waste(lie.path_of(name), lie.objects[name].size)):
            kept |= _listed_if_sound(lie, name)
    for name in garbage.objects:
        if name not in kept and not name.endswith(".dir"):
            removal.remove(Waste(lie.path_of(name), lie.objects[name].size))
    for path in garbage.temporary:
        if not is_key(path.parent):
            removal.remove(Waste(path, lie.temporary[path].size))


def _listed_if_sound(lie: Contents, name: str) -> set[str]:
    with suppress(ToolError, OSError):
        return lie.listed(name)
    return set()


def _delete_runs(garbage: CacheGarbage, removal: Removal) -> Iterator[Path]:
    """Delete entries of the run cache with what is half-written beside them; yield those that stay."""
    weights = {**garbage.contents.runs, **garbage.contents.temporary}
    by_key: dict[Path, list[Waste]] = defaultdict(list)
    for path in (*garbage.runs, *(path for path in garbage.temporary if is_key(path.parent))):
        by_key[path.parent].append(Waste(path, weights[path].size))
    for key, waste in by_key.items():
        if {path.name for path in key.iterdir()} == {one.path.name for one in waste}:
            yield from () if _delete_key(key, waste, removal) else (one.path for one in waste)
        else:
            yield from (one.path for one in waste if not removal.remove(one))


def _delete_key(key: Path, waste: list[Waste], removal: Removal) -> bool:
    """Take a folder of the run cache away in one step: DVC fails where it finds one that is empty."""
    gone = key.with_name(f".{key.name}.{secrets.token_urlsafe(16)}.tmp")
    try:
        key.rename(gone)
    except OSError as error:
        return removal.fail(key, error)
    for one in waste:
        removal.remove(Waste(gone / one.path.name, one.size))
    try:
        gone.rmdir()
    except OSError as error:
        removal.fail(gone, error)
    return True
