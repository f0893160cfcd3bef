"""The large numbers of the first screen: how well the model does, in words and pictures of a hundred."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.report.blocks import Fact
from mlxkit.report.charts import beside, spread, waffle
from mlxkit.report.words import count, interval, number, of_hundred, rows

if TYPE_CHECKING:
    from mlxkit.evaluation.facts import Estimate, Evaluation, MetricFact, RegressionFacts


def large_numbers(found: Evaluation) -> tuple[Fact, ...]:
    """Return the large numbers of the first screen."""
    if found.task == "regression":
        return _regression(found)
    return _binary(found) if found.positive is not None else _several(found)


def _binary(found: Evaluation) -> tuple[Fact, ...]:
    name = f"{found.target} = {found.positive}"
    facts = []
    ranking = found.metric("roc_auc")
    if ranking is not None:
        value = ranking.model.value
        facts.append(
            Fact(
                number(value),
                f"ROC AUC{_bounds(ranking.model)}",
                f"Of one row that is {found.positive} and one that is not, it puts the right one first in "
                f"{of_hundred(value)} of 100 cases. Guessing: 50.",
                waffle(value, f"{of_hundred(value)} of 100 pairs in the right order"),
            )
        )
    counts = _positive_counts(found)
    flagged = counts[1] if counts else 0
    precision, recall = found.metric("precision"), found.metric("recall")
    if precision is not None and flagged:
        value = precision.model.value
        facts.append(
            _share(
                value,
                f"precision{_share_bounds(precision.model)}",
                f"Of 100 rows that the model flags as {name}, {of_hundred(value)} are.",
                f"flagged rows are {found.positive}",
            )
        )
    if recall is not None and counts and counts[0]:
        value = recall.model.value
        facts.append(
            _share(
                value,
                f"recall{_share_bounds(recall.model)}",
                f"Of 100 rows that are {name}, it flags {of_hundred(value)}.",
                f"rows that are {found.positive} are flagged",
            )
        )
    return tuple(facts) or _several(found)


def _several(found: Evaluation) -> tuple[Fact, ...]:
    accuracy = found.metric("accuracy")
    if accuracy is None:
        return ()
    value = accuracy.model.value
    facts = [
        _share(
            value,
            f"accuracy{_share_bounds(accuracy.model)}",
            f"Of 100 rows, the model gets {of_hundred(value)} right.",
            "rows are right",
        )
    ]
    if accuracy.baseline is not None:
        guess = accuracy.baseline
        facts.append(
            _share(
                guess,
                "the most common class for all",
                f"Who always names the most common class gets {of_hundred(guess)} right.",
                "rows are right by guessing",
            )
        )
    known = [c for c in found.classification.classes if c.rows] if found.classification else []
    if len(known) > 2:
        worst = min(known, key=lambda c: c.hits / c.rows)
        share = worst.hits / worst.rows
        facts.append(
            _share(
                share,
                f"recall of {worst.label}",
                f"It finds {worst.label} least: {count(worst.hits)} of {rows(worst.rows)}.",
                f"rows of {worst.label} are found",
            )
        )
    return tuple(facts)


def _regression(found: Evaluation) -> tuple[Fact, ...]:
    mae, r2 = found.metric("mae"), found.metric("r2")
    facts = []
    if mae is not None:
        facts.append(_mean_error(mae))
    if found.regression is not None:
        facts.append(_typical_errors(found.regression))
    if r2 is not None:
        share = max(0.0, r2.model.value)
        facts.append(
            Fact(
                number(r2.model.value),
                f"R²{_bounds(r2.model)}",
                f"It explains {of_hundred(share)} of 100 parts of the differences between rows.",
                waffle(share, f"{of_hundred(share)} of 100 parts of the variance"),
            )
        )
    return tuple(facts)


def _mean_error(mae: MetricFact) -> Fact:
    value, guess = mae.model.value, mae.baseline
    said = f"On average a prediction is off by {number(value)}."
    return Fact(
        number(value),
        f"mean absolute error{_bounds(mae.model)}",
        f"{said} Who always says the mean is off by {number(guess)}." if guess else said,
        beside(value, guess, f"error {number(value)}, of a guess {number(guess)}") if guess else None,
    )


def _typical_errors(facts: RegressionFacts) -> Fact:
    widths = {float(share): width for share, width in facts.quantiles.items()}
    half, most = widths.get(0.5, 0.0), widths.get(0.9, 0.0)
    return Fact(
        f"±{number(half)}",
        f"half of the rows; 90 of 100 within ±{number(most)}",
        f"Half of the predictions are off by less than {number(half)}, and one in ten by more than "
        f"{number(most)}.",
        spread(
            [(s, w) for s, w in widths.items() if s in (0.5, 0.8, 0.9)],
            max(widths.get(0.95, 0.0), 1e-12),
            label=f"errors: half within {number(half)}, nine of ten within {number(most)}",
        ),
    )


def _share(value: float, name: str, said: str, shown: str) -> Fact:
    """Tell a share as so many of a hundred; `shown` says of what, for those who do not see the squares."""
    hundredths = f"{of_hundred(value)} of 100"
    return Fact(hundredths, name, said, waffle(value, f"{hundredths} {shown}"))


def _positive_counts(found: Evaluation) -> tuple[int, int] | None:
    """Return how many rows are positive, and how many are flagged."""
    classes = found.classification.classes if found.classification is not None else ()
    mine = next((c for c in classes if c.label == found.positive), None)
    return None if mine is None else (mine.rows, mine.predicted)


def _bounds(estimate: Estimate) -> str:
    text = interval(estimate)
    return f", {text}" if text else ""


def _share_bounds(estimate: Estimate) -> str:
    if estimate.lower is None or estimate.upper is None:
        return ""
    return f", {of_hundred(estimate.lower)} to {of_hundred(estimate.upper)}"
