"""Two models scored on the workspace's evaluation rows, whatever either of them is or needs."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.mlflow_model import load_model, model_columns
from mlxkit.errors import MlxError
from mlxkit.evaluation.facts import Estimate
from mlxkit.pipeline.execute import prints_aside
from mlxkit.pipeline.own_metrics import own_metric
from mlxkit.project.gates import MetricGate, metrics_named
from mlxkit.project.metrics import METRICS
from mlxkit.registry.comparison import Side
from mlxkit.registry.contest import Rows, training_overlap
from mlxkit.registry.recorded import recorded_config, recorded_evaluation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy import intp
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

    from mlxkit.evaluation.facts import Questions
    from mlxkit.evaluation.facts_of_pairs import MetricPair, Paired
    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.project.models import Direction, Project
    from mlxkit.registry.named_model import NamedModel

_SLOW_SECONDS = 0.1
"""A metric of the project's own that takes longer is not resampled."""


@dataclass(frozen=True, eq=False)
class _Scored:
    """A side, and what it needs to be asked more: the model and its predictions; None where it has none."""

    side: Side
    model: object = None
    predictions: Predictions | None = None


@dataclass(frozen=True)
class Measured:
    """What both models do on the rows.

    Attributes:
        paired: None where they could not both be scored.
        measured: the metric whose loss the importance of columns is.
        notes: what could not be measured, and why.
    """

    first: Side
    second: Side
    paired: Paired | None = None
    own: tuple[MetricPair, ...] = ()
    measured: str | None = None
    notes: tuple[str, ...] = ()


def measure_both(
    project: Project, first: NamedModel, second: NamedModel, rows: DataFrame | None, no_rows: str | None
) -> Measured:
    """Score both models on the rows, and ask both about their columns; `no_rows` says why there are none."""
    one, other = (_scored(project, named, rows, no_rows) for named in (first, second))
    paired, one, other = _paired_on(project, one, other, rows)
    if paired is None or rows is None:
        return Measured(one.side, other.side)
    own, not_own = _own_metrics(project, one, other, rows)
    measured, sides, not_asked = _with_importance(project, (one, other), rows, paired.headline)
    return Measured(sides[0], sides[1], paired, own, measured, (*not_own, *not_asked))


def _scored(project: Project, named: NamedModel, rows: DataFrame | None, no_rows: str | None) -> _Scored:
    """Let a model predict the rows; what keeps it from that is part of the answer."""
    from mlxkit.evaluation.predictions import predict

    config = recorded_config(named)
    task, target = (None if config.get(key) is None else str(config[key]) for key in ("task", "target"))
    side = Side(named, task, target, ())
    recorded = _recorded(project, named)
    try:
        directory = named.directory
        side = Side(named, task, target, model_columns(directory), recorded=recorded)
        if rows is None:
            return _Scored(replace(side, problem=no_rows))
        if (task or project.task, target or project.target) != (project.task, project.target):
            return _Scored(replace(side, problem=f"it predicts '{target}' ({task})"))
        known = training_overlap(directory, Rows(rows))
        with prints_aside():
            model = load_model(directory)
            predictions = predict(
                model, rows, project.task, target=project.target, columns=side.columns or None
            )
        return _Scored(replace(side, known=known), model, predictions)
    except MlxError as error:
        return _Scored(replace(side, problem=error.message, recorded=recorded))
    except Exception as error:  # a model of another day is the user's code
        problem = f"{type(error).__name__}: {error}"
        return _Scored(replace(side, problem=problem, recorded=recorded))


def _recorded(project: Project, named: NamedModel) -> dict[str, Estimate]:
    """Return what a model's own evaluation found, with intervals where its run kept them."""
    run = named.run
    values = {} if run is None else {n: Estimate(v) for n, v in run.metrics.items() if n in METRICS}
    facts = recorded_evaluation(project, named)
    return {**values, **({m.name: m.model for m in facts.metrics} if facts is not None else {})}


def _paired_on(
    project: Project, one: _Scored, other: _Scored, rows: DataFrame | None
) -> tuple[Paired | None, _Scored, _Scored]:
    """Compare both on the rows, as far as both were scored; what goes wrong becomes their problem."""
    from mlxkit.evaluation.pairs import Bout, pair

    if rows is None or one.predictions is None or other.predictions is None:
        return None, one, other
    bout = Bout(
        project.task, project.target, rows, project.positive, key=project.key, protected=project.protected
    )
    try:
        return pair(bout, one.predictions, other.predictions), one, other
    except MlxError as error:
        both = [_Scored(replace(model.side, problem=error.message)) for model in (one, other)]
        return None, both[0], both[1]


# --- metrics of the project's own


def _own_metrics(
    project: Project, one: _Scored, other: _Scored, rows: DataFrame
) -> tuple[tuple[MetricPair, ...], list[str]]:
    """Measure the project's own metrics, as far as its evaluate function answers on stored predictions."""
    stage = project.evaluate_stage
    if stage is None or stage.call is None:
        return (), []
    gates = [gate for gate in project.gates if isinstance(gate, MetricGate)]
    directions = {gate.metric: gate.direction for gate in gates if gate.direction is not None}
    found, notes = [], []
    for name in _own_names(project, one, other):
        try:
            measure = own_metric(project, name, lambda: rows)
            found.append(_own_pair(project, name, directions.get(name), measure, one, other, rows))
        except MlxError as error:
            notes.append(f"'{name}' was not measured: {error.message}")
    return tuple(found), notes


def _own_names(project: Project, one: _Scored, other: _Scored) -> list[str]:
    gates = [name for name in metrics_named(project.gates) if name not in METRICS and "." not in name]
    facts = [recorded_evaluation(project, model.side.named) for model in (one, other)]
    kept = [name for found in facts if found is not None for name in found.own]
    return list(dict.fromkeys([*gates, *kept]))


def _own_pair(
    project: Project,
    name: str,
    direction: Direction | None,
    measure: Callable[[Series[Any], Predictions], float],
    one: _Scored,
    other: _Scored,
    rows: DataFrame,
) -> MetricPair:
    from mlxkit.evaluation.clusters import clusters_of
    from mlxkit.evaluation.facts_of_pairs import MetricPair
    from mlxkit.evaluation.pairs import pair_own

    truth = rows[project.target]
    ours, theirs = one.predictions, other.predictions
    assert ours is not None
    assert theirs is not None
    started = time.monotonic()
    values = float(measure(truth, ours)), float(measure(truth, theirs))
    if time.monotonic() - started > _SLOW_SECONDS:
        return MetricPair(name, direction, Estimate(values[0]), Estimate(values[1]))

    def statistic(chosen: NDArray[intp]) -> tuple[float, float]:
        known = truth.iloc[chosen]
        return float(measure(known, ours.at(chosen))), float(measure(known, theirs.at(chosen)))

    return pair_own(name, direction, statistic, len(rows), clusters=clusters_of(rows, project.key))


# --- importance


def _with_importance(
    project: Project, models: Sequence[_Scored], rows: DataFrame, headline: str
) -> tuple[str | None, list[Side], list[str]]:
    """Ask both models about shuffled columns; a model that does not answer goes without."""
    sides, notes, measured = [], [], None
    for model in models:
        try:
            found = _questions(project, model, rows, headline)
            measured = measured or found.measured
            sides.append(replace(model.side, importance=found.importance if found.measured else ()))
        except MlxError as error:
            sides.append(model.side)
            notes.append(f"importance of columns of {model.side.short} was not measured: {error.message}")
    return measured, sides, notes


def _questions(project: Project, model: _Scored, rows: DataFrame, headline: str) -> Questions:
    """Ask a model about shuffled columns.

    Raises:
        DataError: it has too many of them, or does not answer.
    """
    from mlxkit.evaluation.asking import Asked
    from mlxkit.evaluation.importance import questions
    from mlxkit.evaluation.score import labelled

    kept = rows[labelled(project.task, rows[project.target])].reset_index(drop=True)
    truth = kept[project.target]
    outcome = project.positive
    if outcome is None and project.task == "classification":
        outcome = truth.mode().iloc[0]
    asked = Asked(model.model, project.task, project.target, kept, truth, project.positive)
    with prints_aside(), _one_thread():
        return questions(asked, headline, outcome=outcome)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Ask in one thread: the calls are many and small, and threads wait for each other."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
