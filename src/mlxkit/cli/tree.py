"""A tree as lines of text that fit the terminal."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.layout import terminal_width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlxkit.output import Output

_NARROWEST = 24


@dataclass(frozen=True)
class Node:
    """One entry, and what hangs below it; `heading` stands out."""

    text: str
    children: tuple[Node, ...] = ()
    heading: bool = False


def tree_lines(out: Output, node: Node) -> list[str]:
    """Draw a tree; a text that is too long goes on below itself."""
    return list(_drawn(out, node, "", ""))


def _drawn(out: Output, node: Node, first: str, rest: str) -> Iterator[str]:
    below = "│  " if node.children else "   "
    room = max(_NARROWEST, terminal_width() - len(rest) - (3 if first else 0))
    lines = textwrap.wrap(node.text, room, break_long_words=True, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        shown = out.style(line, "bold") if node.heading else line
        mark = first if number == 0 else f"{rest}{below if number and first else ''}"
        yield f"{out.style(mark, 'dim')}{shown}"
    for number, child in enumerate(node.children):
        last = number == len(node.children) - 1
        yield from _drawn(
            out, child, f"{rest}{'└─ ' if last else '├─ '}", f"{rest}{'   ' if last else '│  '}"
        )
