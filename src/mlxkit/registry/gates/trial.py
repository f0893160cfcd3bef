"""What gates may know: the model, the rows that decide, the champion. What costs time is worked out once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlxkit.adapters.mlflow_model import load_model, model_columns
from mlxkit.errors import DataError
from mlxkit.evaluation.predictions import input_columns
from mlxkit.evaluation.score import guess, labelled, scorer
from mlxkit.pipeline.model_stages import training_labels
from mlxkit.project.metrics import metric_names
from mlxkit.project.suggestions import did_you_mean
from mlxkit.registry.contest import Contender, measured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from mlxkit.evaluation.score import Scorer
    from mlxkit.pipeline.lockfile import Locked
    from mlxkit.project.models import Environment, Project
    from mlxkit.registry.contest import Rows


@dataclass(frozen=True, eq=False)
class Champion:
    """The version that an environment has now.

    Attributes:
        name: such as "version 3".
        fetch: returns the folder of its files.
        recorded: returns the metrics that its run recorded, and the hash of the rows that they are from.
    """

    name: str
    fetch: Callable[[], Path]
    recorded: Callable[[], tuple[Mapping[str, float], str]]

    @cached_property
    def directory(self) -> Path:
        """The folder of its files; raises ToolError where they are gone."""
        return self.fetch()


@dataclass(frozen=True, eq=False)
class Trial:
    """One model before the gates of one environment.

    Attributes:
        lock: returns the dvc.lock that the model's run ended with; None where it keeps none.
        timed: rows of a prediction -> milliseconds of each, as far as they were measured.
    """

    project: Project
    environment: Environment
    challenger: Contender
    rows: Rows | None = None
    champion: Champion | None = None
    lock: Callable[[], Mapping[str, Locked] | None] = lambda: None
    timed: dict[int, list[float]] = field(default_factory=dict)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Every metric of the model: recorded by its run, or measured on the rows, which counts more."""
        return measured(self.project, self.challenger, self.rows)

    def value_of(self, name: str) -> float | None:
        """Return a metric of the model on all rows; None where it has no value there.

        Raises:
            DataError: there is no such metric.
        """
        rows, task = self.rows, self.project.task
        if rows is not None and name in rows.own and self.challenger.predictions is not None:
            return float(rows.own[name](rows.frame[self.project.target], self.challenger.predictions))
        if name in self.metrics:
            return self.metrics[name]
        if name in metric_names(task):
            value = math.nan if rows is None else self.scored[1].value(name)
            return value if math.isfinite(value) else None
        known = [metric for metric in self.metrics if not metric.startswith("baseline.")]
        close = did_you_mean(name, known) or f"; there are {', '.join(sorted(known))}"
        raise DataError(f"there is no metric '{name}'{close}")

    @cached_property
    def rival(self) -> Contender:
        """The champion with its answers on the rows; only where there is one."""
        assert self.champion is not None
        recorded, evaluated_on = self.champion.recorded()
        directory = self.champion.directory
        return Contender.of(self.project, directory, recorded, self.rows, evaluated_on=evaluated_on)

    @cached_property
    def baseline(self) -> Contender:
        """A model that knows how the labels were distributed in training, and nothing of a row."""
        known = {
            name.removeprefix("baseline."): value
            for name, value in self.challenger.recorded.items()
            if name.startswith("baseline.")
        }
        directory = self.challenger.directory
        if self.rows is None:
            return Contender(directory, known)
        truth = self.rows.frame[self.project.target]
        guessed = guess(self.project.task, truth, training=training_labels(directory))
        return Contender(directory, known, guessed)

    @cached_property
    def model(self) -> Any:
        """The model itself, loaded once."""
        return load_model(self.challenger.directory)

    @cached_property
    def inputs(self) -> pd.DataFrame:
        """The evaluation rows as the model takes them.

        Raises:
            DataError: the project has no rows that mlx can score.
        """
        frame, columns = self.frame, model_columns(self.challenger.directory)
        return frame[list(columns) or input_columns(self.model, frame, self.project.target)]

    @property
    def frame(self) -> pd.DataFrame:
        """The evaluation rows.

        Raises:
            DataError: the project has none that mlx can score.
        """
        if self.rows is None or self.challenger.predictions is None:
            raise DataError("there are no rows to judge the model on")
        return self.rows.frame

    @cached_property
    def scored(self) -> tuple[NDArray[np.intp], Scorer]:
        """Positions of the labelled rows, and the model's answers on them.

        Raises:
            DataError: there are no rows, or they cannot be scored.
        """
        project, frame = self.project, self.frame
        assert self.challenger.predictions is not None
        truth: pd.Series[Any] = frame[project.target]
        found = scorer(project.task, truth, self.challenger.predictions, positive=project.positive)
        return np.flatnonzero(labelled(project.task, truth)), found
