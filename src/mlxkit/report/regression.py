"""The parts of a regression's report: predicted against actual, residuals, error by size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.report.blocks import Figure, Figures, Section, Table
from mlxkit.report.charts import histogram, scatter, tenths
from mlxkit.report.words import count, interval, is_certain, number, rows, signed

if TYPE_CHECKING:
    from mlxkit.evaluation.facts import Estimate, Evaluation, RegressionFacts


def regression_sections(found: Evaluation) -> list[Section]:
    """Return all parts that only a regression has."""
    facts = found.regression
    if facts is None:
        return []
    parts = (_figures(facts), _by_size(facts))
    return [Section("residuals", "How far off is it, and which way?", _lean(facts.bias), parts)]


def _lean(bias: Estimate) -> str:
    """Say which way the predictions are off."""
    match is_certain(bias):
        case 1:
            lean = f"The truth is higher than predicted, by {number(bias.value)} on average."
        case -1:
            lean = f"The truth is lower than predicted, by {number(abs(bias.value))} on average."
        case _:
            lean = "On average it is neither too high nor too low, beyond chance."
    bounds = interval(bias)
    return f"{lean} Residual on average {signed(bias.value)} ({bounds})." if bounds else lean


def _figures(facts: RegressionFacts) -> Figures:
    outside = sum(facts.outside)
    return Figures(
        (
            Figure(
                "Predicted and actual",
                scatter(facts, label=f"predicted and actual values of {rows(len(facts.points))}"),
                f"{rows(len(facts.points))}; right on the dashed line.",
            ),
            Figure(
                "By size",
                tenths(facts.tenths, label="mean truth by tenth of the predictions"),
                "Each dot a tenth of the rows, by prediction, with its interval.",
            ),
            Figure(
                "Residuals",
                histogram(facts, label="rows by truth minus prediction"),
                f"Left: predicted too high. {rows(outside)} lie outside the picture."
                if outside
                else "Left: predicted too high.",
            ),
        )
    )


def _by_size(facts: RegressionFacts) -> Table:
    return Table(
        ("Mean prediction", "Mean truth", "95 % interval", "Mean error", "95 % interval", "Rows"),
        tuple(
            (
                number(t.predicted),
                number(t.actual.value),
                interval(t.actual),
                number(t.error.value),
                interval(t.error),
                count(t.rows),
            )
            for t in facts.tenths
        ),
        "Error by tenth of the predictions",
        frozenset({0, 1, 3, 5}),
        folded=True,
    )
