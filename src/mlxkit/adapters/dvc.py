"""DVC in this process, through `dvc.repo.Repo`: cache, run cache, checkout, commit.

One thread uses it. DVC's repository lock is held only inside one call, never while a stage runs. A stage that
runs has a claim on its paths: other DVC commands may read them, and those that would write them are refused.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from contextlib import AbstractContextManager, ExitStack, chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.dvc_restore import Restorer
from mlxkit.errors import LockTimeout, ToolError
from mlxkit.project.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LOCK_DEADLINE_SECONDS = 60.0
_POLL_SECONDS = 0.2

os.environ.setdefault("DVC_NO_ANALYTICS", "1")


class Dvc:
    """An open DVC repository of one project."""

    def __init__(
        self,
        root: Path,
        waiting: Callable[[str], None] = lambda text: None,
        warned: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Open the repository.

        `waiting` is told when another DVC command or a remote has to be waited for, `warned` when a remote
        does not have what it is asked for.

        Raises:
            ToolError: the folder is no DVC repository, or DVC cannot read its files.
        """
        from dvc.exceptions import NotDvcRepoError
        from dvc.repo import Repo
        from dvc.scm import SCMError

        _quiet()
        self._root, self._waiting = root, waiting
        self._claims = ExitStack()
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
        self._restorer = Restorer(self._repo, waiting, warned)

    def close(self) -> None:
        """Release all claims and DVC's file handles."""
        self.release_claims()
        self._repo.close()

    @property
    def remote(self) -> str | None:
        """Name of the remote that DVC asks for what the cache lacks."""
        return self._repo.config["core"].get("remote")  # type: ignore[no-any-return]

    def restore(self, stage_name: str) -> bool:
        """Bring a stage's outputs back from the run cache; returns whether there was such a run."""
        with self._locked():
            stage = self._restorer.restore(lambda: self._stage(stage_name))
            if stage is not None:
                self._save(stage)
            return stage is not None

    def checkout(self, stage_name: str) -> bool:
        """Bring a stage's outputs back as dvc.lock has them, from the cache or else from the remote."""
        with self._locked():
            return self._restorer.checkout(self._stage(stage_name))

    def checkout_data(self, dvc_file: str) -> bool:
        """Bring a data file back that `dvc add` tracks, from the cache or else from the remote."""
        with self._locked():
            return self._restorer.checkout(self._data(dvc_file))

    def drop_damaged(self, stage_name: str) -> list[str]:
        """Remove from the cache what is not as its name says; returns the outputs that it belonged to."""
        with self._locked():
            return self._restorer.drop_damaged(self._stage(stage_name))

    def commit(self, stage_name: str, read: Mapping[str, str | None]) -> str | None:
        """Save what a stage read and made: into the cache, the run cache and dvc.lock.

        `read` holds the hash of each input when the stage began. When one is another by now, nothing is
        saved, and its path is returned.
        """
        with self._locked():
            stage = self._stage(stage_name)
            stage.save_deps()
            for dep in stage.deps:
                path = dep.def_path
                if path in read and dep.hash_info and dep.hash_info.value != read[path]:
                    return str(path)
            self._save(stage)
            return None

    def claim(self, stage_name: str) -> bool:
        """Keep other DVC commands from writing what a stage reads and makes, until `release_claims`.

        It is a reader's lock, also on the outputs, so that a plain `dvc status` works while the stage runs.
        Returns whether another command had to be waited for, which may have changed things.
        """
        from dvc.rwlock import rwlock

        stage = self._stage(stage_name)
        paths = [item.fs_path for item in (*stage.deps, *stage.outs) if hasattr(item, "fs_path")]

        def lock() -> AbstractContextManager[None]:
            hardlink = self._repo.config["core"].get("hardlink_lock", False)
            # DVC itself writes the same words: a process passes over its own locks.
            words = " ".join(sys.argv)
            held: AbstractContextManager[None] = rwlock(
                self._repo.tmp_dir, self._repo.fs, words, paths, [], hardlink
            )
            return held

        with _translated(), chdir(self._root):
            return self._claims.enter_context(self._waited_for(lock))

    def release_claims(self) -> None:
        """Let other DVC commands write again."""
        with chdir(self._root):
            self._claims.close()

    def commit_data(self, dvc_file: str) -> None:
        """Take a changed data file over as its new version, as `dvc repro` does."""
        with self._locked():
            self._save(self._data(dvc_file))

    def add(self, path: str) -> None:
        """Track a data file, as `dvc add` does."""
        with self._locked():
            self._repo.add([str(self._root / path)])

    @property
    def cache_folder(self) -> Path:
        """Where DVC keeps the objects of its cache."""
        return Path(self._repo.cache.local.path)

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep other DVC commands from changing cache and workspace for as long as this is held."""
        return self._locked()

    def status(self) -> dict[str, Any]:
        """Return what `dvc status` says: stage address to list of changes; empty when all is in step."""
        with self._locked():
            return dict(self._repo.status())

    def _stage(self, name: str) -> Any:
        return self._repo.stage.load_one(path=str(self._root / "dvc.yaml"), name=name)

    def _data(self, dvc_file: str) -> Any:
        return self._repo.stage.load_one(path=str(self._root / dvc_file))

    def _save(self, stage: Any) -> None:
        from dvc.dvcfile import LOCK_FILE, Lockfile, SingleStageFile
        from dvc.stage import PipelineStage

        stage.save()
        stage.commit()
        if isinstance(stage, PipelineStage):
            self._dump(stage, self._root / LOCK_FILE, Lockfile)
        else:
            self._dump(stage, Path(stage.path), SingleStageFile, verify=False)

    def _dump(self, stage: Any, file: Path, kind: Any, **options: bool) -> None:
        """Replace dvc.lock or a `.dvc` file in one step by what DVC would write; DVC itself truncates it."""
        with TemporaryDirectory(dir=self._repo.tmp_dir) as folder:
            copy = Path(folder, file.name)
            if file.exists():
                copy.write_bytes(file.read_bytes())
            kind(self._repo, os.fspath(copy), **options).dump(stage)
            write_atomically(file, copy.read_bytes())

    def _drop_cut_rwlock(self) -> None:
        """Remove DVC's list of claims if a killed command left half of it: DVC would refuse everything."""
        from dvc.lock import make_lock
        from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

        file = Path(self._repo.tmp_dir, RWLOCK_FILE)
        if _is_json(file):
            return
        hardlink = self._repo.config["core"].get("hardlink_lock", False)
        guard = make_lock(
            os.fspath(file.with_name(RWLOCK_LOCK)), tmp_dir=self._repo.tmp_dir, hardlink_lock=hardlink
        )
        with guard:  # so nobody writes it at this moment, and what is cut stays so
            if not _is_json(file):
                file.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold DVC's repository lock."""
        from dvc.repo import lock_repo

        # DVC makes some paths absolute by the working folder, and refuses one outside its repository.
        with _translated(), chdir(self._root), self._waited_for(lambda: lock_repo(self._repo)):
            yield

    @contextmanager
    def _waited_for(self, lock: Callable[[], AbstractContextManager[object]]) -> Iterator[bool]:
        """Hold a lock of DVC, which itself gives up after 3 s or at once; this waits until the deadline.

        Yields whether it had to wait.
        """
        from dvc.lock import LockError

        deadline = time.monotonic() + LOCK_DEADLINE_SECONDS
        told = False
        with ExitStack() as held:
            while True:
                try:
                    self._drop_cut_rwlock()
                    held.enter_context(lock())
                    break
                except LockError as error:
                    reason = " ".join(str(error).split("If there are no")[0].split())
                    if time.monotonic() > deadline:
                        raise LockTimeout(
                            "another DVC command does not end",
                            context=[reason],
                            hint="wait for it to end, then run the same command again",
                        ) from error
                if not told:
                    self._waiting(f"waiting for another DVC command ({reason})")
                    told = True
                time.sleep(_POLL_SECONDS)
            yield told


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


def _is_json(file: Path) -> bool:
    """Whether a file holds JSON, or is not there."""
    try:
        json.loads(file.read_bytes())
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return True


def _quiet() -> None:
    """Keep DVC's own log and progress bars off the terminal; mlx says what happens.

    A bar is shown unless the level is above that of errors.
    """
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn DVC's errors into ToolError."""
    from dvc.exceptions import CacheLinkError, DvcException

    try:
        yield
    except CacheLinkError as error:
        raise ToolError(
            "DVC cannot link a file to its cache: `cache.type` allows no kind of link that works here",
            context=list(error.fs_paths),
            hint="run `dvc config --local cache.type copy`",
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
