"""A report as Markdown: the same words and tables, without the drawings."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from mlxkit.report.blocks import Code, Heading, Note, Table, Terms, Text
from mlxkit.report.html import Html

if TYPE_CHECKING:
    from mlxkit.report.blocks import Report, Section

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def render_markdown(report: Report) -> str:
    """Return the report as Markdown."""
    lines = [
        f"# {_escaped(report.title)}",
        "",
        f"_{_escaped(report.kicker)}_",
        "",
        _escaped(report.standfirst),
        "",
    ]
    lines += [
        f"- **{_escaped(fact.figure)}** ({_escaped(fact.label)}): {_escaped(fact.sentence)}"
        for fact in report.facts
    ]
    lines += [""] if report.facts else []
    lines += [f"- **{name}**: {_escaped(sentence)}" for name, sentence in report.verdicts]
    if report.cautions:
        lines += ["", "## What to know", "", *(f"- {_escaped(caution)}" for caution in report.cautions)]
    for section in report.sections:
        lines += ["", *_section(section)]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> list[str]:
    lines = [f"## {_escaped(section.title)}"]
    lines += ["", _escaped(section.lead)] if section.lead else []
    for block in section.blocks:
        match block:
            case Table():
                lines += ["", *_table(block)]
            case Text(text) | Note(text, of_chart=False):
                lines += ["", _escaped(text)]
            case Heading(text):
                lines += ["", f"### {_escaped(text)}"]
            case Code(text):
                lines += ["", *(f"    {line}" for line in text.splitlines())]
            case Terms(entries):
                lines += ["", *(f"- **{_escaped(name)}**: {_escaped(said)}" for name, said in entries)]
    return lines


def _table(table: Table) -> list[str]:
    drawn = {
        i for row in table.rows for i, cell in enumerate(row) if isinstance(cell, Html) and "<svg" in cell
    }
    kept = [i for i in range(len(table.headers)) if i not in drawn]
    lines = [[_escaped(table.headers[i]) for i in kept], ["--:" if i in table.right else "---" for i in kept]]
    lines += [[_cell(row[i]) for i in kept] for row in table.rows]
    return [f"**{_escaped(table.caption)}**", "", *(f"| {' | '.join(line)} |" for line in lines)]


def _cell(cell: str | Html) -> str:
    if isinstance(cell, Html):
        return _escaped(unescape(re.sub(r"<[^>]+>", "", re.sub(r"<small> ?(.*?)</small>", r" (\1)", cell))))
    return _escaped(cell)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
