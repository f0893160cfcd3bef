"""Models that are plain Python."""

from __future__ import annotations

from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd  # noqa: TC002 - MLflow reads the annotations


class Rule(mlflow.pyfunc.PythonModel):
    """Says Yes from a certain age on."""

    def learn(self, rows: pd.DataFrame) -> Rule:
        self.limit = float(rows["age"].mean())
        self.plans = set(rows["plan"])
        return self

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> np.ndarray:
        known = model_input["plan"].isin(self.plans)
        return np.where(known & (model_input["age"] > self.limit), "Yes", "No")


def local_rule(rows: pd.DataFrame, more: float) -> Rule:
    """Make a model of a class that no module holds, and that is stored whole."""

    class Local(Rule):
        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> np.ndarray:
            east = model_input["region"].isin({"east", "west", "elsewhere"})
            return np.where((model_input["age"] > self.limit + more) | east, "Yes", "No")

    return Local().learn(rows)
