"""How often does a `beats` gate let a model pass that is no better, and how often one that is? By simulation.

    python tests/bench/beats.py --promotions 2000 --rows 500

For each metric, evaluation rows are drawn anew for each promotion, and two models answer them whose true
quality is equal, or differs by a stated gain. Prints the share that passes at a confidence of 0.95. Of equal
models 5 % may; the bound beside it is what 2,000 promotions would not exceed in 99 of 100 such simulations.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import binom

from mlxkit.evaluation.comparison import compare
from mlxkit.evaluation.predictions import Predictions
from mlxkit.evaluation.score import score

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    Drawn = tuple[pd.Series, Predictions, Predictions]

CONFIDENCE, SURE = 0.95, 0.99
NOISE = 1.0
"""Standard deviation of what a model gets wrong, in units of that of the signal."""


@dataclass(frozen=True)
class Case:
    """A metric, and how rows and answers are drawn; `better` is the noise of a model that is better."""

    metric: str
    task: str
    draw: Callable[[Generator, int, float], Drawn]
    better: float


def binary(rng: Generator, rows: int, noise: float) -> Drawn:
    """Draw two classes, one in three positive, and probabilities that know the signal behind them."""
    signal = rng.normal(size=rows)
    truth = pd.Series(np.where(rng.random(rows) < _logistic(1.5 * signal - 0.9), "yes", "no"))

    def answer(deviation: float) -> Predictions:
        positive = _logistic(1.2 * (signal + deviation * rng.normal(size=rows)) - 0.9)
        labels = np.where(positive > 0.5, "yes", "no")
        return Predictions(labels, np.column_stack([1 - positive, positive]), ("no", "yes"))

    return truth, answer(noise), answer(NOISE)


def multiclass(rng: Generator, rows: int, noise: float) -> Drawn:
    """Draw one of four classes, and probabilities from a noisy view of each."""
    signal = 1.5 * rng.normal(size=(rows, 4))
    truth = pd.Series((signal + rng.gumbel(size=(rows, 4))).argmax(axis=1))

    def answer(deviation: float) -> Predictions:
        seen = signal + 1.5 * deviation * rng.normal(size=(rows, 4))
        odds = np.exp(0.7 * seen)
        return Predictions(seen.argmax(axis=1), odds / odds.sum(axis=1, keepdims=True), (0, 1, 2, 3))

    return truth, answer(noise), answer(NOISE)


def regression(rng: Generator, rows: int, noise: float) -> Drawn:
    """Draw numbers with heavy tails, and answers that miss part of what is behind them."""
    signal = rng.normal(size=rows)
    truth = pd.Series(signal + 0.5 * rng.standard_t(5, size=rows))

    def answer(deviation: float) -> Predictions:
        return Predictions(signal + 0.5 * deviation * rng.normal(size=rows))

    return truth, answer(noise), answer(NOISE)


CASES = (
    Case("roc_auc", "classification", binary, 0.8),
    Case("accuracy", "classification", binary, 0.8),
    Case("log_loss", "classification", binary, 0.8),
    Case("accuracy", "classification", multiclass, 0.8),
    Case("log_loss", "classification", multiclass, 0.8),
    Case("rmse", "regression", regression, 0.8),
    Case("mae", "regression", regression, 0.8),
)


def _logistic(value: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-value))


def passes(case: Case, rows: int, noise: float, seed: int) -> bool:
    """Simulate one promotion."""
    truth, challenger, champion = case.draw(np.random.default_rng(seed), rows, noise)
    positive = "yes" if case.draw is binary else None
    found = compare(
        case.metric,
        case.task,  # type: ignore[arg-type]
        truth,
        challenger,
        champion,
        positive=positive,
        confidence=CONFIDENCE,
        seed=seed,
    )
    return found.better


def gain(case: Case) -> float:
    """Return the true gain of the better model, on 300,000 rows."""
    truth, challenger, champion = case.draw(np.random.default_rng(0), 300_000, case.better)
    positive = "yes" if case.draw is binary else None
    ours, theirs = (
        score(case.task, truth, answers, positive=positive)[case.metric]  # type: ignore[arg-type]
        for answers in (challenger, champion)
    )
    return abs(ours - theirs)


def share(case: Case, rows: int, promotions: int, noise: float, pool: ProcessPoolExecutor) -> float:
    """Return the share of promotions that pass."""
    each = partial(passes, case, rows, noise)
    return sum(pool.map(each, range(promotions), chunksize=20)) / promotions


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--promotions", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--more-rows", type=int, default=2000)
    options = parser.parse_args()
    bound = binom.ppf(SURE, options.promotions, 1 - CONFIDENCE) / options.promotions
    heads = ["metric", "task", "equal models pass", "bound", "gain", f"passes on {options.rows:,} rows"]
    heads.append(f"on {options.more_rows:,}")
    sys.stdout.write(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n")
    fewer = max(options.promotions // 4, 1)
    with ProcessPoolExecutor() as pool:
        for case in CASES:
            cells = [
                case.metric,
                case.draw.__name__,
                f"{share(case, options.rows, options.promotions, NOISE, pool):.1%}",
                f"{bound:.1%}",
                f"{gain(case):.3f}",
                f"{share(case, options.rows, fewer, case.better, pool):.0%}",
                f"{share(case, options.more_rows, fewer, case.better, pool):.0%}",
            ]
            sys.stdout.write(f"| {' | '.join(cells)} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
