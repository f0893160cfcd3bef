"""The DVC repository of one project, opened when it is first asked for: its import takes half a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mlxkit.adapters.dvc import Dvc


class LazyDvc:
    """Call it for the repository; see `Dvc` for the arguments."""

    def __init__(
        self,
        root: Path,
        waiting: Callable[[str], None] = lambda text: None,
        warned: Callable[[str], None] = lambda text: None,
        *,
        remote: str | None = None,
    ) -> None:
        self._root, self._waiting, self._warned, self._remote = root, waiting, warned, remote
        self._opened: Dvc | None = None

    def __call__(self) -> Dvc:
        """Return the repository.

        Raises:
            ToolError: it cannot be opened.
        """
        if self._opened is None:
            from mlxkit.adapters.dvc import Dvc

            self._opened = Dvc(self._root, self._waiting, self._warned, remote=self._remote)
        return self._opened

    def release_claims(self) -> None:
        """Release what was claimed, if anything was."""
        if self._opened is not None:
            self._opened.release_claims()

    def close(self) -> None:
        """Close the repository if it is open; the next call opens it again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
