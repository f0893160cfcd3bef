"""The parts of the report that every task has: metrics, groups, weak slices, time, method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.report.blocks import Block, Figure, Figures, Note, Section, Table
from mlxkit.report.charts import over_time, whisker
from mlxkit.report.scale import around
from mlxkit.report.words import (
    NONE,
    conditions,
    count,
    interval,
    is_certain,
    listed,
    number,
    of_hundred,
    percent,
    rows,
    signed,
    title,
)

if TYPE_CHECKING:
    from mlxkit.evaluation.facts import (
        ChampionFacts,
        Estimate,
        Evaluation,
        Group,
        Method,
        Protected,
    )
    from mlxkit.report.html import Html

_READING = (
    "Dot: the model, with its interval. Grey tick: guessing, which knows the labels of the "
    "training rows alone."
)


def metrics_section(found: Evaluation, champion: ChampionFacts | None) -> Section:
    """Return the table of all metrics."""
    headers = ["Metric", "Model", "95 % interval", "", "Guess"]
    compared = champion is not None and bool(champion.metrics)
    headers += ["Champion", "Difference"] if compared else []
    lines = []
    for metric in found.metrics:
        theirs = champion.metric(metric.name) if champion is not None else None
        marks = [(metric.baseline, "mark-guess")] if metric.baseline is not None else []
        marks += [(theirs.value, "mark-champion")] if theirs is not None else []
        bounds = around([metric.model.value, metric.model.lower, metric.model.upper, *(v for v, _ in marks)])
        label = f"{title(metric.name)}: {number(metric.model.value)}, {interval(metric.model)}"
        line: list[str | Html] = [
            title(metric.name) + (" ↓" if metric.direction == "lower" else ""),
            number(metric.model.value),
            interval(metric.model),
            whisker(metric.model, bounds, label=label, others=marks),
            "" if metric.baseline is None else number(metric.baseline),
        ]
        if compared:
            line += [
                "" if theirs is None else number(theirs.value),
                "" if theirs is None else f"{signed(theirs.gain.value)}{_certainty(theirs.gain)}",
            ]
        lines.append(tuple(line))
    empty = [""] * (len(headers) - 2)
    lines += [(name, number(value), *empty) for name, value in found.own.items()]
    said = (
        f"On {rows(found.labelled)}. An interval says how far chance in the choice of these rows can move "
        "a number; "
        "\N{DOWNWARDS ARROW}: lower is better."
    )
    notes: list[Block] = [
        Note(_READING if not compared else f"{_READING} Blue tick: the champion.", of_chart=True)
    ]
    if compared:
        notes.append(Note("A difference above zero favours this model; * beyond chance."))

    if found.own:
        notes.append(Note(f"{listed(list(found.own))}: of the project's own function, without an interval."))
    table = Table(tuple(headers), tuple(lines), "Metrics of the model", frozenset({1, 4, 5, 6}))
    return Section("metrics", "All metrics", said, (table, *notes))


def groups_section(found: Evaluation) -> Section | None:
    """Return a table for each protected column."""
    if not found.protected:
        return None
    blocks: list[Block] = [_group_table(found, protected) for protected in found.protected]
    name = title(found.headline)
    certain = [p.column for p in found.protected if any(is_certain(g.difference) for g in p.groups)]
    said = (
        f"{name} differs beyond chance between the groups of {listed(certain)}."
        if certain
        else f"No group differs from the other rows in {name} beyond chance."
    )
    blocks.append(
        Note(
            "Difference: this group minus all other rows, resampled together. Groups of fewer than ten rows "
            "are counted, not measured. These intervals are not corrected for the number of groups."
        )
    )
    return Section("groups", "Does it serve all groups alike?", said, tuple(blocks))


def _group_table(found: Evaluation, protected: Protected) -> Table:
    metrics = [found.headline, *(["precision", "recall"] if found.positive is not None else [])]
    values = [e for g in protected.groups if (e := g.metrics.get(found.headline)) is not None]
    bounds = around([v for e in values for v in (e.value, e.lower, e.upper)])
    headers = [protected.column, "Rows", title(found.headline), "95 % interval", "", "Difference"]
    headers += [title(m) for m in metrics[1:]]
    headers += ["Flagged", "Actual"] if found.positive is not None else []
    lines = tuple(_group_line(group, found, metrics, bounds) for group in protected.groups)
    if protected.omitted:
        more = f"and {count(protected.omitted)} smaller groups"
        lines = (*lines, (more, *[""] * (len(headers) - 1)))
    right = frozenset({1, 2, 5, 6, 7, 8, 9})
    return Table(tuple(headers), lines, f"Groups of {protected.column}", right)


def _group_line(
    group: Group, found: Evaluation, metrics: list[str], bounds: tuple[float, float]
) -> tuple[str | Html, ...]:
    main = group.metrics.get(found.headline)
    line: list[str | Html] = [group.value, count(group.rows)]
    if main is None:
        line += [NONE, "too few rows" if not group.metrics else "one class", "", ""]
    else:
        label = f"{group.value}: {number(main.value)}, {interval(main)}"
        difference = group.difference
        line += [
            number(main.value),
            interval(main),
            whisker(main, bounds, label=label),
            "" if difference is None else f"{signed(difference.value)}{_certainty(difference)}",
        ]
    line += [number(group.metrics[m].value) if m in group.metrics else NONE for m in metrics[1:]]
    if found.positive is not None:
        line.append(NONE if group.flagged is None else percent(group.flagged.value))
        line.append(NONE if group.actual is None else percent(group.actual))
    return tuple(line)


def weak_section(found: Evaluation) -> Section | None:
    """Return the slices on which the model errs more than elsewhere."""
    weak = found.weak
    if weak is None:
        return None
    wrong = weak.measure == "wrong"
    write = of_hundred if wrong else number
    lines = tuple(
        (
            conditions(w),
            count(w.rows),
            write(w.error.value),
            _written(w.error, wrong=wrong),
            write(w.rest),
            f"< {1 / weak.shuffles:.3f}" if w.p <= 1.5 / weak.shuffles else f"{w.p:.3f}",
        )
        for w in weak.found
    )
    what = "Wrong of 100" if wrong else "Mean error"
    table = Table(
        ("Rows where", "Rows", what, "95 % interval", "Elsewhere", "p"),
        lines,
        "Weak slices",
        frozenset({1, 2, 4, 5}),
    )
    said = (
        "On these rows the model errs more than elsewhere, by more than chance explains."
        if weak.found
        else "No slice stands out: what differs is no more than chance."
    )
    note = Note(
        f"{count(weak.candidates)} slices of one or two columns with at least {count(weak.least_rows)} "
        "rows were "
        f"looked at, on {rows(weak.rows)}. Who looks that often finds bad ones by chance, so a slice "
        "counts only "
        f"if it is worse than the worst of all slices in 95 % of {weak.shuffles} random orders of the errors "
        "(Westfall and Young, 1993). Rows there may be harder for any model."
    )
    return Section("weak", "Where is it weakest?", said, (table, note) if weak.found else (note,))


def _written(estimate: Estimate, *, wrong: bool) -> str:
    if not wrong or estimate.lower is None or estimate.upper is None:
        return interval(estimate)
    return f"{of_hundred(estimate.lower)} to {of_hundred(estimate.upper)}"


def time_section(found: Evaluation) -> Section | None:
    """Return the headline metric by period."""
    time = found.over_time
    metric = found.metric(found.headline)
    if time is None or metric is None:
        return None
    name = title(found.headline)
    chart = over_time(
        time.periods, y=name, label=f"{name} by {time.unit} of {time.column}", whole=metric.model.value
    )
    lines = tuple(
        (
            p.start,
            count(p.rows),
            NONE if p.metric is None else number(p.metric.value),
            "" if p.metric is None else interval(p.metric),
        )
        for p in time.periods
    )
    known = [p for p in time.periods if p.metric is not None]
    said = f"{name} by {time.unit} of {time.column}; the dashed line is all rows together."
    if known:
        ordered = sorted(known, key=lambda p: p.metric.value if p.metric else 0.0)
        ends = [ordered[-1], ordered[0]] if metric.direction == "higher" else [ordered[0], ordered[-1]]
        best, worst = (f"{number(p.metric.value)} in {p.start}" for p in ends if p.metric)
        said += f" Best {best}, worst {worst}."
    table = Table(
        (time.unit.capitalize(), "Rows", name, "95 % interval"),
        lines,
        f"{name} by {time.unit}",
        frozenset({1, 2}),
        folded=True,
    )
    return Section("time", "Does it hold over time?", said, (Figures((Figure("", chart),)), table))


def method_section(found: Evaluation) -> Section:
    """Say how all of it was measured."""
    method = found.method
    texts = [
        f"All intervals are at {method.confidence:.0%}, from {count(method.resamples)} bootstrap "
        "resamples of "
        f"{_drawn(method)}, by percentiles (Efron and Tibshirani, 1993); what is compared is resampled "
        "together. They cover the chance in these test rows, not that of another training, nor that the "
        "world changes."
        if method.resamples
        else f"There are too few {'rows' if method.keys is None else 'keys'} for intervals.",
        "Shares by score or group have Wilson intervals (1927).",
    ]
    if method.keys is not None:
        texts.append(
            "A key repeats, and rows of one key err together: they are resampled together, while Wilson "
            "intervals and the search for weak slices take each row for itself, and see too little chance."
        )
    if method.rows < found.labelled:
        texts.append(
            f"Values are of all {rows(found.labelled)}; the width of intervals is that of a sample, scaled."
        )
    if found.questions is not None and found.questions.rows < found.labelled:
        texts.append(f"Importance and dependence rest on random samples of the {rows(found.labelled)}.")
    return Section("method", "How this was measured", " ".join(texts), ())


def _drawn(method: Method) -> str:
    if method.keys is None:
        return rows(method.rows)
    return f"the {count(method.keys)} keys of {rows(method.rows)} (Field and Welsh, 2007)"


def _certainty(estimate: Estimate) -> str:
    return "*" if is_certain(estimate) else ""
