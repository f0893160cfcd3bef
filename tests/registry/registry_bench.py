"""A project with real models and a real store, in which tests promote."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlxkit.adapters import mlflow_logged_model, mlflow_registry, mlflow_tracking
from mlxkit.registry.promote import promote
from mlxkit.registry.promotion import Evaluation, Promotion
from mlxkit.registry.provenance import Provenance

if TYPE_CHECKING:
    from pathlib import Path

    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.gates import MetricGate
    from mlxkit.project.models import Project

CLEAN = Provenance(dirty=False, locked=True, commit="c0ffee", by="ann")
GOOD, POOR = ["signal", "noise"], ["noise"]


def table(seed: int, rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"signal": rng.normal(size=rows), "noise": rng.normal(size=rows)})
    chance = 1 / (1 + np.exp(-2 * frame.signal))
    return frame.assign(Churn=np.where(rng.random(rows) < chance, "Yes", "No"))


@dataclass(frozen=True)
class Bench:
    """A project of one test, with what its tests say again and again."""

    project: Project
    store: Store
    models: dict[str, Path]

    def run(
        self, model: str | None, *, metrics: dict[str, Any] | None = None, status: str = "FINISHED"
    ) -> str:
        """Record a run as `mlx run` does, and make it the workspace's."""
        tags = {mlflow_tracking.COMMIT: "abc"}
        run_id = mlflow_tracking.open_run(self.store, self.project.name, name="run", params={}, tags=tags)
        model_id = None
        if model is not None:
            model_id = mlflow_logged_model.log_model(self.store, run_id, self.models[model])
        mlflow_tracking.close_run(
            self.store,
            run_id,
            status=status,  # type: ignore[arg-type]
            metrics=metrics or {},
            model_id=model_id,
        )
        record = self.project.root / "models/churn.run.json"
        record.parent.mkdir(exist_ok=True)
        record.write_text(json.dumps({"run_id": run_id}))
        return run_id

    def promote(self, to: str = "dev", **more: Any) -> Promotion:
        settings: dict[str, Any] = {
            "environment": self.project.environments[to],
            "store": self.store,
            "provenance": CLEAN,
            "evaluation": Evaluation(rows=lambda: table(2)),
        }
        return promote(self.project, **{**settings, **more})

    def with_gates(self, *gates: MetricGate) -> Bench:
        return replace(self, project=replace(self.project, gates=gates))

    @property
    def versions(self) -> list[str]:
        return [version.version for version in mlflow_registry.versions(self.store, self.project.name)]
