"""A strip of dots for each column: what it adds to single predictions, and which of its values do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.report.charts import WIDTH, svg
from mlxkit.report.html import Html, tag
from mlxkit.report.scale import Scale, around, ticks
from mlxkit.report.words import count, tick_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlxkit.evaluation.facts import Contribution

_TOP, _STEP, _AXIS = 30, 42, 36
_ACROSS, _HALF = 27, 8.5
_BIN = _APART = 4.6
_COLOURS, _NO_ORDER = 5, "plain"
_LONGEST = 50


def strips(columns: Sequence[Contribution], *, of: str, label: str) -> Html:
    """Draw a dot for each row and column, coloured by the column's value; `of` is what it adds to."""
    bottom = _TOP + _STEP * len(columns)
    x = Scale(*around([0.0, *(v for c in columns for v in c.values)], margin=0.03), 6, WIDTH - 6)
    parts = [*_legend(), *_axis(x, bottom, of)]
    dots: dict[str, list[str]] = {name: [] for name in (_NO_ORDER, *map(str, range(_COLOURS)))}
    for number, column in enumerate(columns):
        top = _TOP + _STEP * number
        parts += _named(column, top + 13)
        parts.append(tag("line", x1=0, x2=WIDTH, y1=top + _ACROSS, y2=top + _ACROSS, class_="rail"))
        for place, across, colour in _swarm(column, x):
            dots[colour].append(f"M{place:.1f} {top + _ACROSS + across:.1f}h.01")
    # All dots of a colour are one path of short strokes with round ends: a tenth of the size of circles.
    parts += [tag("path", d="".join(d), class_=f"swarm value-{name}") for name, d in dots.items() if d]
    return svg(label, *parts, height=bottom + _AXIS)


def name_of(column: Contribution) -> str:
    """Return what a strip is called."""
    return column.column or f"{count(column.stands_for)} other columns together"


def _legend() -> Iterator[Html]:
    """Draw the colours first, so that texts of any width have room."""
    for colour in range(_COLOURS):
        yield tag("path", d=f"M{3 + 8 * colour} 8h.01", class_=f"swarm value-{colour}")
    yield tag("text", "low to high value", x=44, y=12, class_="tick")
    yield tag("path", d="M193 8h.01", class_=f"swarm value-{_NO_ORDER}")
    yield tag("text", "a category, or missing", x=202, y=12, class_="tick")


def _axis(x: Scale, bottom: int, of: str) -> Iterator[Html]:
    values = ticks(x.low, x.high)
    for value, text in zip(values, tick_texts(values), strict=True):
        yield tag("line", x1=x(value), x2=x(value), y1=_TOP, y2=bottom, class_="grid" if value else "nought")
        written = f"+{text}" if value > 0 else text
        yield tag("text", written, x=x(value), y=bottom + 14, text_anchor="middle", class_="tick")
    for text, place, anchor in ((f"← lowers {of}", 0, "start"), ("raises it →", WIDTH, "end")):
        yield tag("text", text, x=place, y=bottom + 31, text_anchor=anchor, class_="axis-name")


def _named(column: Contribution, y: int) -> Iterator[Html]:
    name = name_of(column)
    shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    yield tag("text", shown, x=0, y=y, class_="tick name halo")
    if column.ends is not None:
        ends = f"← {column.ends[0]} · {column.ends[1]} →"
        if len(shown) + len(ends) < _LONGEST:
            yield tag("text", ends, x=WIDTH, y=y, text_anchor="end", class_="tick halo")


def _swarm(column: Contribution, x: Scale) -> Iterator[tuple[float, float, str]]:
    """Give each dot its place along and across the strip, beside those of the same height, and its colour."""
    bins: dict[int, list[int]] = {}
    for row, value in enumerate(column.values):
        bins.setdefault(round(x(value) / _BIN), []).append(row)
    places = column.places or (None,) * len(column.values)
    for rows in bins.values():
        apart = min(_APART, 2 * _HALF / max(1, len(rows) - 1))
        for number, row in enumerate(sorted(rows, key=lambda row: places[row] or 0.0)):
            place = places[row]
            colour = _NO_ORDER if place is None else str(min(_COLOURS - 1, int(place * _COLOURS)))
            yield x(column.values[row]), ((len(rows) - 1) / 2 - number) * apart, colour
