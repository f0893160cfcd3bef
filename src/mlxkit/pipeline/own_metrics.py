"""A metric of the user's own evaluate function, computed on any sample of rows from stored predictions.

Comparing two models needs a metric on a thousand resamples of the rows. The models predict once; the user's
function then gets a stand-in that answers from those predictions.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.errors import ConfigError
from mlxkit.pipeline.binding import bind
from mlxkit.pipeline.command import command_of
from mlxkit.pipeline.execute import prints_aside
from mlxkit.pipeline.user_code import call_user_function, evaluation_results, import_function
from mlxkit.project.params import group_values, read_params

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd

    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.pipeline.command import Command
    from mlxkit.project.models import Project


class Replay:
    """A model that repeats the predictions it was given, for the same rows in the same order."""

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions
        self.classes_ = predictions.classes

    def predict(self, rows: Any) -> Any:
        """Return the stored labels or values, or what the model gave in their place."""
        self._check(rows)
        stored = self._predictions
        return stored.labels if stored.output is None else stored.output

    def predict_proba(self, rows: Any) -> Any:
        """Return the stored probabilities, shape (n, classes)."""
        self._check(rows)
        if self._predictions.scores is None or self._predictions.output is not None:
            raise AttributeError("this model has no predict_proba")
        return self._predictions.scores

    def _check(self, rows: Any) -> None:
        if len(rows) != len(self._predictions.labels):
            raise ValueError("a compared metric must predict all the rows it is given, in their order")


def own_metric(
    project: Project, name: str, load: Callable[[], pd.DataFrame]
) -> Callable[[pd.Series[Any], Predictions], float]:
    """Return a function of true labels and predictions that computes the user's metric `name`.

    The labels' index gives the rows' positions in the frame that `load` returns.

    Raises:
        ConfigError: the project has no evaluate function that could compute it.
    """
    stage = project.evaluate_stage
    if stage is None or stage.call is None:
        raise ConfigError(
            f"a gate names the metric '{name}', which neither mlx nor the project has",
            hint="return it from your own function: `evaluate: {call: package.module:function}`",
        )
    command = command_of(project, stage)
    params = group_values(read_params(project.root), stage.params)

    def measure(truth: pd.Series[Any], predictions: Predictions) -> float:
        rows = load().iloc[truth.index.to_numpy()].reset_index(drop=True)
        # Its files would be those of a resample, so they go where nobody looks.
        with tempfile.TemporaryDirectory(prefix="mlx-metric-") as folder, project_code(project.root):
            aside = {output: str(Path(folder, path)) for output, path in command.out.items()}
            function = import_function(command)
            given = {"model": Replay(predictions), "test": rows}
            arguments, written = bind(function, replace(command, out=aside), params, given=given)
            _refuse_paths(arguments, command)
            returned = call_user_function(function, arguments, command)
            values, _ = evaluation_results(returned, written, command)
        if name not in values:
            raise ConfigError(
                f"a gate names the metric '{name}', which '{stage.call}' does not return",
                hint=f"use one of: {', '.join(values)}",
            )
        return values[name]

    return measure


def _refuse_paths(arguments: Mapping[str, Any], command: Command) -> None:
    for name in ("model", "test"):
        if isinstance(arguments.get(name), Path):
            raise ConfigError(
                f"'{command.call}' takes '{name}' as a path, so no gate can compare its metrics",
                hint=f"annotate '{name}' as what it holds, or gate the metric with `min` or `max`",
            )


@contextmanager
def project_code(root: Path) -> Iterator[None]:
    """Make the project's modules importable and its paths valid, as for a stage."""
    before, path = os.getcwd(), list(sys.path)  # noqa: PTH109 - may be gone, and then it only fails here
    sys.path[:0] = [str(root / "src"), str(root)]
    os.chdir(root)
    try:
        with prints_aside():
            yield
    finally:
        os.chdir(before)
        sys.path[:] = path
