"""What a model says about rows, in one form for scikit-learn estimators and models with `predict` alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlxkit.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pandas import DataFrame

    from mlxkit.project.models import Task


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions for n rows.

    Attributes:
        labels: shape (n,): predicted labels, or values in a regression.
        scores: shape (n, len(classes)): probabilities; None where the model gives none.
        classes: what the columns of `scores` stand for; () where there are none.
    """

    labels: NDArray[Any]
    scores: NDArray[np.float64] | None = None
    classes: tuple[Any, ...] = ()


def predict(
    model: object,
    rows: DataFrame,
    task: Task,
    *,
    target: str | None = None,
    columns: Sequence[str] | None = None,
) -> Predictions:
    """Predict `rows` with a fitted model.

    The model gets `columns` (its signature), else the columns that it remembers from fitting, else all but
    `target`.

    Raises:
        UsageError: the model has no `predict` method.
        DataError: a column is absent, or the model does not give one prediction for each row.
    """
    if not callable(getattr(model, "predict", None)):
        raise UsageError(
            f"a model of type '{type(model).__name__}' has no 'predict' method",
            hint="return a scikit-learn estimator or an mlflow.pyfunc.PythonModel from the train function",
        )
    inputs = rows[_input_columns(model, rows, target, columns)]
    labels = _one_per_row(model.predict(inputs), len(rows))  # type: ignore[attr-defined]
    classes = getattr(model, "classes_", None)
    if task == "regression" or classes is None or not hasattr(model, "predict_proba"):
        return Predictions(labels)
    scores = np.asarray(model.predict_proba(inputs), dtype=np.float64)
    names = tuple(np.asarray(classes).tolist())
    if scores.shape != (len(rows), len(names)):
        return Predictions(labels)
    return Predictions(labels, scores, names)


def _input_columns(
    model: object, rows: DataFrame, target: str | None, columns: Sequence[str] | None
) -> list[str]:
    wanted = columns if columns is not None else getattr(model, "feature_names_in_", None)
    if wanted is None:
        return [name for name in rows.columns if name != target]
    absent = [str(name) for name in wanted if name not in rows.columns]
    if absent:
        shown = ", ".join(f"'{name}'" for name in absent[:5])
        more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
        raise DataError(
            f"the rows lack columns that the model needs: {shown}{more}",
            hint="give the model rows with the columns it was trained on",
        )
    return list(wanted)


def _one_per_row(output: Any, rows: int) -> NDArray[Any]:
    labels = np.asarray(output)
    if labels.shape == (rows, 1):
        labels = labels[:, 0]
    if labels.shape != (rows,):
        raise DataError(
            f"the model's 'predict' gave an array of shape {labels.shape} for {rows} rows",
            hint="let 'predict' return one label or value for each row",
        )
    return labels
