"""Are the report's SHAP values those of the `shap` package, and what do both take?

    pip install shap
    python tests/bench/shap_values.py path/to/churn     a project after `mlx run`

Both explain the model of the project on its test rows. The error is looked at on 16 rows, which are all
explained and all are the background: the root mean square of the difference from `shap` with 64 orders of the
columns, as a part of that of the values. Ours and `shap` with one order ask the model about as many rows.
Seconds are of processor time, for as many rows as a report explains; imports count where they are first made.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pandas as pd
import yaml
from threadpoolctl import threadpool_limits

from mlxkit.evaluation.asking import Asked, mixed_outcomes
from mlxkit.evaluation.shap_values import contributions

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, ORDERS, SEEDS = 16, 64, 5


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser()
    parser.add_argument("project", type=Path)
    project = parser.parse_args().project.resolve()
    sys.path.insert(0, str(project / "src"))
    settings = yaml.safe_load((project / "mlx.yaml").read_text(encoding="utf-8"))
    model = mlflow.sklearn.load_model(next(path for path in (project / "models").iterdir() if path.is_dir()))
    test = pd.read_parquet(project / "data/processed/test.parquet")
    target = settings["target"]
    asked = Asked(model, settings["task"], target, test, test[target])
    outcome = settings.get("positive")
    warnings.simplefilter("ignore")
    with threadpool_limits(limits=1):
        for line in (
            f"{project.name}: {len(asked.columns)} columns",
            seconds(asked, outcome),
            errors(asked, outcome),
        ):
            sys.stdout.write(f"{line}\n")


def seconds(asked: Asked, outcome: object) -> str:
    """Explain as many rows as a report does, the second time of both with everything imported."""
    ours, found = timed(lambda: contributions(asked, {}, outcome=outcome))
    explained, start = np.arange(found.rows), np.arange(found.rows, found.rows + found.background)
    first, _ = timed(lambda: by_package(asked, outcome, explained[:1], start, orders=1))
    package, _ = timed(lambda: by_package(asked, outcome, explained, start, orders=1))
    return f"{found.rows} rows: ours {ours:.2f} s, shap {package:.2f} s, and {first:.2f} s for its first"


def errors(asked: Asked, outcome: object) -> str:
    """Compare with the package's own values from many orders."""
    ours, package = [], []
    for seed in range(SEEDS):
        few = asked.rows.sample(ROWS, random_state=seed).reset_index(drop=True)
        part = Asked(asked.model, asked.task, asked.target, few, few[asked.target])
        everyone = np.arange(ROWS)
        truth = by_package(part, outcome, everyone, everyone, orders=ORDERS)
        found = {c.column: c.values for c in contributions(part, {}, outcome=outcome, seed=seed).columns}
        ours.append(error(np.array([found[str(name)] for name in part.columns]).T, truth))
        package.append(error(by_package(part, outcome, everyone, everyone, orders=1), truth))
    return f"error: ours {np.mean(ours):.3f}, shap with one order {np.mean(package):.3f}"


def by_package(
    asked: Asked, outcome: object, explained: Any, start: Any, *, orders: int
) -> np.ndarray[Any, Any]:
    """Return SHAP values, shape (rows, columns); the package sees from which row each value is."""
    import shap

    columns = len(asked.columns)

    def answer(source: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return mixed_outcomes(asked, source.astype(np.intp), np.arange(columns), outcome)

    def codes(rows: Any) -> np.ndarray[Any, Any]:
        return np.repeat(rows[:, None], columns, axis=1).astype(float)

    masker = shap.maskers.Independent(codes(start))
    explainer = shap.PermutationExplainer(answer, masker, seed=0)
    return explainer(codes(explained), max_evals=orders * (2 * columns + 1), silent=True).values


def error(found: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> float:
    """Return the error as a part of the values' own spread."""
    return float(np.sqrt(((found - truth) ** 2).mean() / (truth**2).mean()))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds of processor time, and the result."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


if __name__ == "__main__":
    main()
