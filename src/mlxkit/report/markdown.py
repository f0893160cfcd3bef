"""A report as Markdown: the same words and tables, without the drawings."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from mlxkit.report.blocks import Code, Heading, Note, Table, Terms, Text
from mlxkit.report.html import Html

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from mlxkit.report.blocks import Report, Section

_CALL = re.compile(r"(?<!\w)@")
"""Where a forge would call somebody; a word joiner behind it, and a value such as `@team` calls nobody."""
_ENTITY = re.compile(r"&(?=#?\w+;)")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def render_markdown(report: Report) -> str:
    """Return the report as Markdown."""
    lines = [
        f"# {escaped(report.title)}",
        "",
        f"_{escaped(report.kicker)}_",
        "",
        escaped(report.standfirst),
        "",
    ]
    lines += [
        f"- **{escaped(fact.figure)}** ({escaped(fact.label)}): {escaped(fact.sentence)}"
        for fact in report.facts
    ]
    lines += [""] if report.facts else []
    lines += [f"- **{name}**: {escaped(sentence)}" for name, sentence in report.verdicts]
    if report.cautions:
        lines += ["", "## What to know", "", *(f"- {escaped(caution)}" for caution in report.cautions)]
    for section in report.sections:
        lines += ["", *_section(section)]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> list[str]:
    lines = [f"## {escaped(section.title)}"]
    lines += ["", escaped(section.lead)] if section.lead else []
    for block in section.blocks:
        match block:
            case Table():
                lines += ["", *_table(block)]
            case Text(text) | Note(text, of_chart=False):
                lines += ["", escaped(text)]
            case Heading(text):
                lines += ["", f"### {escaped(text)}"]
            case Code(text):
                lines += ["", *(f"    {line}" for line in text.splitlines())]
            case Terms(entries):
                lines += ["", *(f"- **{escaped(name)}**: {escaped(said)}" for name, said in entries)]
    return lines


def table_lines(
    headers: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[int] = ()
) -> list[str]:
    """Return the lines of a table; its cells are text, not Markdown."""
    lines = [
        [escaped(header) for header in headers],
        ["--:" if number in right else "---" for number in range(len(headers))],
        *([escaped(cell) for cell in row] for row in rows),
    ]
    return [f"| {' | '.join(line)} |" for line in lines]


def folded(title: str, lines: Sequence[str]) -> list[str]:
    """Return lines that GitHub and GitLab show when somebody opens them."""
    return ["<details>", f"<summary>{html.escape(title)}</summary>", "", *lines, "", "</details>"]


def _table(table: Table) -> list[str]:
    drawn = {
        i for row in table.rows for i, cell in enumerate(row) if isinstance(cell, Html) and "<svg" in cell
    }
    kept = [i for i in range(len(table.headers)) if i not in drawn]
    lines = table_lines(
        [table.headers[i] for i in kept],
        ([_cell(row[i]) for i in kept] for row in table.rows),
        right={place for place, i in enumerate(kept) if i in table.right},
    )
    return [f"**{escaped(table.caption)}**", "", *lines]


def _cell(cell: str | Html) -> str:
    if isinstance(cell, Html):
        return html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<small> ?(.*?)</small>", r" (\1)", cell)))
    return cell


def escaped(text: str) -> str:
    """Return text so that Markdown shows it as it is, on one line."""
    told = _ENTITY.sub("&amp;", " ".join(text.split()))
    return _SPECIAL.sub(r"\\\1", _CALL.sub("@\N{WORD JOINER}", told))
