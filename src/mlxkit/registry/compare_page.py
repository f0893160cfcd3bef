"""A comparison of two models as one HTML page, in the form of the evaluation's report."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from mlxkit.project.files import write_report
from mlxkit.registry.compare_sections import (
    changes_section,
    code_section,
    difference_chart,
    groups_section,
    importance_section,
    method_section,
    metrics_section,
    recorded_section,
)
from mlxkit.registry.comparison import importance_of
from mlxkit.report.blocks import Fact, Report
from mlxkit.report.charts import waffle
from mlxkit.report.page import render_page
from mlxkit.report.words import (
    count,
    number,
    of_hundred,
    percent,
    rows,
    signed,
    signed_interval,
    title,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlxkit.evaluation.facts_of_pairs import MetricPair, Paired
    from mlxkit.registry.comparison import ModelComparison, Side


def write_page(found: ModelComparison, file: Path, *, name: str) -> None:
    """Write the page; `name` is the project's.

    Raises:
        DataError: it cannot be written there.
    """
    write_report(file, render_page(page_of(found, name=name)))


def page_of(found: ModelComparison, *, name: str) -> Report:
    """Return the comparison as a report."""
    paired = found.paired
    document = json.dumps(found.to_json(), default=str)
    sections = [
        *([metrics_section(found, paired)] if paired is not None else [recorded_section(found)]),
        *([groups_section(paired)] if paired is not None and paired.groups else []),
        *([importance_section(found)] if importance_of(found) else []),
        changes_section("params", "Which parameters differ?", "parameter", found.params, found.params_alike),
        changes_section("inputs", "Which data differs?", "data input", found.inputs, found.inputs_alike),
        code_section(found),
        *([method_section(paired)] if paired is not None else []),
    ]
    where = f" on the same {rows(paired.labelled)} of {found.rows}" if paired is not None else ""
    return Report(
        kicker=f"{name} · two models",
        title=f"Is {found.second.short} better than {found.first.short}?",
        standfirst=f"A is {found.first.title}; B is {found.second.title}. Both side by side{where}.",
        facts=tuple(_facts(paired)) if paired is not None else (),
        verdicts=tuple(_verdicts(found)),
        cautions=found.notes,
        sections=tuple(sections),
        digest=hashlib.md5(document.encode(), usedforsecurity=False).hexdigest(),
    )


def _facts(paired: Paired) -> Iterator[Fact]:
    headline = next(pair for pair in paired.metrics if pair.name == paired.headline)
    gain = headline.gain
    if gain is not None and headline.first is not None and headline.second is not None:
        bounds = signed_interval(gain)
        yield Fact(
            signed(gain.value),
            f"gain in {title(headline.name)}{f', {bounds}' if bounds else ''}",
            f"A has {number(headline.first.value)}, B {number(headline.second.value)}. {_said(headline)}",
            difference_chart(headline),
        )
    apart = paired.disagreement
    if apart.differ is not None:
        yield Fact(
            count(apart.differ),
            f"of {rows(apart.rows)} get another label",
            f"A is right on {count(apart.first_right or 0)} of them, B on {count(apart.second_right or 0)}.",
            waffle(apart.differ / apart.rows, f"{percent(apart.differ / apart.rows)} of the rows"),
        )
    elif apart.distance is not None and apart.closer is not None:
        share = of_hundred(apart.closer)
        yield Fact(
            f"{share} of 100",
            "rows on which B is nearer to the truth",
            f"Their predictions are {number(apart.distance)} apart on average.",
            waffle(apart.closer, f"{share} of 100 rows"),
        )
    better, worse = ([p.name for p in paired.metrics if p.verdict == word] for word in ("better", "worse"))
    rest = len(paired.metrics) - len(better) - len(worse)
    yield Fact(
        f"{len(better)} : {len(worse)}",
        f"metrics better and worse, of {len(paired.metrics)}",
        f"By {count(rest)} of them nobody can tell." if rest else "Each of them tells.",
    )


def _said(pair: MetricPair) -> str:
    match pair.verdict:
        case "better":
            return "B is better, beyond chance."
        case "worse":
            return "B is worse, beyond chance."
        case "same":
            return "Both are the same."
    return "The difference may be chance."


def _verdicts(found: ModelComparison) -> Iterator[tuple[str, str]]:
    for letter, side in (("A", found.first), ("B", found.second)):
        yield letter, _who(side)
    paired = found.paired
    if paired is not None:
        named = {
            word: [title(p.name) for p in paired.metrics if p.verdict == word] for word in ("better", "worse")
        }
        parts = [f"{word} in {', '.join(names)}" for word, names in named.items() if names]
        yield "B is", f"{'; '.join(parts)}." if parts else "neither better nor worse, beyond chance."


def _who(side: Side) -> str:
    run = side.named.run
    if run is None:
        return f"{side.title}."
    when = f"{run.started:%Y-%m-%d %H:%M} UTC"
    commit = f", commit {run.commit[:7]}" if run.commit else ""
    return f"{side.title}: trained {when} in run {run.id[:8]}{commit}{' with changes' if run.dirty else ''}."
