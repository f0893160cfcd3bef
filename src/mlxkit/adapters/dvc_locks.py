"""DVC's two locks, waited for: that of its repository, and the claims on single paths.

The repository's is held only inside one call, never while a stage runs. A stage that runs has a claim on its
paths: other DVC commands may read them, and those that would write them are refused.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import AbstractContextManager, ExitStack, chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.dvc_errors import translated
from mlxkit.errors import LockTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LOCK_DEADLINE_SECONDS = 60.0
_POLL_SECONDS = 0.2


class Locks:
    """The locks of one open DVC repository; `waiting` is told when another command has to be waited for."""

    def __init__(self, repo: Any, root: Path, waiting: Callable[[str], None]) -> None:
        self._repo, self._root, self._waiting = repo, root, waiting
        self._claims = ExitStack()

    def claim(self, paths: Sequence[str]) -> bool:
        """Take a reader's lock on absolute paths, until `release_claims`; returns whether it had to wait."""
        from dvc.rwlock import rwlock

        def lock() -> AbstractContextManager[None]:
            hardlink = self._repo.config["core"].get("hardlink_lock", False)
            # DVC itself writes the same words: a process passes over its own locks.
            words = " ".join(sys.argv)
            held: AbstractContextManager[None] = rwlock(
                self._repo.tmp_dir, self._repo.fs, words, list(paths), [], hardlink
            )
            return held

        return self._claims.enter_context(self._waited_for(lock))

    def release_claims(self) -> None:
        """Let other DVC commands write again."""
        with chdir(self._root):
            self._claims.close()

    @contextmanager
    def repository(self) -> Iterator[None]:
        """Hold DVC's repository lock."""
        # DVC makes some paths absolute by the working folder, and refuses one outside its repository.
        with translated(), chdir(self._root), self._waited_for(lambda: _repository_lock(self._repo)):
            yield

    def drop_cut_claims(self) -> None:
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
                    self.drop_cut_claims()
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


@contextmanager
def _repository_lock(repo: Any) -> Iterator[None]:
    """Hold the lock as DVC's own commands do, so that those inside it do not take it again.

    DVC forgets what it knows of the repository at both ends. Here it keeps its database of hashes open, which
    takes long to close, and forgets what another command, or a commit, may have changed meanwhile.
    """
    depth = repo._lock_depth
    repo._lock_depth += 1
    try:
        if depth:
            yield
            return
        with repo.lock:
            for name in ("index", "dvcignore"):
                repo.__dict__.pop(name, None)
            yield
    finally:
        repo._lock_depth = depth


def claims_are_cut(root: Path) -> bool:
    """Whether a killed command left half of DVC's list of claims; `root` is that of the DVC repository."""
    return not _is_json(root / ".dvc" / "tmp" / "rwlock")


def _is_json(file: Path) -> bool:
    """Whether a file holds JSON, or is not there."""
    try:
        json.loads(file.read_bytes())
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return True
