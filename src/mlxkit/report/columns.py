"""The part of the report on columns: which the model depends on, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.report.blocks import Block, Figure, Figures, Note, Section, Table
from mlxkit.report.charts import bar, dependence
from mlxkit.report.scale import around
from mlxkit.report.strip_chart import name_of, strips
from mlxkit.report.words import count, listed, matters, number, rows, signed, title

if TYPE_CHECKING:
    from mlxkit.evaluation.facts import Contribution, Contributions, Evaluation, Questions
    from mlxkit.report.html import Html

_SHOWN_COLUMNS, _SHOWN_STRIPS = 12, 10
_CLEAR_TREND = 0.5


def columns_section(found: Evaluation) -> Section | None:
    """Return which columns the model depends on, and how."""
    asked = found.questions
    if asked is None:
        return None
    blocks: list[Block] = [_importance(asked)] if asked.measured is not None else []
    blocks += _contributions(found, found.contributions) if found.contributions is not None else []
    if asked.dependence:
        blocks.append(_dependence(found, asked))
    worth = [i.column for i in asked.importance if matters(i)]
    said = (
        f"It depends most on {listed(worth[:3])}."
        if worth
        else "No single column makes it clearly worse when shuffled."
    )
    if asked.dependence:
        outcome = "prediction" if asked.outcome is None else f"chance of {asked.outcome}"
        blocks.append(
            Note(
                f"Lines: the mean {outcome} when the column is set to a value for all of "
                f"{rows(asked.dependence_rows)}; band: the middle 80 % of them. "
                "What the model does, not what would happen if the world changed.",
                of_chart=True,
            )
        )
    return Section("columns", "What does it depend on?", said, tuple(blocks))


def _importance(asked: Questions) -> Table:
    shown = asked.importance[:_SHOWN_COLUMNS]
    bounds = (min(0.0, *(i.least for i in shown)), max(1e-12, *(i.most for i in shown)))
    name = title(asked.measured or "")
    lines: list[tuple[str | Html, ...]] = [
        (
            i.column,
            signed(i.loss),
            bar(i.loss, bounds, label=f"{i.column}: {signed(i.loss)}", least=i.least, most=i.most),
            f"{signed(i.least)} to {signed(i.most)}",
        )
        for i in shown
    ]
    more = len(asked.importance) - len(shown)
    if more > 0:
        lines.append((f"and {count(more)} more", "", "", ""))
    caption = (
        f"How much worse {name} gets when a column is shuffled, {asked.repeats} "
        f"time{'' if asked.repeats == 1 else 's'}, on {rows(asked.rows)}. Columns that say the same share "
        "their worth."
    )
    headers = ("Column", f"Loss of {name}", "", "Range")
    return Table(headers, tuple(lines), caption, frozenset({1}))


def _contributions(found: Evaluation, parts: Contributions) -> list[Block]:
    """Return SHAP values as strips of dots and as a table; nothing where no column moves a prediction."""
    shown = [c for c in parts.columns if c.size > 0][:_SHOWN_STRIPS]
    if not shown:
        return []
    of = f"the chance of {parts.outcome}" if parts.outcome is not None else found.target
    sizes = ", ".join(f"{name_of(c)} {number(c.size)}" for c in shown)
    figure = Figure(
        "SHAP values: what each column adds to single predictions.",
        strips(shown, of=of, label=f"mean SHAP value without its sign, by column: {sizes}"),
        f"Each dot is one of {rows(parts.rows)}: right of the line its value of the column raises {of}, left "
        f"it lowers it. What all columns add to the mean of {number(parts.base)} is the row's prediction.",
    )
    lines: list[tuple[str | Html, ...]] = [
        (name_of(c), number(c.size), f"{signed(min(c.values))} to {signed(max(c.values))}", _direction(c))
        for c in shown
    ]
    more = sum(c.stands_for for c in parts.columns) - sum(c.stands_for for c in shown)
    if more > 0:
        lines.append((f"and {count(more)} more", "", "", ""))
    caption = (
        f"SHAP values (Lundberg and Lee, 2017): what each column adds to {of} in single predictions, from a "
        f"mean of {number(parts.base)}, on {rows(parts.rows)}"
    )
    headers = ("Column", "Mean size", "Range", "What raises it")
    return [Figures((figure,)), Table(headers, tuple(lines), caption, frozenset({1}), folded=True)]


def _direction(column: Contribution) -> str:
    if column.ends is not None:
        return f"{column.ends[1]} most, {column.ends[0]} least"
    if column.trend is None:
        return ""
    if abs(column.trend) < _CLEAR_TREND:
        return "no single direction"
    return "high values" if column.trend > 0 else "low values"


def _dependence(found: Evaluation, asked: Questions) -> Figures:
    values = [v for d in asked.dependence for v in (*d.low, *d.high)]
    bounds = around(values)
    if asked.outcome is not None:
        bounds = max(0.0, bounds[0]), min(1.0, bounds[1])
    y = f"chance of {asked.outcome}" if asked.outcome is not None else found.target
    return Figures(
        tuple(
            Figure(
                d.column,
                dependence(d, y=y, bounds=bounds, label=f"mean {y} by {d.column}: {_along(d.at, d.mean)}"),
            )
            for d in asked.dependence
        )
    )


def _along(at: tuple[str, ...], mean: tuple[float, ...]) -> str:
    return ", ".join(f"{text} {number(value)}" for text, value in zip(at, mean, strict=True))
