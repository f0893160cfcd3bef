"""A report as one HTML file: no script, no network, for a screen of any width and for paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.report.blocks import Code, Figure, Figures, Heading, Note, Table, Terms, Text
from mlxkit.report.html import Html, joined, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlxkit.report.blocks import Block, Fact, Report, Section

_DIGEST = "mlx-facts"
_DIGEST_WITHIN = 2000


def render_page(report: Report) -> str:
    """Return the whole page."""
    style = Html(Path(__file__).with_name("page.css").read_text(encoding="utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name=_DIGEST, content=report.digest),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{report.title} ({report.kicker})"),
        tag("style", style),
    )
    body = tag(
        "body",
        tag("main", _masthead(report), _summary(report), _contents(report), *map(_section, report.sections)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def digest_of(page: Path) -> str | None:
    """Return which facts a page was drawn from; None where there is no such page."""
    try:
        with page.open(encoding="utf-8", errors="replace") as file:
            start = file.read(_DIGEST_WITHIN)
    except OSError:
        return None
    _, found, rest = start.partition(f'name="{_DIGEST}" content="')
    return rest.partition('"')[0] if found else None


def _masthead(report: Report) -> Html:
    return tag(
        "header",
        tag("p", report.kicker, class_="kicker"),
        tag("h1", report.title),
        tag("p", report.standfirst, class_="standfirst"),
    )


def _summary(report: Report) -> Html:
    cautions = [tag("li", caution) for caution in report.cautions]
    return tag(
        "section",
        tag("div", *map(_fact, report.facts), class_="facts") if report.facts else None,
        _terms(report.verdicts),
        tag("div", tag("h2", "What to know"), tag("ul", *cautions), class_="cautions") if cautions else None,
        class_="summary",
        aria_label="Summary",
    )


def _terms(entries: Sequence[tuple[str, str]]) -> Html:
    """Return names and sentences; each paragraph of a sentence by itself."""
    lines = []
    for name, sentence in entries:
        paragraphs = [text for text in sentence.split("\n\n") if text.strip()]
        said = [sentence] if len(paragraphs) < 2 else [tag("p", text) for text in paragraphs]
        lines.append(tag("div", tag("dt", name), tag("dd", *said)))
    return tag("dl", *lines, class_="verdicts")


def _fact(fact: Fact) -> Html:
    return tag(
        "div",
        tag("p", fact.figure, class_="figure"),
        tag("p", fact.label, class_="label"),
        fact.chart,
        tag("p", fact.sentence),
        class_="fact",
    )


def _contents(report: Report) -> Html:
    links = [tag("a", section.title, href=f"#{section.name}") for section in report.sections]
    return tag("nav", *links, aria_label="Contents")


def _section(section: Section) -> Html:
    return tag(
        "section",
        tag("h2", section.title),
        tag("p", section.lead, class_="lead") if section.lead else None,
        *(_block(block) for block in section.blocks),
        id=section.name,
    )


def _block(block: Block) -> Html:
    match block:
        case Text(text):
            return tag("p", text)
        case Heading(text):
            return tag("h3", text)
        case Note(text=text):
            return tag("p", text, class_="note")
        case Code(text):
            return tag("pre", tag("code", text), tabindex=0)
        case Terms(entries):
            return _terms(entries)
        case Table():
            return _table(block)
        case Figures(figures):
            return tag("div", *map(_figure, figures), class_="charts" if len(figures) > 1 else "charts one")


def _figure(figure: Figure) -> Html:
    words = [tag("strong", figure.title), " " if figure.note else "", figure.note]
    caption = tag("figcaption", *words) if figure.title or figure.note else None
    return tag("figure", caption, figure.chart)


def _table(table: Table) -> Html:
    def kind(i: int) -> str | None:
        if not table.headers[i]:
            return "drawing"
        return "number" if i in table.right else None

    head = tag(
        "tr", *(tag("th", header, scope="col", class_=kind(i)) for i, header in enumerate(table.headers))
    )
    lines = []
    for number, row in enumerate(table.rows):
        first = tag("th", row[0], scope="row", class_=kind(0))
        cells = [tag("td", cell, class_=kind(i)) for i, cell in enumerate(row) if i > 0]
        lines.append(tag("tr", first, *cells, class_="marked" if number == table.marked else None))
    caption = tag("caption", table.caption)
    whole = tag("table", caption, tag("thead", head), tag("tbody", joined(lines)))
    # Wide tables scroll by themselves, so that the page does not.
    region = tag("div", whole, class_="table", tabindex=0, role="region", aria_label=table.caption)
    return tag("details", tag("summary", f"In numbers: {table.caption}"), region) if table.folded else region
