"""What a report is made of, before it is a page or a Markdown text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlxkit.report.html import Html


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True)
class Note:
    """A remark on method or limits, set smaller; `of_chart` explains a drawing, which Markdown has not."""

    text: str
    of_chart: bool = False


@dataclass(frozen=True)
class Code:
    """A command or a piece of text as it is written."""

    text: str


@dataclass(frozen=True)
class Terms:
    """Names, each with what there is to say of it."""

    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table. Cells that are Html are drawings, which the Markdown text leaves out with their column.

    Attributes:
        right: columns of numbers.
        marked: number of the row that stands out.
        folded: whether it repeats a chart, so that the page shows it on demand.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str | Html, ...], ...]
    caption: str
    right: frozenset[int] = frozenset()
    marked: int | None = None
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A chart under a heading that says what it shows; `note` explains how to read it."""

    title: str
    chart: Html
    note: str = ""


@dataclass(frozen=True)
class Figures:
    """Charts side by side, where there is room."""

    figures: tuple[Figure, ...]


Block = Text | Heading | Note | Code | Terms | Table | Figures


@dataclass(frozen=True)
class Section:
    """A part of the report; `lead` says in a sentence what is in it."""

    name: str
    title: str
    lead: str
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Fact:
    """One large number of the first screen, with a drawing of it and a sentence."""

    figure: str
    label: str
    sentence: str
    chart: Html | None = None


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        kicker: what project this is of.
        verdicts: the model against guessing, and against the champion: name and sentence.
        cautions: what a reader must know before acting on it.
        digest: md5 of the facts that it is drawn from.
    """

    kicker: str
    title: str
    standfirst: str
    facts: tuple[Fact, ...]
    verdicts: tuple[tuple[str, str], ...]
    cautions: tuple[str, ...]
    sections: tuple[Section, ...]
    digest: str
    gaps: tuple[str, ...] = field(default=())
