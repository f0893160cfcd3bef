"""Read the sessions of a page: what is typed, what is written into files, what was printed.

- A block `console` holds commands behind `$ `, and below each what it prints; a line `...` stands for lines
  left out. A command that fails says so: `# exits with 3`.
- A block with `title="PATH"` is written to that file; below `<!-- merge -->`, its YAML goes into the file.
- `<!-- session -->` begins in an empty folder, `<!-- session: cells -->` in a project that has run and has
  a champion.
- `<!-- run: COMMAND -->` runs a command that the page does not show.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ELLIPSIS = "..."
_SESSION = re.compile(r"^<!-- session(?:: (\w+))? -->$", re.MULTILINE)
_PIECE = re.compile(
    r"^<!-- run: (?P<hidden>.*?)\s-->$"
    r"|^```console\n(?P<console>.*?)^```$"
    r'|^(?P<merge><!-- merge -->\n)?```\w+ title="(?P<path>[^"]+)"\n(?P<content>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
# What differs from one run to the next, and what takes its place before two outputs are compared.
_MASKS = [
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?"), "WHEN"),
    (re.compile(r"\b(?:\d+ min )?\d+(?:\.\d+)? (?:ms|s|min|h)\b"), "TIME"),
    (re.compile(r"\b\d+(?:\.\d+)? (?:B|[KMG]iB)\b"), "SIZE"),
    (re.compile(r"\b[0-9a-f]{7,40}\b"), "ID"),
    (re.compile(r"-{3,}|\s+"), " "),
]
_DECIMAL = re.compile(r"\d+\.\d+(?:e-?\d+)?")
_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Shown:
    """One command of a console block and the output that the page shows."""

    command: str
    output: tuple[str, ...]

    @property
    def code(self) -> int:
        """Return the exit code that the page states."""
        stated = re.search(r"# exits with (\d+)$", self.command)
        return int(stated[1]) if stated else 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a page that does something, between `start` and `end` of its text."""

    start: int
    end: int
    kind: str
    text: str
    path: str = ""

    @property
    def commands(self) -> list[Shown]:
        """Return the commands of a console block."""
        found: list[tuple[str, list[str]]] = []
        lines = self.text.splitlines()
        while lines:
            line = lines.pop(0)
            if not line.startswith("$ "):
                found[-1][1].append(line)
                continue
            while line.endswith("\\"):
                line += "\n" + lines.pop(0)
            found.append((line.removeprefix("$ "), []))
        return [Shown(command, tuple(output)) for command, output in found]


def session_of(page: str) -> str | None:
    """Return where the page's session begins: "" for an empty folder; None when the page has no session."""
    found = _SESSION.search(page)
    return None if found is None else found[1] or ""


def pieces_of(page: str) -> Iterator[Piece]:
    """Yield what a page does, in its order."""
    for found in _PIECE.finditer(page):
        if found["hidden"] is not None:
            yield Piece(*found.span(), "hidden", found["hidden"])
        elif found["console"] is not None:
            yield Piece(*found.span(), "console", found["console"])
        else:
            kind = "merge" if found["merge"] else "write"
            yield Piece(*found.span(), kind, found["content"], found["path"])


def merged(old: Any, new: Any) -> Any:
    """Return `old` with the keys of `new`; mappings are merged, anything else is replaced."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    for name, value in new.items():
        old[name] = merged(old.get(name), value)
    return old


def is_same(shown: Sequence[str], real: Sequence[str]) -> bool:
    """Tell whether the page shows what was printed, but for times, sizes, ids and the last digits."""
    if ELLIPSIS not in shown:
        return _is_same_text("\n".join(shown), "\n".join(real))
    head, tail = _around(shown)
    return len(head) + len(tail) < len(real) and all(
        _is_same_text("\n".join(a), "\n".join(b))
        for a, b in ((head, real[: len(head)]), (tail, real[len(real) - len(tail) :]))
    )


def renewed(shown: Sequence[str], real: Sequence[str]) -> list[str]:
    """Return what the page should show: as many lines around a `...` as it shows now."""
    if ELLIPSIS not in shown:
        return list(real)
    head, tail = _around(shown)
    if len(head) + len(tail) >= len(real):
        return list(real)
    return [*real[: len(head)], ELLIPSIS, *real[len(real) - len(tail) :]]


def _around(shown: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    place = shown.index(ELLIPSIS)
    return shown[:place], shown[place + 1 :]


def _is_same_text(shown: str, real: str) -> bool:
    a, b = _masked(shown), _masked(real)
    if _DECIMAL.sub("#", a) != _DECIMAL.sub("#", b):
        return False
    pairs = zip(map(float, _DECIMAL.findall(a)), map(float, _DECIMAL.findall(b)), strict=True)
    return all(abs(x - y) <= _TOLERANCE * max(abs(x), abs(y), 0.1) for x, y in pairs)


def _masked(text: str) -> str:
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    return text.strip()
