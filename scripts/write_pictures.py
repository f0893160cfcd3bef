"""Draw the README's pictures: real commands in a real terminal, as SVG for a light and for a dark page.

Nothing is made up or mended: what a picture shows is what the commands printed, with times and ids.
"""

from __future__ import annotations

import itertools
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
BEFORE = (
    "mlx init cells --task classification --quiet",
    "cd cells",
    "git commit --quiet --allow-empty -m Begin",
)
ONE_TREE = "mlx run --quiet --set 'choice.candidates=[trees]' --set model.max_iter=1"
SHOWN = ("mlx run", "mlx promote", ONE_TREE, "mlx promote")
COLUMNS = 92
MARGIN, BAR = 20, 34
_WORDS = re.compile(r"\S+(?: \S+)*")
CELL, LINE, SIZE = 8.4, 20, 14
FONTS = "ui-monospace, SFMono-Regular, 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a page; `ansi` are those that a program names, for which a terminal has its own shades."""

    paper: str
    edge: str
    ink: str
    faint: str
    prompt: str
    ansi: dict[str, str]


LIGHT = Palette(
    paper="#ffffff",
    edge="#d5dde0",
    ink="#1b2a2f",
    faint="#64757b",
    prompt="#0b6b7c",
    ansi={"green": "#14713d", "red": "#b3261e", "brown": "#8a5a00", "yellow": "#8a5a00", "cyan": "#0b6b7c"},
)
DARK = Palette(
    paper="#10191c",
    edge="#2b3a3f",
    ink="#dfe9eb",
    faint="#8fa3a9",
    prompt="#6cc5d6",
    ansi={"green": "#6fd39a", "red": "#ff8f86", "brown": "#e6b768", "yellow": "#e6b768", "cyan": "#6cc5d6"},
)


def main() -> int:
    """Run the commands once, and draw them in both palettes; returns the exit code."""
    rows = list(_rows())
    for name, palette in (("light", LIGHT), ("dark", DARK)):
        file = ROOT / f"docs/images/run-{name}.svg"
        file.write_text(svg(rows, palette), encoding="utf-8")
        sys.stderr.write(f"wrote {file.relative_to(ROOT)}\n")
    return 0


def _rows() -> Iterator[list[Any] | str]:
    """Yield what the terminal shows: a command as text, a row of its output as cells."""
    with tempfile.TemporaryDirectory(prefix="mlx-docs-", ignore_cleanup_errors=True) as folder:
        terminal = Terminal(Path(folder).resolve() / "ada", COLUMNS)
        for command in BEFORE:
            terminal.run(command)
        for command in SHOWN:
            yield command
            cells = terminal.run(command).cells
            yield from cells
            if cells:
                yield []


def svg(rows: Sequence[list[Any] | str], palette: Palette) -> str:
    """Draw the rows in a window. Widths are given, so that any monospaced font keeps the columns."""
    while rows and not rows[-1]:
        rows = rows[:-1]
    columns = max((len(_letters(row)) for row in rows), default=0)
    width = round(2 * MARGIN + max(COLUMNS, columns) * CELL)
    height = BAR + len(rows) * LINE + MARGIN
    texts = [_text(row, BAR + (place + 1) * LINE - 6, palette) for place, row in enumerate(rows)]
    label = escape("; ".join(row for row in rows if isinstance(row, str)), {'"': "&quot;"})
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="A terminal: {label}">',
            f"<style>text{{font:{SIZE}px {FONTS};fill:{palette.ink}}}"
            f".p{{fill:{palette.prompt}}}.c{{font-weight:600}}.f{{fill:{palette.faint}}}.b{{font-weight:600}}",
            *(f".{name}{{fill:{shade}}}" for name, shade in palette.ansi.items()),
            "</style>",
            f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="9" fill="{palette.paper}" '
            f'stroke="{palette.edge}"/>',
            *(f'<circle cx="{MARGIN + 2 + 18 * n}" cy="19" r="5" fill="{palette.edge}"/>' for n in range(3)),
            *filter(None, texts),
            "</svg>\n",
        ]
    )


def _letters(row: list[Any] | str) -> str:
    return f"$ {row}" if isinstance(row, str) else "".join(cell.data for cell in row).rstrip()


def _text(row: list[Any] | str, y: float, palette: Palette) -> str:
    if isinstance(row, str):
        return f'<text y="{y:g}">{_span("$", 0, "p")}{_span(row, 2, "c")}</text>'
    spans, column = [], 0
    for style, group in itertools.groupby(row, key=lambda cell: _style(cell, palette)):
        text = "".join(cell.data for cell in group)
        start, column = column, column + len(text)
        # Each word group has a place of its own: viewers disagree on what several spaces are.
        spans += [_span(found[0], start + found.start(), style) for found in _WORDS.finditer(text)]
    return f'<text y="{y:g}">{"".join(spans)}</text>' if spans else ""


def _style(cell: Any, palette: Palette) -> str:
    names = [cell.fg.removeprefix("bright")] if cell.fg.removeprefix("bright") in palette.ansi else []
    names += ["f"] if cell.fg == "brightblack" else []
    names += ["b"] if cell.bold else []
    return " ".join(names)


def _span(text: str, column: int, style: str) -> str:
    x = MARGIN + column * CELL
    name = f' class="{style}"' if style else ""
    return (
        f'<tspan x="{x:g}" textLength="{len(text) * CELL:g}" lengthAdjust="spacingAndGlyphs"{name}>'
        f"{escape(text)}</tspan>"
    )


if __name__ == "__main__":
    sys.exit(main())
