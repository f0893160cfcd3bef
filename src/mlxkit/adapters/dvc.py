"""DVC in this process, through `dvc.repo.Repo`: cache, run cache, checkout, commit.

One thread uses it. DVC's repository lock is held only inside one call, never while a stage runs.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import chdir, contextmanager
from typing import TYPE_CHECKING, Any

from mlxkit.errors import LockTimeout, ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_DEADLINE_SECONDS = 60.0

os.environ.setdefault("DVC_NO_ANALYTICS", "1")


class Dvc:
    """An open DVC repository of one project."""

    def __init__(self, root: Path) -> None:
        """Open the repository.

        Raises:
            ToolError: the folder is no DVC repository, or DVC cannot read its files.
        """
        from dvc.exceptions import NotDvcRepoError
        from dvc.repo import Repo
        from dvc.scm import SCMError

        _quiet()
        self._root = root
        with _translated():
            try:
                self._repo: Any = Repo(os.fspath(root), uninitialized=False)
            except NotDvcRepoError as error:
                raise ToolError("this project has no DVC repository", hint="run `dvc init`") from error
            except SCMError as error:
                raise ToolError(
                    "this DVC repository belongs to a git repository that is gone",
                    context=[str(error)],
                    hint="run `git init`, or for a life without git `dvc config core.no_scm true`",
                ) from error

    def close(self) -> None:
        """Release DVC's file handles."""
        self._repo.close()

    def restore(self, stage_name: str) -> bool:
        """Bring a stage's outputs back from the run cache; returns whether there was such a run."""
        from dvc.stage.cache import RunCacheNotFoundError

        with self._locked():
            stage = self._stage(stage_name)
            # As DVC does: restoring compares dependencies with dvc.lock, so they must not be saved before.
            stage.remove_outs()
            try:
                stage.repo.stage_cache.restore(stage)
            except RunCacheNotFoundError:
                return False
            self._save(stage)
            return True

    def checkout(self, stage_name: str) -> bool:
        """Bring a stage's outputs back as dvc.lock has them, from the cache or else from the remote."""
        with self._locked():
            return self._checkout(self._stage(stage_name))

    def checkout_data(self, dvc_file: str) -> bool:
        """Bring a data file back that `dvc add` tracks, from the cache or else from the remote."""
        with self._locked():
            return self._checkout(self._data(dvc_file))

    def _checkout(self, stage: Any) -> bool:
        """Link or copy a stage's outputs from the cache; objects that it lacks come from the remote first."""
        from dvc.exceptions import DvcException

        if _lacks_objects(stage):
            if not self._repo.config["core"].get("remote"):
                return False
            try:
                self._repo.fetch(targets=[stage.addressing])
            except DvcException:
                return False
            if _lacks_objects(stage):
                return False
        stage.checkout(force=True)
        return all(out.exists for out in stage.outs)

    def commit(self, stage_name: str) -> None:
        """Save what a stage read and made: into the cache, the run cache and dvc.lock."""
        with self._locked():
            self._save(self._stage(stage_name))

    def commit_data(self, dvc_file: str) -> None:
        """Take a changed data file over as its new version, as `dvc repro` does."""
        with self._locked():
            self._save(self._data(dvc_file))

    def add(self, path: str) -> None:
        """Track a data file, as `dvc add` does."""
        with self._locked():
            self._repo.add([str(self._root / path)])

    def status(self) -> dict[str, Any]:
        """Return what `dvc status` says: stage address to list of changes; empty when all is in step."""
        with self._locked():
            return dict(self._repo.status())

    def _stage(self, name: str) -> Any:
        return self._repo.stage.load_one(path=str(self._root / "dvc.yaml"), name=name)

    def _data(self, dvc_file: str) -> Any:
        return self._repo.stage.load_one(path=str(self._root / dvc_file))

    @staticmethod
    def _save(stage: Any) -> None:
        stage.save()
        stage.commit()
        stage.dump(update_pipeline=False)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold DVC's repository lock; DVC itself gives up after 3 s, this waits until the deadline."""
        from dvc.lock import LockError
        from dvc.repo import lock_repo

        deadline = time.monotonic() + LOCK_DEADLINE_SECONDS
        # DVC makes some paths absolute by the working folder, and refuses one outside its repository.
        with _translated(), chdir(self._root):
            while True:
                context = lock_repo(self._repo)
                try:
                    context.__enter__()
                    break
                except LockError as error:
                    if time.monotonic() > deadline:
                        raise LockTimeout(
                            "another DVC command holds the repository's lock",
                            context=[str(error).splitlines()[0]],
                            hint="wait for it to end, then run the same command again",
                        ) from error
            try:
                yield
            except BaseException as error:
                if not context.__exit__(type(error), error, error.__traceback__):
                    raise
            else:
                context.__exit__(None, None, None)


def init(root: Path, *, subdir: bool, scm: bool) -> None:
    """Make a DVC repository that sends no analytics and never stages files in git."""
    from dvc.repo import Repo

    _quiet()
    with _translated():
        repo = Repo.init(os.fspath(root), no_scm=not scm, subdir=subdir)
        with repo.config.edit("repo") as config:
            config["core"]["analytics"] = False
            config["core"]["autostage"] = False
        repo.close()


def walk(root: Path, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Go through a directory's folders and the names of their files, without what `.dvcignore` names.

    `root` is that of the DVC repository.
    """
    from dvc.fs import localfs
    from dvc.ignore import DvcIgnoreFilter

    ignore = DvcIgnoreFilter(localfs, os.fspath(root))
    for parent, _, names in ignore.walk(localfs, os.fspath(folder)):
        yield parent, list(names)


def _lacks_objects(stage: Any) -> bool:
    return any(out.changed_cache() for out in stage.outs if out.use_cache)


def _quiet() -> None:
    """Keep DVC's own log and progress bars off the terminal; mlx says what happens.

    A bar is shown unless the level is above that of errors.
    """
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn DVC's errors into ToolError."""
    from dvc.exceptions import DvcException

    try:
        yield
    except DvcException as error:
        first, *rest = str(error).splitlines() or [type(error).__name__]
        cause = [str(error.__cause__)] if error.__cause__ else []
        raise ToolError(
            f"DVC failed: {first}", context=[*rest[:3], *cause[:1]], hint="run `dvc status` and `mlx doctor`"
        ) from error
    except OSError as error:
        raise ToolError(
            f"DVC failed: {error.strerror or error}",
            context=[str(error.filename)] if error.filename else [],
            hint="run `mlx doctor`",
        ) from error
