"""What the workers of this machine import ahead of their jobs, and how long they stay warm."""

from __future__ import annotations

import os
import sys

from mlxkit.errors import UsageError

STAGES = (
    "pandas",
    "pyarrow.parquet",
    "mlxkit.pipeline.execute",
    "scipy.stats",
    "sklearn.pipeline",
    "sklearn.ensemble",
    "mlflow",
    "skops.io",
    "mlflow.sklearn",
    "mlxkit.adapters.mlflow_model",
    "mlxkit.adapters.mlflow_signature",
    "mlxkit.evaluation.score",
    "mlxkit.evaluation.profile",
    "mlxkit.evaluation.training_rows",
)
"""What stages use, in the order in which a pipeline comes to need it."""
RECORD = (
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlxkit.pipeline.record_job",
)
"""What the record in MLflow uses."""
VARIABLE = "MLX_WARM"
"""Seconds that workers wait for another run; 0 ends them with this one."""
_SECONDS = 600.0


def linger_seconds() -> float:
    """Return how long workers wait for another run: only where somebody sits who may start one.

    Raises:
        UsageError: MLX_WARM is no number.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return _SECONDS if sys.stderr.isatty() and not os.environ.get("CI") else 0.0
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(
            f"{VARIABLE} must be a number of seconds, is '{text}'", hint=f"run `unset {VARIABLE}`"
        ) from error
