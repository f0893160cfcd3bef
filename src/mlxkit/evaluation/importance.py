"""Which columns a model depends on, and how: shuffled columns, and columns set to chosen values.

Importance is that of L. Breiman, Random Forests (2001), section 10, on test rows; dependence that of
J. Friedman, Greedy Function Approximation (2001), section 8.2.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlxkit.errors import DataError
from mlxkit.evaluation.asking import Asked, Change, answers, outcomes
from mlxkit.evaluation.columns import category, coerce, distinct_values, kind_of
from mlxkit.evaluation.facts import Dependence, Importance, Questions
from mlxkit.evaluation.groups import shortened, value_text
from mlxkit.evaluation.score import known_classes, scorer
from mlxkit.project.metrics import find_metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from mlxkit.evaluation.predictions import Predictions

    Floats = NDArray[np.float64]

_SHUFFLED_ROWS, _MOST_ROWS, _FEWEST_ROWS = 36_000, 1000, 100
_MOST_REPEATS, _WANTED_REPEATS = 5, 3
_MOST_COLUMNS = 500
_SHOWN, _GRID, _CATEGORIES, _DEPENDENCE_ROWS = 6, 12, 8, 100


def questions(asked: Asked, headline: str, *, outcome: object = None, seed: int = 0) -> Questions:
    """Ask the model about rows with shuffled columns, then about the columns that matter most.

    `outcome` is the class whose probability is shown in a classification.

    Raises:
        DataError: the model does not answer on changed rows, or has too many columns, such as pixels.
    """
    generator = np.random.default_rng(seed)
    columns = asked.columns
    if len(columns) > _MOST_COLUMNS:
        raise DataError(f"{len(columns)} columns are too many to shuffle each, {_MOST_COLUMNS} are the most")
    rows, repeats = _extent(len(asked.rows), len(columns))
    sample = np.sort(generator.choice(len(asked.rows), rows, replace=False))
    shuffles = [Change(c, generator.permutation(sample)) for c in columns for _ in range(repeats)]
    as_it_is = answers(asked, sample, [Change(columns[0], sample)])[0]
    shuffled = answers(asked, sample, shuffles)
    measured, importance = _importance(asked, headline, sample, as_it_is, shuffled, columns, outcome)
    shown = sample[np.sort(generator.choice(rows, min(rows, _DEPENDENCE_ROWS), replace=False))]
    names = {shortened(str(column)): column for column in columns}
    top = [names[i.column] for i in importance if i.moved > 0][:_SHOWN]
    dependence = _dependence(asked, shown, top, outcome)
    return Questions(
        measured=measured,
        importance=tuple(importance),
        dependence=tuple(dependence),
        outcome=None if asked.task == "regression" else category(outcome),
        rows=rows,
        repeats=repeats,
        dependence_rows=len(shown),
        asked=len(columns),
    )


def _extent(rows: int, columns: int) -> tuple[int, int]:
    """Return how many rows are shuffled, and how often, so that the model is asked a bounded number."""
    wanted = _SHUFFLED_ROWS // (columns * _WANTED_REPEATS)
    sample = min(rows, max(_FEWEST_ROWS, min(_MOST_ROWS, wanted)))
    return sample, max(1, min(_MOST_REPEATS, _SHUFFLED_ROWS // (columns * sample)))


def _importance(
    asked: Asked,
    headline: str,
    sample: NDArray[np.intp],
    as_it_is: Predictions,
    shuffled: Sequence[Predictions],
    columns: Sequence[str],
    outcome: object,
) -> tuple[str | None, list[Importance]]:
    """Measure every column, the one that costs most first."""
    truth = asked.truth.iloc[sample].reset_index(drop=True)
    sign = 1.0 if find_metric(headline, asked.task).direction == "higher" else -1.0
    classes = known_classes(as_it_is)
    everyone = np.arange(len(truth))

    def measure(predictions: Predictions) -> float:
        prepared = scorer(asked.task, truth, predictions, positive=asked.positive, classes=classes)
        return prepared.value(headline, everyone)  # by counting, which is many times as fast

    before, base = measure(as_it_is), outcomes(as_it_is, asked.task, outcome)
    repeats = len(shuffled) // len(columns)
    found = []
    for number, column in enumerate(columns):
        part = shuffled[number * repeats : (number + 1) * repeats]
        losses = [sign * (before - measure(p)) for p in part] if math.isfinite(before) else [0.0]
        moved = float(np.mean([np.abs(outcomes(p, asked.task, outcome) - base).mean() for p in part]))
        name = shortened(str(column))
        found.append(Importance(name, float(np.mean(losses)), min(losses), max(losses), moved))
    measured = headline if math.isfinite(before) else None
    return measured, sorted(found, key=lambda i: (-i.loss, -i.moved, i.column))


def _dependence(
    asked: Asked, sample: NDArray[np.intp], columns: Sequence[str], outcome: object
) -> list[Dependence]:
    """Set each column to values that it has, from its low to its high end, and average the predictions."""
    grids = {column: grid for column in columns if (grid := _grid(asked.rows[column])) is not None}
    changes = [
        Change(column, np.full(len(sample), row)) for column, (_, rows) in grids.items() for row in rows
    ]
    answered = iter(answers(asked, sample, changes)) if changes else iter(())
    found = []
    for _column, (empty, rows) in grids.items():
        values = np.array([outcomes(next(answered), asked.task, outcome) for _ in rows])
        low, high = np.quantile(values, [0.1, 0.9], axis=1)
        means = values.mean(axis=1)
        found.append(replace(empty, mean=_tuple(means), low=_tuple(low), high=_tuple(high)))
    return found


def _grid(column: pd.Series[Any]) -> tuple[Dependence, list[int]] | None:
    """Return values along a column, and a row that holds each; None where no few values stand for it."""
    kind = kind_of(column)
    name = shortened(str(column.name))
    if kind == "categorical":
        codes, distinct = distinct_values(column)
        counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
        chosen = np.argsort(-counts, kind="stable")[:_CATEGORIES]
        if len(distinct) < 2 or counts[chosen].sum() < len(codes) / 2:
            return None
        rows = [int(np.argmax(codes == code)) for code in chosen]
        texts = tuple(shortened(category(distinct[code]) or "") for code in chosen)
        return Dependence(name, kind, texts, None, (), (), ()), rows
    values = coerce(column, kind).to_numpy(dtype=np.float64)
    order = np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())]
    if len(order) < 2:
        return None
    places = order[(np.linspace(0.025, 0.975, _GRID) * (len(order) - 1)).round().astype(int)]
    distinct_numbers = np.unique(values[order])
    if len(distinct_numbers) <= _GRID:
        places = order[np.searchsorted(values[order], distinct_numbers)]
    _, first = np.unique(values[places], return_index=True)
    rows = places[first].tolist()
    if len(rows) < 2:
        return None
    positions = _tuple(values[rows])
    texts = tuple(value_text(position, kind) for position in positions)
    return Dependence(name, kind, texts, positions, (), (), ()), rows


def _tuple(values: Floats) -> tuple[float, ...]:
    return tuple(values.tolist())
