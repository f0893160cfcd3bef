"""Ask a model about many changed or mixed rows in few calls: most of a small call is overhead."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlxkit.errors import DataError, MlxError
from mlxkit.evaluation.labels import LabelIndex
from mlxkit.evaluation.predictions import input_columns, predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pandas import DataFrame, Series

    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.project.models import Task

_ROWS_A_CALL = 20_000


@dataclass(frozen=True, eq=False)
class Asked:
    """A model, the rows that it is asked about, and what it answers on them as they are."""

    model: object
    task: Task
    target: str
    rows: DataFrame
    truth: Series[Any]
    positive: str | int | float | bool | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that the model gets."""
        return input_columns(self.model, self.rows, self.target)


@dataclass(frozen=True, eq=False)
class Change:
    """One copy of the rows in which `column` takes its values from other rows, by position."""

    column: str
    source: NDArray[np.intp]


def answers(asked: Asked, sample: NDArray[np.intp], changes: Sequence[Change]) -> list[Predictions]:
    """Predict the sampled rows once for each change; `source` counts in `asked.rows`.

    Raises:
        DataError: the model does not answer.
    """
    found: list[Predictions] = []
    step = max(1, _ROWS_A_CALL // max(1, len(sample)))
    for start in range(0, len(changes), step):
        part = changes[start : start + step]
        found += _split(_ask(asked, _changed(asked, sample, part)), len(sample), len(part))
    return found


def mixed_outcomes(
    asked: Asked, source: NDArray[np.intp], place: NDArray[np.intp], outcome: object
) -> NDArray[np.float64]:
    """Return the outcomes of rows that are put together from several rows.

    Row i has column j from row `source[i, place[j]]`, counted in `asked.rows`.

    Raises:
        DataError: the model does not answer.
    """
    found = []
    for start in range(0, len(source), _ROWS_A_CALL):
        part = source[start : start + _ROWS_A_CALL]
        frame = {c: asked.rows[c].array.take(part[:, place[j]]) for j, c in enumerate(asked.columns)}
        found.append(outcomes(_ask(asked, pd.DataFrame(frame)), asked.task, outcome))
    return np.concatenate(found)


def outcomes(
    predictions: Predictions, task: Task, outcome: object, *, known: Sequence[object] = ()
) -> NDArray[np.float64]:
    """Return one number for each row: the value, else the probability (or 0 and 1) of the class `outcome`."""
    if task == "regression":
        return np.asarray(predictions.labels, dtype=np.float64)
    index = LabelIndex((*predictions.classes, *known))
    position = index.add(outcome)
    if predictions.scores is not None and position < predictions.scores.shape[1]:
        return predictions.scores[:, position]
    return np.asarray(index.encode(predictions.labels) == position, dtype=np.float64)


def _changed(asked: Asked, sample: NDArray[np.intp], changes: Sequence[Change]) -> DataFrame:
    base = np.tile(sample, len(changes))
    places: dict[str, list[int]] = {}
    for number, change in enumerate(changes):
        places.setdefault(change.column, []).append(number)
    frame = {}
    for column in asked.columns:
        source = base
        if column in places:
            source = base.copy()
            for number in places[column]:
                source[number * len(sample) : (number + 1) * len(sample)] = changes[number].source
        frame[column] = asked.rows[column].array.take(source)
    return pd.DataFrame(frame)


def _ask(asked: Asked, frame: DataFrame) -> Predictions:
    with warnings.catch_warnings():
        # What a model has to say about rows that nobody ever had helps nobody.
        warnings.simplefilter("ignore")
        try:
            return predict(asked.model, frame, asked.task, target=asked.target, labels_by_score=True)
        except MlxError:
            raise
        except Exception as error:  # the user's own code, as in `pipeline/user_code.py`
            raise DataError(f"the model did not answer: {type(error).__name__}: {error}") from error


def _split(predictions: Predictions, size: int, parts: int) -> list[Predictions]:
    return [predictions.at(slice(i * size, (i + 1) * size)) for i in range(parts)]
