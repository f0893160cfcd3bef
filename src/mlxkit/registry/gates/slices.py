"""Gates on groups of rows: a metric in each of them, the largest gap, measures of fairness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from mlxkit.errors import DataError
from mlxkit.evaluation.classification import ClassificationScorer
from mlxkit.evaluation.group_values import (
    FALSE_POSITIVES,
    FEWEST_ROWS,
    SELECTION,
    TRUE_POSITIVES,
    group_values,
)
from mlxkit.project.gates import PROTECTED, FairnessGate
from mlxkit.project.metrics import metric_names
from mlxkit.project.suggestions import did_you_mean
from mlxkit.registry.gates.verdict import GateVerdict, listed, shown, title_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlxkit.evaluation.clusters import Rows
    from mlxkit.evaluation.group_values import GroupValue, Measure
    from mlxkit.project.gates import SliceGate
    from mlxkit.registry.gates.trial import Trial

_TITLES = {
    "selection_rate_ratio": "Selection rate ratio",
    "selection_rate_difference": "Selection rate difference",
    "equalized_odds_difference": "Equalized odds difference",
    "equal_opportunity_difference": "Equal opportunity difference",
}
_RATES = {
    "selection_rate_ratio": (SELECTION,),
    "selection_rate_difference": (SELECTION,),
    "equalized_odds_difference": (TRUE_POSITIVES, FALSE_POSITIVES),
    "equal_opportunity_difference": (TRUE_POSITIVES,),
}
_WORDS = {
    SELECTION: "predicted positive",
    TRUE_POSITIVES: "true positive rate",
    FALSE_POSITIVES: "false positive rate",
}


@dataclass(frozen=True)
class _Spread:
    """The two groups of one column that are furthest apart in one rate or metric."""

    name: str
    low: GroupValue
    high: GroupValue
    value: float

    def __str__(self) -> str:
        low, high = (f"{shown(found.value or 0.0)} for {found}" for found in (self.low, self.high))
        word = f"{_WORDS[self.name]} " if self.name in _WORDS else ""
        return f"{word}{low}, {high}"


def judge_slices(gate: SliceGate, trial: Trial) -> GateVerdict:
    """Judge a metric group by group.

    A group with too few rows to tell is named in the reason and decides nothing; where no group has enough,
    nothing passes.

    Raises:
        DataError: the rows lack a column, or there is no such metric.
    """
    values = _metric_values(gate, trial)
    told = [found for found in values if found.value is not None]
    if gate.max_gap is not None:
        return _gap(gate, gate.max_gap, values)
    bound = gate.minimum if gate.minimum is not None else gate.maximum
    assert bound is not None
    if not told:
        return GateVerdict(str(gate), False, None, bound, _none_tells(values))
    least = gate.minimum is not None
    order = sorted(told, key=lambda found: found.value or 0.0, reverse=not least)
    wrong = [found for found in order if not _holds(found.value, bound, least=least)]
    worst = order[0]
    assert worst.value is not None
    title = title_of(gate.metric)
    limit = f"{'at least' if least else 'at most'} {bound:g} is required"
    if wrong:
        named = listed([f"{shown(found.value or 0.0)} for {found}" for found in wrong])
        reason = f"{title} is {named}, where {limit}"
    else:
        word = "lowest" if least else "highest"
        reason = f"{title} is {word} for {worst}, {shown(worst.value)}, and {limit}"
    return GateVerdict(str(gate), not wrong, worst.value, bound, f"{reason}{_unsaid(values)}")


def judge_fairness(gate: FairnessGate, trial: Trial) -> GateVerdict:
    """Judge a measure of fairness over each column; the worst column decides.

    Of two rates that make up a measure both must be known of a column, or nothing passes.

    Raises:
        DataError: the rows lack a column, or the task has not two classes.
    """
    places, scorer = trial.scored
    if not isinstance(scorer, ClassificationScorer) or scorer.positive is None:
        raise DataError("measures of fairness need two classes, one of them `positive:` in mlx.yaml")
    rows = trial.frame.iloc[places]
    columns = _columns(gate.slices, trial)
    values = {rate: group_values(scorer, rows, columns, rate) for rate in _RATES[gate.measure]}
    everything = [found for of_rate in values.values() for found in of_rate]
    ratio = gate.measure == "selection_rate_ratio"
    spreads = [s for rate, of_rate in values.items() for s in _spreads(rate, of_rate, ratio=ratio)]
    bound = gate.minimum if ratio else gate.maximum
    assert bound is not None
    if not spreads:
        return GateVerdict(str(gate), False, None, bound, _none_tells(everything))
    if any(math.isnan(spread.value) for spread in spreads):
        reason = "no row is predicted positive, so there is no ratio"
        return GateVerdict(str(gate), False, None, bound, f"{reason}{_unsaid(everything)}")
    worst = min(spreads, key=lambda s: s.value) if ratio else max(spreads, key=lambda s: s.value)
    passed = _holds(worst.value, bound, least=ratio)
    if passed and (unknown := _half_told(spreads, _RATES[gate.measure])):
        reason = f"{_TITLES[gate.measure]} is not known: too few rows for {unknown}"
        return GateVerdict(str(gate), False, None, bound, f"{reason}{_unsaid(everything)}")
    limit = f"{'at least' if ratio else 'at most'} {bound:g} is required"
    reason = f"{_TITLES[gate.measure]} is {shown(worst.value)} ({worst}), and {limit}"
    return GateVerdict(str(gate), passed, worst.value, bound, f"{reason}{_unsaid(everything)}")


def _metric_values(gate: SliceGate, trial: Trial) -> list[GroupValue]:
    places, scorer = trial.scored
    frame, project = trial.frame, trial.project
    columns = _columns(gate.slices, trial)
    assert trial.rows is not None
    own = trial.rows.own.get(gate.metric)
    measure: Measure | None = None
    if own is not None:
        predictions = trial.challenger.predictions
        assert predictions is not None
        truth = frame[project.target]

        def measure(chosen: Rows) -> float:
            rows = places[chosen]
            return float(own(truth.iloc[rows], predictions.at(rows)))

    elif gate.metric not in metric_names(project.task):
        known = metric_names(project.task)
        close = did_you_mean(gate.metric, known) or f"; use one of: {', '.join(known)}"
        raise DataError(f"there is no metric '{gate.metric}' of groups{close}")
    return group_values(scorer, frame.iloc[places], columns, gate.metric, measure)


def _columns(slices: Sequence[str], trial: Trial) -> list[str]:
    protected = trial.project.protected
    wanted = [c for name in slices for c in (protected if name == PROTECTED else (name,))]
    columns = list(dict.fromkeys(wanted))
    if not columns:
        raise DataError("no columns are protected; name them in `protected: [...]` of mlx.yaml")
    there = trial.frame.columns
    absent = [name for name in columns if name not in there]
    if absent:
        close = did_you_mean(absent[0], there)
        raise DataError(f"the evaluation rows have no column '{absent[0]}'{close}")
    return columns


def _gap(gate: SliceGate, bound: float, values: list[GroupValue]) -> GateVerdict:
    spreads = _spreads(gate.metric, values, ratio=False)
    if not spreads:
        return GateVerdict(str(gate), False, None, bound, _none_tells(values))
    worst = max(spreads, key=lambda spread: spread.value)
    title = title_of(gate.metric)
    reason = f"{title} differs by {shown(worst.value)} ({worst}), and at most {bound:g} is required"
    passed = _holds(worst.value, bound, least=False)
    return GateVerdict(str(gate), passed, worst.value, bound, f"{reason}{_unsaid(values)}")


def _spreads(name: str, values: list[GroupValue], *, ratio: bool) -> list[_Spread]:
    """Return the extremes of each column that has two groups to compare."""
    found = []
    for _, of_column in groupby(values, key=lambda group: group.column):
        told = sorted((g for g in of_column if g.value is not None), key=lambda g: g.value or 0.0)
        if len(told) < 2:
            continue
        low, high = told[0], told[-1]
        assert low.value is not None
        assert high.value is not None
        apart = high.value - low.value
        if ratio:
            apart = low.value / high.value if high.value else math.nan
        found.append(_Spread(name, low, high, apart))
    return found


def _half_told(spreads: Sequence[_Spread], rates: Sequence[str]) -> str:
    """Name a rate that is missing of a column, of which others are known: the larger one would decide."""
    told = {(spread.low.column, spread.name) for spread in spreads}
    columns = dict.fromkeys(spread.low.column for spread in spreads)
    missing = ((column, rate) for column in columns for rate in rates if (column, rate) not in told)
    return next((f"the {_WORDS[rate]} of two groups of {column}" for column, rate in missing), "")


def _holds(value: float | None, bound: float, *, least: bool) -> bool:
    """Compare with a bound; differences such as 0.9 - 0.8 may miss it by their last digit."""
    if value is None or math.isnan(value):
        return False
    return math.isclose(value, bound, rel_tol=1e-12) or (value >= bound if least else value <= bound)


def _unsaid(values: Sequence[GroupValue]) -> str:
    """Name the groups that decided nothing."""
    names = list(dict.fromkeys(f"{found} ({found.rows})" for found in values if found.value is None))
    return f"; too few rows to tell: {listed(names)}" if names else ""


def _none_tells(values: Sequence[GroupValue]) -> str:
    columns = list(dict.fromkeys(found.column for found in values))
    text = f"the groups of {listed(columns)} do not have the {FEWEST_ROWS} rows that it takes to tell"
    return f"{text}{_unsaid(values)}"
