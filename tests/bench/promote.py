"""Where the time of a promotion goes, with ten gates on SQLite; and of a comparison on 100,000 rows.

    python tests/bench/promote.py FILE --target COLUMN [--init 'OPTION …']

Makes a project from a data file, trains twice, and promotes the second model over the first, with every
part timed in the process that does it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

GATES = """\
promote:
  gates:
    - {metric: roc_auc, min: 0.6}
    - {metric: log_loss, max: 0.9}
    - {metric: roc_auc, beats: baseline}
    - {metric: accuracy, beats: baseline}
    - {metric: calibration_error, max: 0.3}
    - {size: 500MB}
    - {latency: single, p95: 1000}
    - {latency: batch, p50: 5000}
    - {memory: 8GB}
    - {signature: champion}
"""
ROWS = 100_000


def shell(command: str, folder: Path) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command} failed:\n{done.stdout}\n{done.stderr}")


def project(folder: Path, file: Path, target: str, options: str) -> Path:
    """Make a project with two runs, of which the first is promoted."""
    shell(f"mlx init bench --data {shlex.quote(str(file))} --target {target} {options}", folder)
    root = folder / "bench"
    config = root / "mlx.yaml"
    text = config.read_text(encoding="utf-8")
    start = text.index("promote:")
    end = min(i for word in ("\ndrift:", "\nenvironments:") if (i := text.find(word, start)) > 0)
    config.write_text(text[:start] + GATES + text[end:], encoding="utf-8")
    shell("mlx run && mlx promote && mlx run --force train", root)
    return root


def timed(parts: dict[str, float], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that adds what it takes to a part."""

    def call(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            parts[name] = parts.get(name, 0.0) + time.perf_counter() - started

    return call


def promotion(root: Path) -> dict[str, float]:
    """Promote the workspace's model, and return what each part took, seconds."""
    parts: dict[str, float] = {}
    started = time.perf_counter()
    os.chdir(root)
    from mlxkit.adapters import mlflow_registry, mlflow_runs
    from mlxkit.project.load import load
    from mlxkit.registry import move, promote, workspace
    from mlxkit.registry.contest import Contender
    from mlxkit.registry.gates import judge

    mlflow_runs.find_runs(workspace.store_of(load(root), load(root).environments["dev"]), "bench", limit=1)
    parts["imports, and MLflow's first answer"] = time.perf_counter() - started
    started = time.perf_counter()
    judge._verdict = timed_gates(parts, judge._verdict)
    Contender.of = timed(parts, "load and score models", Contender.of)  # type: ignore[method-assign]
    promote.find_candidate = timed(parts, "find the run", promote.find_candidate)
    mlflow_registry.register = timed(parts, "register", mlflow_registry.register)
    promote.move = timed(parts, "record and alias", move.move)
    done = workspace.promote_from_workspace(load(root))
    if not done.promoted:
        sys.exit(f"not promoted: {[gate.reason for gate in done.gates if not gate.passed]}")
    whole = time.perf_counter() - started
    parts["the rest"] = whole - sum(seconds for name, seconds in parts.items() if "imports" not in name)
    return parts


def timed_gates(parts: dict[str, float], verdict: Callable[..., Any]) -> Callable[..., Any]:
    """Return a judge that adds what each gate takes, models that are scored on the way included."""

    def call(gate: Any, trial: Any) -> Any:
        return timed(parts, f"gate {gate}", verdict)(gate, trial)

    return call


def comparison(metric: str) -> float:
    """Return the seconds that comparing two models takes on many rows."""
    from mlxkit.evaluation.comparison import compare
    from mlxkit.evaluation.predictions import Predictions

    rng = np.random.default_rng(0)
    signal = rng.normal(size=ROWS)
    truth = pd.Series(np.where(rng.random(ROWS) < 1 / (1 + np.exp(-signal)), "yes", "no"))

    def answer() -> Predictions:
        chance = 1 / (1 + np.exp(-signal - rng.normal(size=ROWS)))
        labels = np.where(chance > 0.5, "yes", "no")
        return Predictions(labels, np.column_stack([1 - chance, chance]), ("no", "yes"))

    started = time.perf_counter()
    compare(metric, "classification", truth, answer(), answer(), positive="yes")
    return time.perf_counter() - started


def main() -> None:
    """Print what each part took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--target", required=True)
    parser.add_argument("--init", default="", help="more options of `mlx init`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlx-bench-") as name:
        root = project(Path(name).resolve(), options.file.resolve(), options.target, options.init)
        for part, seconds in promotion(root).items():
            sys.stdout.write(f"| {part} | {seconds:.2f} s |\n")
        os.chdir("/")
    for metric in ("roc_auc", "log_loss", "accuracy"):
        sys.stdout.write(f"| {metric} on {ROWS:,} rows | {comparison(metric):.2f} s |\n")


if __name__ == "__main__":
    main()
