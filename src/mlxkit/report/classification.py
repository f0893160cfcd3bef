"""The parts of a classification's report: confusion, ranking, calibration, thresholds, classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.report.blocks import Block, Figure, Figures, Note, Section, Table
from mlxkit.report.charts import calibration, curve
from mlxkit.report.html import Html, tag
from mlxkit.report.words import NONE, count, number, of_hundred, percent, rows

if TYPE_CHECKING:
    from mlxkit.evaluation.facts import ClassificationFacts, Curve, Evaluation, Threshold, Thresholds


def classification_sections(found: Evaluation) -> list[Section]:
    """Return all parts that only a classification has."""
    facts = found.classification
    if facts is None:
        return []
    sections = [_confusion(found, facts)]
    if facts.thresholds is not None and found.positive is not None:
        sections.append(_thresholds(found, facts.thresholds))
    if facts.roc or facts.calibration:
        sections.append(_scores(found, facts))
    if found.positive is None:
        sections.append(_classes(facts))
    return sections


def _confusion(found: Evaluation, facts: ClassificationFacts) -> Section:
    labels, table = facts.confusion_labels, facts.confusion
    right = sum(table[i][i] for i in range(len(labels)))
    lines: list[tuple[str | Html, ...]] = []
    for i, label in enumerate(labels):
        total = sum(table[i])
        cells = [_cell(table[i][j], total, right=i == j) for j in range(len(labels))]
        lines.append((label, *cells, count(total)))
    wrong = found.labelled - right
    said = f"It gets {count(right)} of {rows(found.labelled)} right and {count(wrong)} wrong."
    headers = ("True class", *(f"predicted {label}" for label in labels), "Rows")
    block = Table(
        headers,
        tuple(lines),
        "True classes in rows, predicted ones in columns",
        frozenset(range(1, len(headers))),
    )
    return Section("confusion", "What does it get wrong?", said, (block,))


def _cell(value: int, total: int, *, right: bool) -> str | Html:
    share = value / total if total else 0.0
    kind = "cell right" if right else "cell wrong"
    return tag(
        "span", count(value), tag("small", f" {percent(share)}"), class_=kind, style=f"--share:{share:.2f}"
    )


def _thresholds(found: Evaluation, facts: Thresholds) -> Section:
    costs = facts.costs
    headers = ["Flag from", "Flagged", f"Are {found.positive}", "Precision", "Recall"]
    headers += ["Cost", "Per 100 rows"] if costs else []
    lines = tuple(_threshold(row, found.labelled, with_cost=costs is not None) for row in facts.table)
    default = facts.at_default
    marked = facts.at_advised if facts.at_advised is not None else default
    place = next((i for i, row in enumerate(facts.table) if row.threshold == marked.threshold), None)
    said = (
        f"From 0.5 on it flags {count(default.flagged)} of {rows(found.labelled)}, "
        f"{count(default.hits)} of them rightly."
    )
    notes: list[Block] = []
    if costs and facts.at_advised is not None and facts.advised is not None:
        advised = facts.at_advised
        alarm, missed = number(costs["false_positive"]), number(costs["false_negative"])
        if default.cost is not None and advised.cost is not None:
            saved = default.cost - advised.cost
            way = "less" if saved >= 0 else "more"
            said = (
                f"With a false alarm at {alarm} and a miss at {missed}, flag from "
                f"{number(facts.advised)}: on these rows "
                f"that costs {number(advised.cost)}, {number(abs(saved))} {way} than from 0.5."
            )
        notes.append(
            Note(
                "The marked threshold follows from the costs alone (Elkan, 2001), so these rows did not "
                "choose it; it "
                "is best where probabilities are right, see calibration."
            )
        )
    else:
        notes.append(
            Note(
                "Give `costs: {false_positive: 1, false_negative: 5}` in mlx.yaml to see what each one costs."
            )
        )
    table = Table(tuple(headers), lines, "Thresholds", frozenset(range(7)), place)
    return Section("thresholds", "Where to draw the line?", said, (table, *notes))


def _threshold(row: Threshold, total: int, *, with_cost: bool) -> tuple[str, ...]:
    line = [
        number(row.threshold),
        count(row.flagged),
        count(row.hits),
        NONE if row.precision is None else number(row.precision),
        number(row.recall),
    ]
    if with_cost and row.cost is not None:
        line += [number(row.cost), number(100 * row.cost / total)]
    return tuple(line)


def _scores(found: Evaluation, facts: ClassificationFacts) -> Section:
    binary = found.positive is not None
    default = facts.thresholds.at_default if facts.thresholds is not None else None
    share = {c.label: c.rows / found.labelled for c in facts.classes}
    figures = [
        *(_roc(found, line, share.get(line.label, 0.0), default) for line in facts.roc),
        *(
            _precision_recall(line, share.get(line.label, 0.0), default)
            for line in facts.precision_recall
            if binary
        ),
        *([_calibration(found, facts)] if facts.calibration else []),
    ]
    blocks: list[Block] = [Figures(tuple(figures))]
    if binary and figures and default is not None:
        blocks.append(Note("Dot on a curve: flagging from 0.5 on.", of_chart=True))
    said = "How well it ranks, and whether its probabilities can be taken at their word."
    if facts.calibration_error is not None:
        blocks.append(_calibration_table(facts))
        said += (
            f" On average what happens is {number(100 * facts.calibration_error)} of 100 away from "
            "what it says."
        )
    return Section("scores", "What are its probabilities worth?", said, tuple(blocks))


def _roc(found: Evaluation, line: Curve, share: float, default: Threshold | None) -> Figure:
    """Draw how much of a class is found, against how much of the rest is flagged with it."""
    negatives = found.labelled - round(share * found.labelled)
    point = None
    if default is not None and negatives:
        point = ((default.flagged - default.hits) / negatives, default.recall)
    return Figure(
        "ROC" if found.positive is not None else f"ROC, {line.label} against the rest",
        curve(
            line,
            x="share of the others that is flagged",
            y="share that is found",
            label=f"ROC curve of {line.label}, area {number(line.area)}",
            guess=[(0, 0), (1, 1)],
            point=point,
        ),
        f"Area {number(line.area)}; a guess is on the dashed line, 0.5.",
    )


def _precision_recall(line: Curve, share: float, default: Threshold | None) -> Figure:
    point = None
    if default is not None and default.precision is not None:
        point = (default.recall, default.precision)
    return Figure(
        "Precision and recall",
        curve(
            line,
            x="recall: share that is found",
            y="precision",
            label=f"precision and recall of {line.label}, area {number(line.area)}",
            guess=[(0, share), (1, share)],
            point=point,
        ),
        f"Area {number(line.area)}; a guess has the share of {line.label}, {number(share)}.",
    )


def _calibration(found: Evaluation, facts: ClassificationFacts) -> Figure:
    bins = (f"{number(b.predicted)} said, {number(b.observed.value)} happened" for b in facts.calibration)
    what = "that are right" if found.positive is None else f"that are {found.positive}"
    return Figure(
        "Calibration of the predicted class" if found.positive is None else "Calibration",
        calibration(
            facts.calibration,
            x="predicted probability",
            y=f"share {what}",
            label="calibration: " + ", ".join(bins),
        ),
        "On the dashed line, what it says is what happens.",
    )


def _calibration_table(facts: ClassificationFacts) -> Table:
    lines = tuple(
        (
            of_hundred(b.predicted),
            of_hundred(b.observed.value),
            ""
            if b.observed.lower is None or b.observed.upper is None
            else f"{of_hundred(b.observed.lower)} to {of_hundred(b.observed.upper)}",
            count(b.rows),
        )
        for b in facts.calibration
    )
    return Table(
        ("Says", "Happens", "95 % interval", "Rows"),
        lines,
        "Calibration, of 100, by tenth of the rows",
        frozenset({0, 1, 3}),
        folded=True,
    )


def _classes(facts: ClassificationFacts) -> Section:
    lines = tuple(
        (
            c.label,
            count(c.rows),
            number(c.hits / c.predicted) if c.predicted else NONE,
            number(c.hits / c.rows) if c.rows else NONE,
        )
        for c in facts.classes
    )
    table = Table(("Class", "Rows", "Precision", "Recall"), lines, "By class", frozenset({1, 2, 3}))
    best = max((c for c in facts.classes if c.rows), key=lambda c: c.hits / c.rows, default=None)
    said = "" if best is None else f"It finds {best.label} best."
    return Section("classes", "Class by class", said, (table,))
