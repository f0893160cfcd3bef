"""One model before one environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.registry.promotion import Champion, Promotion

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_runs import Run
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Environment, Project
    from mlxkit.registry.gates.verdict import GateVerdict


@dataclass(frozen=True)
class Case:
    """One model before one environment.

    Attributes:
        store: of the environment.
        source: the store in which the run and its model lie.
        before: the environment's champion until now.
    """

    project: Project
    environment: Environment
    store: Store
    source: Store
    run: Run
    model_id: str
    before: Version | None

    def outcome(
        self, version: Version | None, gates: tuple[GateVerdict, ...] = (), note: str = ""
    ) -> Promotion:
        """Return what came of it; `version` is that of this model, where the environment has it now."""
        before = self.before
        return Promotion(
            promoted=version is not None,
            model=self.project.name,
            version=None if version is None else version.version,
            environment=self.environment.name,
            run_id=self.run.id,
            champion=None if before is None else Champion(before.version, before.run_id),
            gates=gates,
            note=note,
        )
