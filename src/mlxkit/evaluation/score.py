"""The usual metrics of a task, beside those of a model that knows nothing.

Rows without a label are not scored. A metric that cannot be computed on the rows is left out, so every value
is finite: ROC AUC of a single class, anything that needs probabilities where the model gives none, R² of a
constant. A class that the model never saw has probability 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas import Series

from mlxkit.errors import DataError
from mlxkit.evaluation.classification import ClassificationScorer
from mlxkit.evaluation.columns import category
from mlxkit.evaluation.labels import LabelIndex, in_order
from mlxkit.evaluation.predictions import Predictions
from mlxkit.evaluation.regression import RegressionScorer
from mlxkit.project.metrics import metrics_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from mlxkit.project.models import Task

Label = str | int | float | bool
Scorer = ClassificationScorer | RegressionScorer


def score(
    task: Task, truth: Series[Any], predictions: Predictions, *, positive: Label | None = None
) -> dict[str, float]:
    """Return every metric of the task that can be computed, by name.

    `positive` is the positive class where there are two (default the last in sorted order); unused with more.

    Raises:
        DataError: no row has a label, `positive` is none of the labels, or a prediction is missing.
    """
    prepared = scorer(task, truth, predictions, positive=positive)
    values = {metric.name: prepared.value(metric.name) for metric in metrics_of(task)}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def baseline(
    task: Task,
    truth: Series[Any],
    *,
    training: Series[Any] | None = None,
    positive: Label | None = None,
) -> dict[str, float]:
    """Return the metrics of always answering the class shares or mean of `training` (default `truth`)."""
    return score(task, truth, guess(task, truth, training=training), positive=positive)


def guess(task: Task, truth: Series[Any], *, training: Series[Any] | None = None) -> Predictions:
    """Return what a model answers that knows the labels of `training` (default `truth`), and no row."""
    known = (truth if training is None else training).dropna()
    if task == "regression":
        values = _numbers(known)
        mean = float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else 0.0
        return Predictions(np.full(len(truth), mean))
    shares = known.value_counts(normalize=True)
    if shares.empty:
        raise _no_labels()
    classes = in_order(shares.index.tolist())
    prior = np.array([shares[label] for label in classes])
    labels = np.empty(len(truth), dtype=object)
    labels[:] = classes[int(np.argmax(prior))]
    scores = np.broadcast_to(prior, (len(truth), len(prior)))
    return Predictions(labels, scores, tuple(classes))


def labelled(task: Task, truth: Series[Any]) -> NDArray[np.bool_]:
    """Return which rows have a label that can be scored."""
    if task == "regression":
        return np.isfinite(_numbers(truth))
    return np.asarray(truth.notna(), dtype=np.bool_)


def scorer(
    task: Task,
    truth: Series[Any],
    predictions: Predictions,
    *,
    positive: Label | None = None,
    classes: Iterable[object] = (),
) -> Scorer:
    """Prepare the labelled rows once, to compute metrics over any resample of them; raises as `score` does.

    Two models scored on the same truth have the same rows in the same order; `classes` are those that the
    other one knows.
    """
    if len(truth) != len(predictions.labels):
        raise ValueError(f"{len(truth)} labels but {len(predictions.labels)} predictions")
    if task == "regression":
        return _regression(truth, predictions)
    return _classification(truth, predictions, positive, classes)


def known_classes(predictions: Predictions) -> list[Any]:
    """Return the classes that the model knows, as far as its predictions tell."""
    return list(predictions.classes) or in_order(pd.unique(Series(predictions.labels, dtype=object).dropna()))


def _classification(
    truth: Series[Any], predictions: Predictions, positive: Label | None, classes: Iterable[object]
) -> ClassificationScorer:
    index = LabelIndex((*predictions.classes, *classes))
    codes = index.encode(truth.astype(object))  # a categorical's unused categories are no classes
    kept = codes >= 0
    if not kept.any():
        raise _no_labels()
    if predictions.output is not None and (codes[kept] >= len(predictions.classes)).all():
        raise _other_labels(index.values, len(predictions.classes))
    predicted = index.encode(predictions.labels)[kept]
    if (predicted < 0).any():
        raise _no_prediction(int((predicted < 0).sum()), len(predicted))
    if positive is not None and len(index.values) < 2:
        index.add(positive)
    scores = _aligned(predictions, kept, len(index.values))
    position = _positive(index, positive)
    names = tuple(category(label) or "" for label in index.values)
    return ClassificationScorer(codes[kept], predicted, scores, len(index.values), position, names)


def _aligned(predictions: Predictions, kept: NDArray[np.bool_], n_classes: int) -> NDArray[np.float64] | None:
    """Return the kept rows' probabilities, with a column of zeros for each class that the model never saw."""
    if predictions.scores is None:
        return None
    scores = predictions.scores[kept]
    unseen = np.zeros((len(scores), n_classes - scores.shape[1]))
    return np.hstack([scores, unseen]) if np.isfinite(scores).all() else None


def _positive(index: LabelIndex, positive: Label | None) -> int | None:
    if len(index.values) > 2:
        return None
    if positive is None:
        return index.find(in_order(index.values)[-1]) if len(index.values) == 2 else None
    found = index.find(positive)
    if found is None:
        known = ", ".join(repr(label) for label in index.values)
        raise DataError(
            f"the positive label {positive!r} is none of the labels: {known}",
            hint="set 'positive' in mlx.yaml to one of them",
        )
    return found


def _regression(truth: Series[Any], predictions: Predictions) -> RegressionScorer:
    values = _numbers(truth)
    kept = np.isfinite(values)
    if not kept.any():
        raise _no_labels()
    predicted = np.asarray(predictions.labels, dtype=np.float64)[kept]
    if not np.isfinite(predicted).all():
        raise _no_prediction(int((~np.isfinite(predicted)).sum()), len(predicted))
    return RegressionScorer(values[kept], predicted)


def _numbers(column: Series[Any]) -> NDArray[np.float64]:
    numbers = pd.to_numeric(column, errors="coerce")
    return np.asarray(numbers.to_numpy(dtype=np.float64, na_value=np.nan))


def _no_labels() -> DataError:
    return DataError(
        "no row has a label, so nothing can be scored", hint="check the target column of the evaluation rows"
    )


def _other_labels(labels: Iterable[object], classes: int) -> DataError:
    found = ", ".join(repr(label) for label in [*labels][classes:][:5])
    return DataError(
        f"the model answers with the classes 0 to {classes - 1}, but the rows are labelled {found}",
        hint="number the labels in an earlier stage, or let the train function return a model that answers "
        "with them, such as an mlflow.pyfunc.PythonModel",
    )


def _no_prediction(missing: int, rows: int) -> DataError:
    return DataError(
        f"the model gave no usable prediction for {missing} of {rows} rows",
        hint="check how the model treats missing values",
    )
