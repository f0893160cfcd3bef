"""What each column adds to single predictions: SHAP values, of any model and any type of column.

A SHAP value is a Shapley value of the game whose players are the columns (S. Lundberg and S. Lee, A Unified
Approach to Interpreting Model Predictions, 2017); a column that does not play has its value from another row.
They are estimated as by E. Štrumbelj and I. Kononenko, Explaining Prediction Models and Individual
Predictions with Feature Contributions (2014): a random order of the columns for each pair of rows. Each order
is gone through forwards and backwards, so that values are exact where no more than two columns act together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlxkit.errors import DataError
from mlxkit.evaluation.asking import mixed_outcomes
from mlxkit.evaluation.columns import category, coerce, kind_of
from mlxkit.evaluation.facts import Contribution, Contributions
from mlxkit.evaluation.groups import grouped, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from mlxkit.evaluation.asking import Asked

    Floats = NDArray[np.float64]

_SAMPLE, _ASKED_ROWS = 1000, 36_000
_MOST_ROWS, _BACKGROUND = 100, 16
_PLAYERS = 20
_LEAST_CATEGORY = 3


def contributions(
    asked: Asked, moved: Mapping[str, float], *, outcome: object = None, seed: int = 0
) -> Contributions:
    """Explain predictions of some rows, against the mean prediction of a few that stand for all.

    Of more than 20 columns, those that move predictions least are taken as one.

    Args:
        asked: the model and the rows.
        moved: how far each column moves predictions, by its name as a label.
        outcome: the class whose probability is explained in a classification.
        seed: of the rows and of the orders.

    Raises:
        DataError: the model does not answer on mixed rows, or not with numbers.
    """
    generator = np.random.default_rng(seed)
    players = _players(asked.columns, moved)
    place = np.empty(len(asked.columns), dtype=np.intp)
    for number, player in enumerate(players):
        place[player] = number
    sample = generator.choice(len(asked.rows), min(_SAMPLE, len(asked.rows)), replace=False)
    as_they_are = mixed_outcomes(asked, sample[:, None], np.zeros_like(place), outcome)
    order = np.argsort(as_they_are, kind="stable")
    start = order[_spaced(len(order), _BACKGROUND)]
    explained = np.sort(sample[order[_spaced(len(order), _most_rows(len(start), len(players)))]])
    pairs = np.repeat(explained, len(start)), np.tile(sample[start], len(explained))
    source, rank = _cycles(*pairs, len(players), generator)
    answered = mixed_outcomes(asked, source.reshape(-1, len(players)), place, outcome)
    if not np.isfinite(answered).all():
        raise DataError("the model does not answer with numbers on rows that are mixed from others")
    values = _values(answered.reshape(len(rank), -1), rank).reshape(len(explained), len(start), -1)
    rows, names = asked.rows.iloc[explained], asked.columns
    found = [
        _contribution(rows, [names[i] for i in player], values[:, :, number].mean(axis=1))
        for number, player in enumerate(players)
    ]
    return Contributions(
        outcome=None if asked.task == "regression" else category(outcome),
        base=float(as_they_are[start].mean()),
        rows=len(explained),
        background=len(start),
        columns=tuple(sorted(found, key=lambda c: (-c.size, c.column))),
    )


def _spaced(rows: int, wanted: int) -> NDArray[np.intp]:
    """Return evenly spaced places: by prediction, so that a few rows have the mean and spread of all."""
    count = min(rows, wanted)
    return ((np.arange(count) + 0.5) * rows / count).astype(np.intp)


def _most_rows(background: int, players: int) -> int:
    """Return how many rows are explained, so that the model is asked a bounded number."""
    return min(_MOST_ROWS, _ASKED_ROWS // (background * 2 * players))


def _players(columns: Sequence[str], moved: Mapping[str, float]) -> list[list[int]]:
    """Return the positions of each player's columns; the last one has all that matter least."""
    order = sorted(range(len(columns)), key=lambda i: -moved.get(shortened(str(columns[i])), 0.0))
    if len(order) <= _PLAYERS:
        return [[i] for i in order]
    return [*([i] for i in order[: _PLAYERS - 1]), order[_PLAYERS - 1 :]]


def _cycles(
    to: NDArray[np.intp], start: NDArray[np.intp], players: int, generator: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Turn each row of `start` into that of `to` and back, player by player, in a random order of its own.

    Returns:
        From which row each player's values are, shape (pairs, 2 * players, players); each player's rank.
    """
    rank = np.argsort(generator.random((len(to), players)), axis=1)[:, None]
    step = np.arange(2 * players)[None, :, None]
    there = (rank < step) & (step <= rank + players)
    return np.where(there, to[:, None, None], start[:, None, None]), rank[:, 0]


def _values(answers: Floats, rank: NDArray[np.intp]) -> Floats:
    """Return what the outcome gains when a player comes, and loses when it goes, on average."""
    gains = np.diff(answers, axis=1, append=answers[:, :1])
    comes = np.take_along_axis(gains, rank, axis=1)
    goes = np.take_along_axis(gains, rank + rank.shape[1], axis=1)
    return np.asarray((comes - goes) / 2)


def _contribution(rows: pd.DataFrame, columns: Sequence[str], values: Floats) -> Contribution:
    size = float(np.abs(values).mean())
    if len(columns) > 1:
        return Contribution("", size, tuple(values.tolist()), stands_for=len(columns))
    column = rows[columns[0]]
    name, kind = shortened(str(column.name)), kind_of(column)
    if kind == "categorical":
        return Contribution(name, size, tuple(values.tolist()), ends=_ends(column, values))
    places = _places(coerce(column, kind).to_numpy(dtype=np.float64))
    known = np.isfinite(places)
    varied = known.sum() > 2 and np.ptp(places[known]) > 0 and np.ptp(values[known]) > 0
    trend = float(np.corrcoef(places[known], values[known])[0, 1]) if varied else None
    shown = tuple(None if np.isnan(place) else place for place in places.round(3).tolist())
    return Contribution(name, size, tuple(values.tolist()), shown, trend)


def _places(values: Floats) -> Floats:
    """Return where each value lies among the distinct ones, from 0 to 1: a few far ones move no other."""
    distinct, place = np.unique(values[np.isfinite(values)], return_inverse=True)
    places = np.full(len(values), np.nan)
    places[np.isfinite(values)] = place / max(1, len(distinct) - 1)
    return places


def _ends(column: pd.Series[Any], values: Floats) -> tuple[str, str] | None:
    """Return the categories with the lowest and the highest mean, of those that are no single rows."""
    groups = grouped(column)
    means = np.bincount(groups.codes, values) / groups.counts
    common = np.flatnonzero(groups.counts >= _LEAST_CATEGORY)
    if len(common) < 2 or np.ptp(means[common]) == 0:
        return None
    return groups.names[common[means[common].argmin()]], groups.names[common[means[common].argmax()]]
