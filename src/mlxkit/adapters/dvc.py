"""DVC in this process, through `dvc.repo.Repo`: cache, run cache, checkout, commit. One thread uses it."""

from __future__ import annotations

import copy
import getpass
import logging
import os
import secrets
import shlex
import time
from contextlib import AbstractContextManager, chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import dvc_answers, dvc_remotes
from mlxkit.adapters.dvc_errors import translated
from mlxkit.adapters.dvc_files import StageFiles, backdate, drop_half_written
from mlxkit.adapters.dvc_locks import Locks
from mlxkit.adapters.dvc_restore import Restorer
from mlxkit.errors import ToolError, is_full_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

os.environ.setdefault("DVC_NO_ANALYTICS", "1")


class Dvc:
    """An open DVC repository of one project."""

    def __init__(
        self,
        root: Path,
        waiting: Callable[[str], None] = lambda text: None,
        warned: Callable[[str], None] = lambda text: None,
        *,
        remote: str | None = None,
    ) -> None:
        """Open the repository.

        `waiting` is told when another DVC command or a remote has to be waited for, `warned` when a remote
        does not have what it is asked for. `remote` is asked instead of DVC's default one.

        Raises:
            ToolError: the folder is no DVC repository, it has no such remote, or DVC cannot read its files.
        """
        from dvc.exceptions import NotDvcRepoError
        from dvc.repo import Repo
        from dvc.scm import SCMError

        make_quiet()
        _make_reflinks_whole()
        _name_user()
        self._root = root
        with translated():
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
        if remote is not None:
            dvc_remotes.choose(self._repo, remote)
        self._locks = Locks(self._repo, root, waiting)
        self._files = StageFiles(self._repo, root)
        self._restorer = Restorer(self._repo, waiting, warned)

    def close(self) -> None:
        """Release all claims and DVC's file handles."""
        self.release_claims()
        self._repo.close()

    def not_on_remote(self) -> list[str] | None:
        """Return the data that the remote lacks, by path; None where there is no remote."""
        with self._changing(), translated():
            return dvc_remotes.missing(self._repo)

    @property
    def remote(self) -> str | None:
        """Name of the remote that DVC asks for what the cache lacks."""
        return self._repo.config["core"].get("remote")  # type: ignore[no-any-return]

    def restore(self, stage_name: str) -> bool:
        """Bring a stage's outputs back from the run cache; returns whether there was such a run."""
        with self._changing():
            stage = self._restorer.restore(lambda: self._files.stage(stage_name))
            if stage is not None:
                self._files.save(stage)
            return stage is not None

    def checkout(self, stage_name: str) -> bool:
        """Bring a stage's outputs back as dvc.lock has them, from the cache or else from the remote."""
        with self._changing():
            return self._restorer.checkout(self._files.stage(stage_name))

    def checkout_data(self, dvc_file: str) -> bool:
        """Bring a data file back that `dvc add` tracks, from the cache or else from the remote."""
        with self._changing():
            return self._restorer.checkout(self._files.data(dvc_file))

    def drop_damaged(self, stage_name: str) -> list[str]:
        """Remove from the cache what is not as its name says; returns the outputs that it belonged to."""
        with self._changing():
            return self._restorer.drop_damaged(self._files.stage(stage_name))

    def commit(
        self, stage_name: str, read: Mapping[str, str | None], changed: Callable[[], str | None]
    ) -> str | None:
        """Save what a stage read and made: into the cache, the run cache and dvc.lock.

        `read` holds the hash of each input when the stage began, and `changed` names anything else that is
        not as it was then. It is asked when DVC has read all of it, after any wait for DVC's lock. When
        something is another by now, nothing is saved, and its name is returned.
        """

        def is_another(stage: Any) -> str | None:
            for dep in stage.deps:
                path = dep.def_path
                if path in read and dep.hash_info and _md5(dep) != read[path]:
                    return str(path)
            return changed()

        with self._changing():
            return self._files.save(self._files.stage(stage_name), unless=is_another)

    def commit_as(
        self, stage_name: str, cmd: str, read: Mapping[str, str | None], params: Mapping[str, Any]
    ) -> None:
        """Save what a stage made elsewhere, from a command, inputs and parameters that may be others by now.

        `read` holds the hash of each input, `params` the values of each group in params.yaml, as they were.
        """
        with self._changing():
            stage = self._files.stage(stage_name)
            self._files.save(stage, before=lambda saved: backdate(saved, cmd, read, params))

    def claim(self, stage_name: str) -> bool:
        """Keep other DVC commands from writing what a stage reads and makes, until `release_claims`.

        It is a reader's lock, also on the outputs, so that a plain `dvc status` works while the stage runs.
        Returns whether another command had to be waited for, which may have changed things.
        """
        with translated(), chdir(self._root):
            stage = self._files.stage(stage_name)
            items = (*stage.deps, *stage.outs)
            return self._locks.claim([item.fs_path for item in items if hasattr(item, "fs_path")])

    def drop_cut_claims(self) -> None:
        """Remove DVC's list of claims if a killed command left half of it: DVC would refuse everything."""
        with translated():
            self._locks.drop_cut_claims()

    def release_claims(self) -> None:
        """Let other DVC commands write again."""
        self._locks.release_claims()

    def commit_data(self, dvc_file: str) -> None:
        """Take a changed data file, or the new version of an import's source, over as `dvc repro` does.

        Raises:
            ToolError: DVC cannot, for instance because the source is gone.
        """
        with self._changing():
            data = self._files.data(dvc_file)
            if dvc_answers.follows_source(data):
                if dvc_answers.is_source_gone(data):
                    raise ToolError(
                        f"what '{dvc_file}' imports is gone, or does not answer",
                        context=[str(data.deps[0])],
                        hint=f"run `dvc freeze {shlex.quote(dvc_file)}` to keep the data as it is",
                    )
                data.reproduce()
            self._files.save(data)

    def compare(self, stage_name: str, definition: Mapping[str, Any]) -> dvc_answers.StageAnswer:
        """Compare a stage with dvc.lock, whatever stands in dvc.yaml; changes nothing and takes no lock.

        `definition` is what dvc.yaml should say of it.
        """
        with translated():
            return dvc_answers.of_stage(self._files.defined(stage_name, definition))

    def is_unsaved(self, dvc_file: str) -> bool:
        """Whether a data file is here in a version that DVC does not keep, or its source has a newer one."""
        with translated():
            return dvc_answers.is_unsaved(self._files.data(dvc_file))

    def has_new_source(self, dvc_file: str) -> bool:
        """Whether the source of an import that is not frozen changed."""
        with translated():
            return dvc_answers.has_new_source(self._files.data(dvc_file))

    def listing(self, dvc_file: str, path: str) -> dict[str, str]:
        """Return relative path -> hash of the files in a tracked folder, from what DVC has on record."""
        with translated():
            return dvc_answers.listing(self._files.data(dvc_file), str(self._root / path))

    def stage_listing(self, stage_name: str, definition: Mapping[str, Any], path: str) -> dict[str, str]:
        """Return relative path -> hash of the files in an output folder, as `listing` does."""
        with translated():
            stage = self._files.defined(stage_name, definition)
            return dvc_answers.listing(stage, str(self._root / path))

    def add(self, path: str) -> None:
        """Track a data file, as `dvc add` does."""
        with self._changing():
            self._repo.add([str(self._root / path)])

    @property
    def cache_folder(self) -> Path:
        """Where DVC keeps the objects of its cache."""
        return Path(self._repo.cache.local.path)

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep other DVC commands from changing cache and workspace for as long as this is held."""
        return self._locks.repository()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold DVC's lock; what a full disk left half-written is removed."""
        began = time.time()
        with self._locks.repository():
            try:
                yield
            except Exception as error:
                if is_full_disk(error):
                    outputs = [Path(out.fs_path) for out in self._repo.index.outs]
                    drop_half_written(self.cache_folder, outputs, began)
                raise

    def status(self) -> dict[str, Any]:
        """Return what `dvc status` says: stage address to list of changes; empty when all is in step."""
        with self._locks.repository():
            return dict(self._repo.status())


def init(root: Path, *, subdir: bool, scm: bool) -> None:
    """Make a DVC repository that sends no analytics and never stages files in git."""
    from dvc.repo import Repo

    make_quiet()
    _make_reflinks_whole()
    _name_user()
    with translated():
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


def _md5(dep: Any) -> str | None:
    """Return the md5 of a saved input; of an unchanged one, DVC keeps the hash of DVC 2."""
    if dep.hash_name != "md5":
        dep = copy.copy(dep)
        dep.hash_name = "md5"
        return str(dep.get_hash().value)
    return dep.hash_info.value  # type: ignore[no-any-return]


def _make_reflinks_whole() -> None:
    """Let a reflink have its name only once it has its content.

    DVC makes an empty file first. Killed before it clones, it leaves that behind, and what should have been
    data would be taken for a new and empty version of it.
    """
    from dvc_objects.fs import system

    clone: Callable[[str, str], None] = system.reflink
    if clone.__module__ == __name__:
        return

    def reflink(source: str, target: str) -> None:
        made = f"{target}.{secrets.token_urlsafe(16)}.tmp"
        clone(source, made)
        os.replace(made, target)  # noqa: PTH105

    system.reflink = reflink


def make_quiet() -> None:
    """Keep DVC's own log and progress bars off the terminal; mlx says what happens.

    A bar is shown unless the level is above that of errors.
    """
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _name_user() -> None:
    """Give the user a name: DVC asks for one, and a container may run under a number that has none."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = str(os.getuid())
