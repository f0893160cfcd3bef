"""Golden predictions: rows in a file, each with the answer that was fixed beforehand.

The file has the columns that the model takes, `prediction`, and, where they are wanted, probabilities:
`probability` of the positive class, or `probability_CLASS` for any. An empty cell of a CSV is a missing
value.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api import types

from mlxkit.errors import DataError
from mlxkit.evaluation.columns import category
from mlxkit.evaluation.labels import LabelIndex
from mlxkit.evaluation.predictions import predict
from mlxkit.pipeline.formats import load_table, suffix_of
from mlxkit.registry.gates.verdict import GateVerdict

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.project.gates import GoldenGate
    from mlxkit.project.models import Project
    from mlxkit.registry.gates.trial import Trial

PREDICTION, PROBABILITY = "prediction", "probability"
_OF_CLASS = f"{PROBABILITY}_"


@dataclass(frozen=True)
class _Difference:
    row: int
    what: str
    observed: object
    expected: object


def judge_golden(gate: GoldenGate, trial: Trial) -> GateVerdict:
    """Compare what the model says about the rows of a file with what is expected.

    Labels must be equal. Numbers may deviate by the tolerance, as a share of the expected one where that is
    above 1. Observed is how many rows differ.

    Raises:
        DataError: the file cannot be used, or the model gives no such answers.
    """
    project = trial.project
    table = read_golden(project.root / gate.path, trial.inputs, project)
    columns = list(trial.inputs.columns)
    answers = predict(trial.model, table, project.task, target=project.target, columns=columns)
    expected = table.drop(columns=columns)
    found = [*_labels(expected, answers, gate, project), *_probabilities(expected, answers, gate, project)]
    wrong = sorted({difference.row for difference in found})
    if not wrong:
        reason = f"all {len(table):,} rows of {gate.path} have the expected answer"
        return GateVerdict(str(gate), True, 0, 0, reason)
    first = min(found, key=lambda difference: difference.row)
    reason = (
        f"{len(wrong):,} of {len(table):,} rows of {gate.path} differ: row {first.row + 1} has the "
        f"{first.what} {first.observed}, and {first.expected} is expected"
    )
    return GateVerdict(str(gate), False, len(wrong), 0, reason)


def golden_rows(inputs: pd.DataFrame, answers: Predictions, project: Project) -> pd.DataFrame:
    """Return rows with a model's answers beside them.

    Raises:
        DataError: the rows have a column of such a name already.
    """
    expected: dict[str, Any] = {PREDICTION: answers.labels}
    if answers.scores is not None and project.task == "classification":
        positive = _positive(answers, project)
        names = (
            [PROBABILITY] if positive is not None else [f"{_OF_CLASS}{category(c)}" for c in answers.classes]
        )
        places = [positive] if positive is not None else range(len(answers.classes))
        expected |= {name: answers.scores[:, place] for name, place in zip(names, places, strict=True)}
    taken = [name for name in expected if name in inputs.columns]
    if taken:
        raise DataError(f"the model takes a column '{taken[0]}', which names an answer in golden rows")
    return inputs.reset_index(drop=True).assign(**expected)


def read_golden(path: Path, like: pd.DataFrame, project: Project) -> pd.DataFrame:
    """Read golden rows, with the columns of `like` in their types.

    Raises:
        DataError: the file is not there, lacks a column, has no rows, or a value is of another type.
    """
    if not path.exists():
        tracked = path.with_name(f"{path.name}.dvc").exists()
        name = path.relative_to(project.root).as_posix()
        command = "dvc pull" if tracked else "mlx promote --write-golden"
        raise DataError(f"there is no file '{name}'", hint=f"run `{command} {shlex.quote(name)}`")
    table: pd.DataFrame = load_table(path, read=_reading(path, like, project))
    absent = [str(name) for name in [*like.columns, PREDICTION] if name not in table.columns]
    if absent:
        raise DataError(f"'{path.name}' has no column '{absent[0]}'")
    if table.empty:
        raise DataError(f"'{path.name}' has no rows")
    empty = np.flatnonzero(table[PREDICTION].isna())
    if len(empty):
        raise DataError(f"row {empty[0] + 1} of '{path.name}' has no prediction")
    for name in like.columns:
        table[name] = _as_type(table[name], like[name].dtype)
    return table


def _reading(path: Path, like: pd.DataFrame, project: Project) -> dict[str, Any]:
    """Return how a CSV is read so that it gives back what was written: texts that look like numbers, too."""
    if suffix_of(path).removesuffix(".gz") not in (".csv", ".tsv"):
        return {}
    texts = [name for name in like.columns if types.infer_dtype(like[name], skipna=True) == "string"]
    texts += [PREDICTION] if project.task == "classification" else []
    return {"dtype": dict.fromkeys(texts, "str"), "keep_default_na": False, "na_values": [""]}


def _as_type(column: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    if column.dtype == dtype or types.is_object_dtype(dtype) or types.is_string_dtype(dtype):
        return column
    try:
        if types.is_datetime64_any_dtype(dtype):
            return pd.to_datetime(column).astype(dtype)
        if types.is_integer_dtype(dtype) and column.hasnans:
            return column
        return column.astype(dtype)
    except (ValueError, TypeError) as error:
        raise DataError(f"the column '{column.name}' of the golden rows is not of type {dtype}") from error


def _labels(
    table: pd.DataFrame, answers: Predictions, gate: GoldenGate, project: Project
) -> list[_Difference]:
    expected = table[PREDICTION]
    if project.task == "regression":
        return _numbers(expected, np.asarray(answers.labels, dtype=np.float64), gate, "prediction")
    index = LabelIndex(answers.classes)
    ours, theirs = index.encode(answers.labels), index.encode(expected)
    return [
        _Difference(int(row), "prediction", f"'{answers.labels[row]}'", f"'{expected.iloc[row]}'")
        for row in np.flatnonzero((ours != theirs) | (ours < 0))
    ]


def _probabilities(
    table: pd.DataFrame, answers: Predictions, gate: GoldenGate, project: Project
) -> list[_Difference]:
    found: list[_Difference] = []
    for name in map(str, table.columns):
        if name != PROBABILITY and not name.startswith(_OF_CLASS):
            continue
        if answers.scores is None:
            raise DataError(f"'{gate.path}' has a column '{name}', and the model gives no probabilities")
        place = _positive(answers, project) if name == PROBABILITY else _place(answers, name)
        if place is None:
            raise DataError(f"the model knows no class for the column '{name}' of '{gate.path}'")
        found += _numbers(table[name], answers.scores[:, place], gate, name.replace("_", " of ", 1))
    return found


def _numbers(
    column: pd.Series[Any], observed: NDArray[np.float64], gate: GoldenGate, what: str
) -> list[_Difference]:
    expected = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    allowed = gate.tolerance * np.maximum(1.0, np.abs(expected))
    # What is no number is within no tolerance.
    wrong = ~(np.abs(observed - expected) <= allowed)
    return [
        _Difference(int(row), what, f"{observed[row]:.9g}", f"{expected[row]:.9g}")
        for row in np.flatnonzero(wrong)
    ]


def _positive(answers: Predictions, project: Project) -> int | None:
    """Return the place of the positive class, None where there are other than two."""
    if len(answers.classes) != 2:
        return None
    return 1 if project.positive is None else LabelIndex(answers.classes).find(project.positive)


def _place(answers: Predictions, name: str) -> int | None:
    named = [category(label) for label in answers.classes]
    label = name.removeprefix(_OF_CLASS)
    return named.index(label) if label in named else None
