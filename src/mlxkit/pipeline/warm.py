"""What the workers of this machine import ahead of their jobs, and how long they stay warm."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from mlxkit.errors import UsageError
from mlxkit.targets.workers import Workers

if TYPE_CHECKING:
    from pathlib import Path

STAGES = (
    "pandas",
    "pyarrow.parquet",
    "pyarrow.dataset",
    "mlxkit.pipeline.execute",
    "scipy.stats",
    "sklearn.pipeline",
    "sklearn.ensemble",
    "mlflow",
    "mlxkit.adapters.skops_archive",
    "mlflow.sklearn",
    "mlflow.pyfunc",
    "mlxkit.adapters.mlflow_model",
    "mlxkit.adapters.mlflow_signature",
    "mlxkit.adapters.mlflow_tracking",
    "mlxkit.adapters.mlflow_live",
    "mlxkit.adapters.stable_pickle",
    "mlxkit.evaluation.score",
    "mlxkit.evaluation.profile",
    "mlxkit.evaluation.training_rows",
    "mlxkit.evaluation.describe",
    "mlxkit.report.story",
    "mlxkit.report.page",
    "mlxkit.report.markdown",
)
"""What stages use, in the order in which a pipeline comes to need it."""
AWAY = (
    "mlflow.store.tracking.sqlalchemy_store",
    "mlxkit.pipeline.execute_away",
    "mlxkit.adapters.mlflow_store",
    "mlxkit.adapters.mlflow_database",
)
"""What they use beside that on another machine, where they log to a store of their own."""
RECORD = (
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlxkit.pipeline.record_job",
)
"""What the record in MLflow uses."""
VARIABLE = "MLX_WARM"
"""Seconds that workers wait for another run; 0 ends them with this one."""
_ON_A_TERMINAL, _ELSEWHERE = 600.0, 60.0


def linger_seconds() -> float:
    """Return how long workers wait for another run: long where somebody sits who may start one, never in CI.

    Raises:
        UsageError: MLX_WARM is no number.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return 0.0 if os.environ.get("CI") else _ON_A_TERMINAL if sys.stderr.isatty() else _ELSEWHERE
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(
            f"{VARIABLE} must be a number of seconds, is '{text}'", hint=f"run `unset {VARIABLE}`"
        ) from error


def start_for_the_next_run(folder: Path) -> None:
    """Let the workers import already, where they wait for a run that is likely to come; returns at once.

    This process should not have changed its environment by imports yet: what does not match is not found.
    """
    linger = linger_seconds()
    if linger <= 0:
        return
    for modules in (STAGES, RECORD):
        workers = Workers(folder, preload=modules, linger=linger)
        workers.warm_up()
        workers.close()
