"""What each stage of a run needs: nothing, its outputs back, or to run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from mlxkit.pipeline.graph import select, upstream
from mlxkit.pipeline.restore import Restore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlxkit.adapters.dvc import Dvc
    from mlxkit.pipeline.events import Events
    from mlxkit.pipeline.run_result import Options
    from mlxkit.pipeline.staleness import StageState, Staleness
    from mlxkit.project.models import Project


class Plan:
    """The stages that a run looks at, and what it takes to bring each up to date.

    Attributes:
        order: their names, each behind those that it reads from.
    """

    def __init__(
        self,
        project: Project,
        options: Options,
        staleness: Staleness,
        dvc: Callable[[], Dvc],
        events: Events,
    ) -> None:
        self._options, self._staleness, self._dvc = options, staleness, dvc
        self._restore = Restore(project, staleness, dvc, events)
        self.order = list(options.stages) if options.job else select(project.stages, options.stages)
        self._above = upstream(project.stages)
        self._found: dict[str, StageState] = {}
        """What `stale` found; it holds until anything is brought back or run."""

    def stale(self) -> set[str]:
        """Return the stages that will not be fresh, as far as that can be told before the first one runs."""
        stale: set[str] = set()
        for name in self.order:
            if self._options.job is not None or self._options.forces(name) or self._above[name] & stale:
                stale.add(name)
                continue
            self._found[name] = self._staleness.check(name)
            if self._found[name].state != "fresh":
                stale.add(name)
        return stale

    def before(self, name: str) -> set[str]:
        """Return those of the stages that one reads from."""
        return self._above[name] & set(self.order)

    def take_over_data(self) -> None:
        """Save data files that DVC tracks, where they changed; see `Restore`."""
        if self._restore.take_over_data(self.order):
            self._found.clear()

    def meet(self, name: str) -> tuple[Literal["fresh", "restored", "stale"], StageState]:
        """Bring a stage's outputs back, or else its inputs; returns what it is by now, and why.

        Raises:
            DataError: an input is nowhere.
        """
        state = self._found.get(name) or self._staleness.check(name)
        if self._options.job is not None:  # what that made is wanted, whatever the stage would do now
            return "stale", replace(state, reasons=(f"job {self._options.job}",))
        forced = self._options.forces(name)
        if forced or state.state != "fresh" or state.missing:
            self._found.clear()
            if self._dvc().claim(name):
                self._staleness.reload()
                state = self._staleness.check(name)
        if not forced:
            if state.state == "fresh" and not state.missing:
                return "fresh", state
            if self._restore.outputs(name, state):
                missing = tuple(f"{path} was not here" for path in state.missing)
                return "restored", replace(state, reasons=state.reasons or missing)
        self._restore.inputs(name)
        reasons = ("forced",) if forced and not state.reasons else state.reasons
        missing = tuple(f"{path} is neither here nor in the cache" for path in state.missing)
        return "stale", replace(state, reasons=reasons or missing)
