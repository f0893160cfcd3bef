"""Challenger and champion on the same rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.mlflow_model import load_model, model_columns
from mlxkit.errors import DataError, MlxError
from mlxkit.evaluation.clusters import clusters_of
from mlxkit.evaluation.comparison import Comparison, compare, paired_bootstrap
from mlxkit.evaluation.predictions import Predictions, predict
from mlxkit.evaluation.score import score
from mlxkit.evaluation.training_rows import TRAINING_ROWS_FILE, TrainingRows, overlap
from mlxkit.pipeline.formats import first_line
from mlxkit.project.metrics import metric_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

    from mlxkit.evaluation.training_rows import Overlap
    from mlxkit.project.gates import MetricGate
    from mlxkit.project.models import Direction, Project

    OwnMetric = Callable[[Series[Any], Predictions], float]


@dataclass(frozen=True, eq=False)
class Contender:
    """One model in a contest.

    Attributes:
        recorded: metrics that its run recorded.
        predictions: on the evaluation rows; None without such rows.
        evaluated_on: hash of the rows that the recorded metrics are from; empty where nobody knows it.
    """

    directory: Path
    recorded: Mapping[str, float]
    predictions: Predictions | None = None
    evaluated_on: str = ""

    @classmethod
    def of(
        cls,
        project: Project,
        directory: Path,
        recorded: Mapping[str, float],
        rows: Rows | None,
        *,
        evaluated_on: str = "",
    ) -> Contender:
        """Load a model and let it predict the rows.

        Raises:
            DataError: the rows lack a column, or the model raises on them.
        """
        if rows is None:
            return cls(directory, recorded, evaluated_on=evaluated_on)
        columns = model_columns(directory) or None
        model = load_model(directory)
        try:
            predictions = predict(model, rows.frame, project.task, target=project.target, columns=columns)
        except MlxError:
            raise
        except Exception as error:  # the user's own code, as in `pipeline/user_code.py`
            said = f"{type(error).__name__}: {first_line(error)}"
            raise DataError(
                f"the model does not predict the evaluation rows: {said}",
                hint="run `mlx run evaluate`",
            ) from error
        return cls(directory, recorded, predictions, evaluated_on)


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows that decide.

    Attributes:
        own: the project's own metrics on them by name.
        data: hash of the file that the rows are from; empty where it is not known.
    """

    frame: DataFrame
    own: Mapping[str, OwnMetric] = field(default_factory=dict)
    data: str = ""


def measured(project: Project, model: Contender, rows: Rows | None) -> dict[str, float]:
    """Return every metric of a model: recorded by its run, and measured now, which counts more."""
    if rows is None or model.predictions is None:
        return dict(model.recorded)
    truth = rows.frame[project.target]
    values = score(project.task, truth, model.predictions, positive=project.positive)
    ours = metric_names(project.task)
    recorded = {name: value for name, value in model.recorded.items() if name not in ours}
    return {**recorded, **values}


def training_overlap(directory: Path, rows: Rows | None) -> Overlap | None:
    """Return how many of the rows a model was trained on; None when its directory does not tell."""
    path = directory / TRAINING_ROWS_FILE
    if rows is None or not path.is_file():
        return None
    return overlap(TrainingRows.from_json(path.read_bytes()), rows.frame)


def compared(
    project: Project,
    challenger: Contender,
    champion: Contender,
    rows: Rows | None,
    *,
    gate: MetricGate,
    direction: Direction,
) -> Comparison:
    """Compare two models by the gate's metric: on the rows, or as their runs recorded it where only they can.

    Raises:
        DataError: the metric has no value for one of them.
    """
    if rows is None or challenger.predictions is None or champion.predictions is None:
        return _recorded(gate.metric, challenger, champion, direction)
    truth, clusters = rows.frame[project.target], clusters_of(rows.frame, project.key)
    own = rows.own.get(gate.metric)
    if own is None and gate.metric in metric_names(project.task):
        return compare(
            gate.metric,
            project.task,
            truth,
            challenger.predictions,
            champion.predictions,
            positive=project.positive,
            clusters=clusters,
            confidence=gate.confidence,
        )
    if own is None:
        return _recorded(gate.metric, challenger, champion, direction)
    ours, theirs = challenger.predictions, champion.predictions

    def statistic(indices: NDArray[np.intp]) -> tuple[float, float]:
        known = truth.iloc[indices]
        return float(own(known, ours.at(indices))), float(own(known, theirs.at(indices)))

    return paired_bootstrap(
        statistic,
        len(truth),
        metric=gate.metric,
        direction=direction,
        clusters=clusters,
        confidence=gate.confidence,
    )


def _recorded(metric: str, challenger: Contender, champion: Contender, direction: Direction) -> Comparison:
    for name, model in (("challenger", challenger), ("champion", champion)):
        if metric not in model.recorded:
            raise DataError(f"the run of the {name} recorded no '{metric}'")
    data = {model.evaluated_on for model in (challenger, champion)} - {""}
    if len(data) > 1:
        raise DataError("their runs were evaluated on different data")
    ours, theirs = challenger.recorded[metric], champion.recorded[metric]
    difference = ours - theirs if direction == "higher" else theirs - ours
    return Comparison(metric, ours, theirs, difference, difference, confidence=0.5, rows=0, resamples=0)
