"""What a model says about rows, in one form for scikit-learn estimators and models with `predict` alone.

In a classification, boosters and networks answer with probabilities, or with a number for each class. Their
classes are then 0, 1, 2 and so on, unless a network names them in an attribute `classes_`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlxkit.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from pandas import DataFrame

    from mlxkit.project.models import Task


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions for n rows.

    Attributes:
        labels: shape (n,): predicted labels, or values in a regression.
        scores: shape (n, len(classes)): probabilities; None where the model gives none.
        classes: what the columns of `scores` stand for; () where the model names no classes.
        output: what the model's `predict` gave, where the labels were taken from probabilities.
    """

    labels: NDArray[Any]
    scores: NDArray[np.float64] | None = None
    classes: tuple[Any, ...] = ()
    output: NDArray[Any] | None = None

    def at(self, rows: NDArray[Any] | slice) -> Predictions:
        """Return the predictions of some of the rows."""
        scores = None if self.scores is None else self.scores[rows]
        output = None if self.output is None else self.output[rows]
        return Predictions(self.labels[rows], scores, self.classes, output)


def predict(
    model: object,
    rows: DataFrame,
    task: Task,
    *,
    target: str | None = None,
    columns: Sequence[str] | None = None,
    with_scores: bool = True,
    labels_by_score: bool = False,
) -> Predictions:
    """Predict `rows` with a fitted model, without the scores of an estimator where they are not wanted.

    `labels_by_score` takes the likeliest class for the label, where there are scores, and asks only once.

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
    inputs = rows[input_columns(model, rows, target, columns)]
    classes = getattr(model, "classes_", None)
    asks = (
        task == "classification" and classes is not None and with_scores and hasattr(model, "predict_proba")
    )
    if asks and labels_by_score:
        scores, names = _scores(model, inputs, classes)
        if scores is not None:
            return Predictions(np.asarray(classes)[scores.argmax(axis=1)], scores, names)
    with warnings.catch_warnings():
        # MLflow hands PyTorch the array of a table, which is read-only since pandas 3; nobody writes to it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        output = np.asarray(model.predict(inputs))  # type: ignore[attr-defined]
    if task == "classification" and classes is None and output.dtype.kind == "f":
        return _from_numbers(output, len(rows), said_by(model, "classes_"))
    labels = _one_per_row(output, len(rows))
    if not asks:
        return Predictions(labels)
    scores, names = _scores(model, inputs, classes)
    return Predictions(labels) if scores is None else Predictions(labels, scores, names)


def _scores(
    model: Any, inputs: DataFrame, classes: Any
) -> tuple[NDArray[np.float64] | None, tuple[Any, ...]]:
    """Return an estimator's probabilities and its classes; None where they do not fit each other."""
    scores = np.asarray(model.predict_proba(inputs), dtype=np.float64)
    names = tuple(np.asarray(classes).tolist())
    return (scores if scores.shape == (len(inputs), len(names)) else None), names


def said_by(model: object, name: str) -> Any:
    """Return an attribute of a fitted model, also of a network behind MLflow's pyfunc; None without it."""
    return getattr(_behind_pyfunc(model), name, None)


def _behind_pyfunc(model: object) -> object:
    raw = getattr(model, "get_raw_model", None)
    try:
        return raw() if callable(raw) else model
    except NotImplementedError:  # MLflow's `PythonModel`: there is nothing behind it
        return model


def fitted_columns(model: object, columns: Iterable[str]) -> list[str] | None:
    """Return the names of the columns that a model was fitted on; None when it remembers none.

    A name is spelled as in `columns`, where it stands there: LightGBM turns blanks into underscores.
    """
    names = said_by(model, "feature_names_in_")
    is_booster = type(model).__name__ == "Booster"
    if names is None and is_booster:
        names = model.feature_name() if hasattr(model, "feature_name") else model.feature_names  # type: ignore[attr-defined]
    if names is None:
        return None
    known = {str(name).replace(" ", "_"): name for name in columns} | {name: name for name in columns}
    if is_booster and not any(name in known for name in names):
        return None  # it was fitted on an array, and numbers its columns
    return [known.get(name, name) for name in names]


def input_columns(
    model: object, rows: DataFrame, target: str | None, columns: Sequence[str] | None = None
) -> list[str]:
    """Return the columns that a model gets: `columns`, else those that it remembers, else all but `target`.

    Raises:
        DataError: the rows lack one of them.
    """
    wanted = columns if columns is not None else fitted_columns(model, rows.columns)
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


def _from_numbers(output: NDArray[Any], rows: int, names: Sequence[Any] | None) -> Predictions:
    """Read probabilities of class 1, or a column for each class: probabilities, or scores of any scale."""
    if output.ndim == 2 and output.shape[0] == rows and output.shape[1] > 1:
        scores = np.asarray(output, dtype=np.float64)
        are_shares = scores.min(initial=0) >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-4)
        named = names is not None and len(names) == output.shape[1]
        classes = tuple(np.asarray(names).tolist()) if named else tuple(range(output.shape[1]))
        labels = np.array(classes)[scores.argmax(axis=1)]
        return Predictions(labels, scores if are_shares else None, classes, output)
    values = _one_per_row(output, rows)
    if not (np.isfinite(values).all() and (values % 1).any()):
        return Predictions(values)
    if values.min() < 0 or values.max() > 1:
        raise DataError(
            "the model's 'predict' gave numbers that are neither labels nor probabilities",
            hint="let the model end in a sigmoid, or in one output for each class",
        )
    ones = np.asarray(values, dtype=np.float64)
    return Predictions((ones > 0.5).astype(int), np.column_stack([1 - ones, ones]), (0, 1), output)


def _one_per_row(labels: NDArray[Any], rows: int) -> NDArray[Any]:
    if labels.shape == (rows, 1):
        labels = labels[:, 0]
    if labels.shape != (rows,):
        raise DataError(
            f"the model's 'predict' gave an array of shape {labels.shape} for {rows} rows",
            hint="let 'predict' return one label or value for each row",
        )
    return labels
