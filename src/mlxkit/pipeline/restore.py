"""What a stage reads and makes, back without running: from the cache, the run cache, or the remote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.pipeline.events import Warned
from mlxkit.pipeline.failure import missing_input
from mlxkit.pipeline.lockfile import tracked_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlxkit.adapters.dvc import Dvc
    from mlxkit.pipeline.events import Events
    from mlxkit.pipeline.staleness import StageState, Staleness
    from mlxkit.project.models import Project


class Restore:
    """Brings files of one project back; `dvc` opens its repository, which is slow, once it is needed."""

    def __init__(
        self, project: Project, staleness: Staleness, dvc: Callable[[], Dvc], events: Events
    ) -> None:
        self._project, self._staleness, self._dvc, self._events = project, staleness, dvc, events

    def take_over_data(self, stages: Iterable[str]) -> bool:
        """Save data files that DVC tracks and these stages read, if they changed or its cache lost them.

        Returns whether there were any.
        """
        took = False
        for path in sorted({path for name in stages for path in self._project.stages[name].inputs.values()}):
            tracked = tracked_data(self._project.root, path)
            if tracked is not None and self._staleness.is_unsaved(tracked):
                self._dvc().commit_data(tracked.dvc_file)
                took = True
        return took

    def outputs(self, name: str, state: StageState) -> bool:
        """Bring a stage's outputs back; returns whether they are there as they should be.

        What comes back damaged does not count, and is dropped from the cache.
        """
        for _ in range(2):
            if not (state.current and self._dvc().checkout(name)):
                self.inputs(name)
                if not self._dvc().restore(name):
                    return False
            self._staleness.reload()
            if not self._staleness.check(name).reasons:
                return True
            damaged = self._dvc().drop_damaged(name)
            if not damaged:
                return False
            self._events(Warned(f"the cache holds '{damaged[0]}' damaged, and drops it"))
        return False

    def inputs(self, name: str) -> None:
        """Bring back the data files that a stage reads and DVC tracks.

        Raises:
            DataError: one of them is nowhere.
        """
        for path in self._project.stages[name].inputs.values():
            if not self._staleness.is_here(path):
                tracked = tracked_data(self._project.root, path)
                if tracked is None or not self._dvc().checkout_data(tracked.dvc_file):
                    raise missing_input(
                        self._project.root,
                        name,
                        path,
                        tracked=tracked,
                        remote=self._dvc().remote,
                    )
