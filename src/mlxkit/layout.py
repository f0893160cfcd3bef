"""Text laid out in columns that fit the terminal."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_STYLED = re.compile(r"\x1b\[[0-9;]*m")
_CONTROL = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x1a\x1c-\x1f\x7f-\x9f]")

_LEAST_ROOM, _MOST_LINES = 20, 2
"""A table's last column is hard to read in fewer columns, or on more lines at the edge of the terminal."""
_BELOW = 4
"""Then it goes below the others, indented by so much."""


def in_columns(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()
) -> list[list[str]]:
    """Return the lines of each row in columns, those of the headers first; see `Output.table`."""
    lines_of_cells = [[_one_line(cell) for cell in row] for row in [headers, *rows]]
    widths = [max(_width(row[i]) for row in lines_of_cells) for i in range(len(headers))]
    taken = sum(widths[:-1]) + 2 * (len(widths) - 1)
    below = len(widths) > 1 and _is_cramped([row[-1] for row in lines_of_cells], taken)
    indent = _BELOW if below else taken
    room = max(_LEAST_ROOM, terminal_width() - indent)
    laid: list[list[str]] = []
    for row in lines_of_cells:
        cells = [_pad(cell, widths[i], right=i in right) for i, cell in enumerate(row[:-1])]
        first, *others = _wrap(row[-1], room)
        if below:
            first, others = "", [line for line in (first, *others) if line]
        elif len(row) - 1 in right:
            first = _pad(first, widths[-1], right=True)
        head = "  ".join([*cells, first]).rstrip()
        laid.append([head, *(" " * indent + rest for rest in others)])
    return laid


def _is_cramped(texts: Sequence[str], taken: int) -> bool:
    """Whether a heading and its texts are hard to read beside columns that take so much of the width.

    Texts of a word or two may stand out a little.
    """
    width = terminal_width()
    room = width - taken
    if room < _LEAST_ROOM:
        return _width(texts[0]) > room or any(_width(text) > _LEAST_ROOM for text in texts)
    return room < width / 2 and any(len(_wrap(text, room)) > _MOST_LINES for text in texts)


def terminal_width() -> int:
    """Return the terminal's width in columns; COLUMNS wins, and a pipe counts as 120."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 120
    except (OSError, ValueError):
        return 120


def plain(text: str) -> str:
    """Return a text without its styles."""
    return _STYLED.sub("", text)


def _one_line(text: str) -> str:
    """Return a text, which somebody else may have written, without what moves the cursor; styles stay."""
    return _CONTROL.sub(" ", text)


def _width(text: str) -> int:
    return sum(_columns(c) for c in plain(text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _wrap(text: str, room: int) -> list[str]:
    """Break a text at its spaces into lines of at most `room` columns; a longer word is cut."""
    if _width(text) <= room:
        return [text]
    lines = [""]
    for word in text.split():
        if lines[-1] and _width(lines[-1]) + 1 + _width(word) <= room:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if _width(lines[-1]) + _columns(character) > room:
                lines.append("")
            lines[-1] += character
    return lines


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space
