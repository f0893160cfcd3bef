"""The sentences of the first screen: against guessing and the champion, and what to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.report.words import (
    conditions,
    count,
    is_certain,
    listed,
    number,
    of_hundred,
    percent,
    rows,
    signed,
    signed_interval,
    title,
    worst_and_best,
)

if TYPE_CHECKING:
    from mlxkit.evaluation.facts import ChampionFacts, Estimate, Evaluation

_FEW_ROWS = 200
_LARGE_CALIBRATION_ERROR = 0.05


def verdicts_of(found: Evaluation, champion: ChampionFacts | None) -> tuple[tuple[str, str], ...]:
    """Say how the model compares with guessing, and with the champion."""
    said = [("Against guessing", _against_guessing(found))]
    if champion is not None:
        said.append(("Against the champion", _against_champion(found, champion)))
    return tuple(said)


def _against_guessing(found: Evaluation) -> str:
    metric = found.metric(found.headline)
    if metric is None or metric.gain is None:
        return "There is no metric that both have."
    name, gain = title(found.headline), metric.gain
    by = f"{name} is better by {number(abs(gain.value))}{_bounds_of_gain(gain)}"
    match is_certain(gain):
        case 1:
            return f"Better, beyond chance. {by}."
        case -1:
            worse = f"{name} is worse by {number(abs(gain.value))}{_bounds_of_gain(gain)}"
            return f"Worse than guessing. {worse}."
    if gain.lower is None:
        return f"Not known: {rows(found.labelled)} are too few to tell."
    return f"No better beyond chance. {name} differs by {signed(gain.value)}{_bounds_of_gain(gain)}."


def _against_champion(found: Evaluation, champion: ChampionFacts) -> str:
    who = f"version {champion.version}, the champion of {champion.environment}"
    if champion.same:
        return f"This model is {who}."
    if champion.problem is not None:
        return f"Not compared with {who}: {champion.problem}."
    metric = champion.metric(found.headline) or next(iter(champion.metrics), None)
    if metric is None:
        return f"There is no metric that this model and {who} both have."
    name, gain = title(metric.name), metric.gain
    there = f"On the same rows {who}, has {name} {number(metric.value)}"
    change = f"this model's is {'better' if gain.value >= 0 else 'worse'} by {number(abs(gain.value))}"
    certain = {1: "Better, beyond chance", -1: "Worse, beyond chance", 0: "No difference beyond chance"}
    bounds = f" ({signed_interval(gain)})" if gain.lower is not None else ""
    return f"{certain[is_certain(gain)]}. {there}; {change}{bounds}."


def cautions_of(found: Evaluation, champion: ChampionFacts | None) -> tuple[str, ...]:
    """Say what a reader must know before acting on the numbers."""
    said = [*_weak(found), *_groups(found), *_calibration(found), *_time(found)]
    if found.labelled < _FEW_ROWS:
        said.append(f"Only {rows(found.labelled)} were scored: every number here is uncertain.")
    if found.labelled < found.rows:
        said.append(f"{count(found.rows - found.labelled)} of the test rows have no label, and do not count.")
    if champion is not None and champion.seen:
        said.append(
            f"The champion was trained on {percent(champion.seen)} of these rows, so it looks better than "
            "it is."
        )
    return tuple(said)


def _weak(found: Evaluation) -> list[str]:
    if found.weak is None:
        return []
    said = []
    for weak in found.weak.found[:2]:
        if found.weak.measure == "wrong":
            what = (
                f"it gets {of_hundred(weak.error.value)} of 100 wrong; on the other rows "
                f"{of_hundred(weak.rest)}"
            )
        else:
            what = f"it is off by {number(weak.error.value)}; on the other rows by {number(weak.rest)}"
        said.append(f"It is weaker where {conditions(weak)}: there {what}.")
    return said


def _groups(found: Evaluation) -> list[str]:
    said = []
    for protected in found.protected:
        pair = worst_and_best(protected.groups, found.headline)
        certain = [g for g in protected.groups if is_certain(g.difference)]
        if pair is None or not certain:
            continue
        values = [f"{number(g.metrics[found.headline].value)} for {g.value}" for g in pair]
        said.append(
            f"{protected.column}: the model does not serve all groups alike. {title(found.headline)} is "
            f"{listed(values)}."
        )
    return said


def _calibration(found: Evaluation) -> list[str]:
    facts = found.classification
    if facts is None or not facts.calibration or found.positive is None:
        return []
    if (facts.calibration_error or 0.0) < _LARGE_CALIBRATION_ERROR:
        return []
    far = max(facts.calibration, key=lambda b: b.rows * abs(b.predicted - b.observed.value))
    return [
        f"Its probabilities are not to be taken at their word: where it says {of_hundred(far.predicted)} "
        "of 100, "
        f"{of_hundred(far.observed.value)} of 100 are {found.positive}."
    ]


def _time(found: Evaluation) -> list[str]:
    known = [p for p in found.over_time.periods if p.metric is not None] if found.over_time else []
    if len(known) < 4 or found.over_time is None:
        return []
    metric = found.metric(found.headline)
    last = known[-1].metric
    if metric is None or last is None or last.lower is None or last.upper is None:
        return []
    worse = (
        last.upper < metric.model.value if metric.direction == "higher" else last.lower > metric.model.value
    )
    if not worse:
        return []
    return [
        f"It was worse lately: {title(found.headline)} {number(last.value)} in the last "
        f"{found.over_time.unit} "
        f"({known[-1].start}), {number(metric.model.value)} over all."
    ]


def _bounds_of_gain(gain: Estimate) -> str:
    text = signed_interval(gain)
    return f" ({text})" if text else ""
