"""The parts of the page on two models: metrics, groups, importance, parameters, data, code, method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.registry.comparison import importance_of, loss_text
from mlxkit.report.blocks import Block, Code, Note, Section, Table
from mlxkit.report.charts import bar, whisker
from mlxkit.report.html import Html, joined, tag
from mlxkit.report.words import (
    MINUS,
    NONE,
    count,
    interval,
    number,
    rows,
    signed,
    signed_interval,
    title,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlxkit.evaluation.facts import Estimate
    from mlxkit.evaluation.facts_of_pairs import MetricPair, Paired
    from mlxkit.registry.comparison import Change, ModelComparison

_Cell = str | Html
_READING = (
    "Difference: above zero B is better, whichever way the metric points. An interval that lies on one side "
    "of zero is more than chance in the choice of these rows explains."
)


def metrics_section(found: ModelComparison, paired: Paired) -> Section:
    """Return the table of all metrics of both."""
    lines = [_line(title(pair.name) + _arrow(pair), pair) for pair in found.metrics]
    table = Table(_headers("Metric"), tuple(lines), "Metrics of both models", frozenset({1, 2, 4}))
    said = f"On {rows(paired.labelled)}, each scored by both; \N{DOWNWARDS ARROW}: lower is better."
    return Section("metrics", "All metrics", said, (table, Note(_READING)))


def groups_section(paired: Paired) -> Section:
    """Return the headline metric of both by protected group."""
    lines: list[tuple[_Cell, ...]] = []
    for group in paired.groups:
        name = joined([f"{group.column} = {group.value}", tag("small", f" {rows(group.rows)}")])
        too_few = (name, NONE, NONE, "", "", "", "too few rows")
        lines.append(too_few if group.pair is None else _line(name, group.pair))
    caption = f"{title(paired.headline)} by group"
    table = Table(_headers("Group"), tuple(lines), caption, frozenset({1, 2, 4}))
    certain = [
        f"{g.column} = {g.value}" for g in paired.groups if g.pair is not None and g.pair.verdict == "worse"
    ]
    said = (
        f"B is worse for {', '.join(certain)}."
        if certain
        else f"B is worse for no group in {title(paired.headline)}, beyond chance."
    )
    return Section("groups", "For whom does it change?", said, (table,))


def _headers(first: str) -> tuple[str, ...]:
    return (first, "A", "B", "", "Difference", "95 % interval", "B is")


def _line(name: _Cell, pair: MetricPair) -> tuple[_Cell, ...]:
    gain = pair.gain
    return (
        name,
        _cell(pair.first),
        _cell(pair.second),
        "" if gain is None else difference_chart(pair),
        "" if gain is None else signed(gain.value),
        "" if gain is None else signed_interval(gain),
        "" if pair.verdict is None else tag("span", pair.verdict, class_=pair.verdict.replace(" ", "-")),
    )


def _arrow(pair: MetricPair) -> str:
    return " \N{DOWNWARDS ARROW}" if pair.direction == "lower" else ""


def _cell(estimate: Estimate | None) -> _Cell:
    if estimate is None:
        return NONE
    bounds = interval(estimate)
    return joined([number(estimate.value), tag("small", f" {bounds}") if bounds else None])


def difference_chart(pair: MetricPair) -> Html:
    """Draw the difference about zero."""
    gain = pair.gain
    assert gain is not None
    reach = max(abs(v) for v in (gain.value, gain.lower, gain.upper) if v is not None) * 1.1 or 1.0
    label = f"{title(pair.name)}: {signed(gain.value)}, {signed_interval(gain)}"
    return whisker(gain, (-reach, reach), label=label, others=[(0.0, "mark-guess")])


def recorded_section(found: ModelComparison) -> Section:
    """Return what each model recorded, where they cannot be compared."""
    first, second = found.first.recorded, found.second.recorded
    lines = tuple(
        (title(name), *(_cell(values.get(name)) for values in (first, second)))
        for name in dict.fromkeys([*first, *second])
    )
    said = "Each as its own evaluation found it, on its own rows: these numbers are not to be compared."
    table = Table(("Metric", "A", "B"), lines, "Metrics as recorded", frozenset({1, 2}))
    return Section("metrics", "What each recorded", said, (table,) if lines else ())


def importance_section(found: ModelComparison) -> Section:
    """Return which columns both depend on."""
    entries = importance_of(found)[:12]
    values = [v for _, *both in entries for v in both if v is not None]
    bounds = (min(0.0, *values), max(1e-12, *values))
    name = title(found.measured or "")

    def drawn(column: str, value: float | None) -> tuple[_Cell, _Cell]:
        if value is None:
            return NONE, ""
        return loss_text(value), bar(
            value, bounds, label=f"{column}: {signed(value)}", least=value, most=value
        )

    lines = tuple(
        (column, *drawn(column, first), *drawn(column, second)) for column, first, second in entries
    )
    caption = f"How much worse {name} gets when a column is shuffled"
    table = Table(("Column", "A", "", "B", ""), lines, caption, frozenset({1, 3}))
    more = len(importance_of(found)) - len(entries)
    note = (Note(f"And {count(more)} more, which matter less."),) if more else ()
    return Section("columns", "What do they depend on?", "", (table, *note))


def changes_section(name: str, heading: str, what: str, changes: Sequence[Change], alike: int) -> Section:
    """Return a table of the values that differ."""
    if not changes:
        said = f"None: all {count(alike)} are the same." if alike else f"No {what} is known."
        return Section(name, heading, said)
    lines = tuple((c.name, _value(c.first), _value(c.second)) for c in changes)
    table = Table((what.capitalize(), "A", "B"), lines, f"What differs; {count(alike)} are the same")
    return Section(name, heading, "", (table,))


def _value(text: str | None) -> str:
    if text is None:
        return NONE
    return text if len(text) <= 60 else f"{text[:59]}…"


def code_section(found: ModelComparison) -> Section:
    """Return the files that differ, and the command that shows how."""
    code = found.code
    heading = "What changed in the code?"
    if code.first is None or code.second is None:
        return Section("code", heading, "The commit of one of them is not known.")
    if code.same:
        return Section("code", heading, f"Nothing that is committed: both are of {code.first[:12]}.")
    blocks: list[Block] = []
    if code.files:
        lines = tuple((c.path, _lines(c.added, "+"), _lines(c.removed, MINUS)) for c in code.files)
        caption = f"From {code.first[:12]} to {code.second[:12]}"
        blocks.append(Table(("File", "Added", "Removed"), lines, caption, frozenset({1, 2})))
    said = "This repository does not have both commits." if code.files is None else ""
    blocks += [Code(code.command)] if code.command else []
    return Section(
        "code", heading, said or ("" if code.files else "No file of the project differs."), tuple(blocks)
    )


def _lines(value: int | None, sign: str) -> str:
    return "binary" if value is None else f"{sign}{count(value)}"


def method_section(paired: Paired) -> Section:
    """Say how all of it was measured."""
    method = paired.method
    drawn = (
        rows(method.rows) if method.keys is None else f"the {count(method.keys)} keys of {rows(method.rows)}"
    )
    said = (
        f"All intervals are at {method.confidence:.0%}, from {count(method.resamples)} bootstrap resamples "
        f"of {drawn}, by percentiles (Efron and Tibshirani, 1993). Both are resampled together, so what "
        "both find hard cancels out. Intervals are not corrected for the number of metrics and groups."
        if method.resamples
        else "There are too few rows for intervals."
    )
    return Section("method", "How this was measured", said)
