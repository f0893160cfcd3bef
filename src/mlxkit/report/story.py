"""The whole report from the facts: what a page and a Markdown text both say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.report.blocks import Report, Section
from mlxkit.report.classification import classification_sections
from mlxkit.report.columns import columns_section
from mlxkit.report.large_numbers import large_numbers
from mlxkit.report.regression import regression_sections
from mlxkit.report.sections import (
    groups_section,
    method_section,
    metrics_section,
    time_section,
    weak_section,
)
from mlxkit.report.summary import cautions_of, verdicts_of
from mlxkit.report.words import count

if TYPE_CHECKING:
    from mlxkit.evaluation.facts import ChampionFacts, Evaluation


def report_of(found: Evaluation, *, name: str, digest: str, champion: ChampionFacts | None = None) -> Report:
    """Return the report of an evaluation; `name` is the project's, `digest` the md5 of the facts."""
    candidates = [
        metrics_section(found, champion),
        *(regression_sections(found) if found.task == "regression" else classification_sections(found)),
        weak_section(found),
        groups_section(found),
        columns_section(found),
        time_section(found),
    ]
    sections: list[Section] = [section for section in candidates if section is not None]
    gaps = tuple(f"{gap.part}: {gap.reason}" for gap in found.gaps)
    if gaps:
        sections.append(Section("gaps", "What could not be computed", "; ".join(gaps) + "."))
    sections.append(method_section(found))
    columns = f"{count(found.columns)} column{'' if found.columns == 1 else 's'}"
    what = f"{found.target} = {found.positive}" if found.positive is not None else found.target
    return Report(
        kicker=f"{name} · model evaluation",
        title=f"How well does the model predict {found.target}?",
        standfirst=f"It predicts {what} from {columns}, and was scored on {count(found.labelled)} test "
        f"row{'' if found.labelled == 1 else 's'}.",
        facts=large_numbers(found),
        verdicts=verdicts_of(found, champion),
        cautions=cautions_of(found, champion),
        sections=tuple(sections),
        digest=digest,
        gaps=gaps,
    )
