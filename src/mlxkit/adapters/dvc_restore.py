"""Outputs of a stage back without running it: from DVC's cache, its run cache, or the remote behind them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Restorer:
    """Brings outputs back in one open DVC repository, under the lock that its caller holds.

    A remote that failed once is not asked again: each try may take minutes.
    """

    def __init__(self, repo: Any, waiting: Callable[[str], None], warned: Callable[[str], None]) -> None:
        self._repo, self._waiting, self._warned = repo, waiting, warned
        self._failed_remote: str | None = None

    def checkout(self, stage: Any) -> bool:
        """Bring outputs back as dvc.lock has them; returns whether they are there now.

        What is in the workspace already fills the cache, when that lacks it.
        """
        if not all(out.hash_info for out in stage.outs):
            return False
        for out in stage.outs:
            _unlink_broken(Path(out.fs_path))
        kept = [out for out in stage.outs if out.use_cache and _lacks(out) and not out.workspace_status()]
        for out in kept:
            # A link may point to the cache of another folder, of which this one was copied.
            out.unprotect()
            out.commit(relink=not stage.is_data_source)
        lacking = [out for out in stage.outs if out.use_cache and _lacks(out)]
        source = stage.deps[0].def_repo["url"] if stage.is_repo_import else None
        if lacking and not self._fetch(
            lacking, lambda: self._repo.fetch(targets=[stage.addressing]), source=source
        ):
            return False
        if not stage.is_data_source:
            _make_way(stage.outs)
        stage.checkout(force=True)
        if any(out.workspace_status() for out in stage.outs):
            return False
        if all(dep.exists for dep in stage.deps):
            # The run cache stays behind in a clone; with this entry, a value set back restores later.
            self._repo.stage_cache.save(stage)
        return True

    def restore(self, load: Callable[[], Any]) -> Any:
        """Bring back the outputs of an earlier run for the same inputs; returns the stage, None without one.

        `load` reads the stage anew. Restoring compares dependencies with dvc.lock, so that they must not be
        saved before: a changed parameter would bring back the old model.
        """
        from dvc.stage.cache import RunCacheNotFoundError

        stage, cache = load(), self._repo.stage_cache
        self._drop_cut_entries(load())
        stage.remove_outs()
        try:
            cache.restore(stage)
        except RunCacheNotFoundError:
            known = self._known_result(stage)
            if known is None:
                return None
        else:
            return stage
        stage = load()
        restored = self._fetch(
            [out for out in known.outs if _lacks(out)], lambda: cache.restore(stage, pull=True)
        )
        return stage if restored else None

    def _drop_cut_entries(self, stage: Any) -> None:
        """Remove what a killed command left among a stage's results in the run cache.

        DVC takes the newest file there for a result, also one that was never finished, and fails when there
        is none. Whoever writes one holds the lock that the caller holds.
        """
        from dvc.stage.cache import _can_hash, _get_stage_hash

        stage.save_deps()
        if not _can_hash(stage):
            return
        folder = Path(self._repo.stage_cache._get_cache_dir(_get_stage_hash(stage)))
        entries = list(folder.iterdir()) if folder.is_dir() else []
        cut = [entry for entry in entries if entry.name.endswith(".tmp")]
        for entry in cut:
            entry.unlink()
        if folder.is_dir() and len(cut) == len(entries):
            folder.rmdir()

    def drop_damaged(self, stage: Any) -> list[str]:
        """Remove from cache and workspace what is not as its name says; returns the outputs concerned."""
        found = {out: list(_damaged(out)) for out in stage.outs if out.use_cache and out.hash_info}
        for out, objects in found.items():
            for oid in objects:
                out.cache.delete(oid)
            if objects:
                out.remove()
        return [str(out) for out, objects in found.items() if objects]

    def _known_result(self, stage: Any) -> Any:
        """Return what the run cache knows of a stage whose dependencies are saved, as a stage; else None."""
        from dvc.stage.cache import _can_hash

        entry = self._repo.stage_cache._load(stage) if _can_hash(stage) else None
        return entry and self._repo.stage_cache._create_stage(entry, wdir=stage.wdir)

    def _fetch(self, lacking: list[Any], fetch: Callable[[], object], source: str | None = None) -> bool:
        """Let the remote, or the repository that it was imported from, fill the cache; tell when it did not.

        Returns whether it did.
        """
        from dvc.exceptions import DownloadError
        from dvc.stage.cache import RunCacheNotFoundError

        asked = source or self._repo.config["core"].get("remote")
        if not asked or asked == self._failed_remote:
            return False
        where = f"the repository '{source}'" if source else f"the remote '{asked}'"
        names = ", ".join(f"'{out}'" for out in lacking)
        self._waiting(f"fetching {names} from {where}")
        try:
            fetch()
        except (DownloadError, RunCacheNotFoundError):
            pass
        except Exception as error:  # of whatever library speaks to this kind of remote
            self._failed_remote = asked
            self._warned(f"{where} cannot be read: {str(error).splitlines()[0]}")
            return False
        left = ", ".join(f"'{out}'" for out in lacking if _lacks(out))
        if left:
            doubt = ", or does not answer" if source else self._doubt(asked)
            self._warned(f"{where} does not have {left}{doubt}")
        return not left

    def _doubt(self, remote: str) -> str:
        """Say what else it may mean: to DVC, a web server that is not there is an empty one."""
        found = self._repo.cloud.get_remote(remote)
        if found.fs.protocol != "local":
            return ", or does not answer"
        return "" if found.fs.exists(found.path) else f": there is no folder '{found.path}'"


def _objects(out: Any) -> Iterator[str]:
    """Name the cache objects of an output: of a directory, its listing and then its files.

    Raises:
        FileNotFoundError, ObjectFormatError: the listing is not in the cache, or damaged.
    """
    from dvc_data.hashfile.tree import Tree

    yield out.hash_info.value
    if out.hash_info.isdir:
        yield from (info.value for _, _, info in Tree.load(out.cache, out.hash_info))


def _lacks(out: Any) -> bool:
    """Whether the cache lacks an object of an output. DVC's own answer may ask the remote first."""
    from dvc_objects.errors import ObjectFormatError

    try:
        for oid in _objects(out):
            out.cache.check(oid)
    except (FileNotFoundError, ObjectFormatError):
        return True
    return False


def _damaged(out: Any) -> Iterator[str]:
    """Name the cache objects of an output that are not what their names say."""
    from dvc_objects.errors import ObjectFormatError

    try:
        for oid in _objects(out):
            with Path(out.cache.oid_to_path(oid)).open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
            if digest.hexdigest() != oid.removesuffix(".dir"):
                yield oid
    except (FileNotFoundError, ObjectFormatError):
        return


def _make_way(outs: Iterable[Any]) -> None:
    """Remove a file where a folder is to be, and the reverse: DVC fails on either."""
    for out in outs:
        path = Path(out.fs_path)
        if out.exists and path.is_dir() != out.hash_info.isdir:
            out.remove()


def _unlink_broken(path: Path) -> None:
    """Remove links to a cache that is somewhere else by now, which DVC could not read."""
    for link in (path, *(path.rglob("*") if path.is_dir() else ())):
        if link.is_symlink() and not link.exists():
            link.unlink()
