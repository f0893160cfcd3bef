"""Charts as inline SVG. Colours come from the page's style, so that they follow light, dark and print.

Each is drawn 360 wide, as wide as a phone shows it, so that letters have the size of those beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.report.html import Html, joined, tag
from mlxkit.report.scale import Scale, around, ticks
from mlxkit.report.words import tick_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlxkit.evaluation.facts import Bin, Curve, Dependence, Estimate, Period, RegressionFacts, Tenth

WIDTH = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 26, 34
_Point = tuple[float, float]


def svg(label: str, *children: object, width: int = WIDTH, height: int, class_: str = "chart") -> Html:
    """Return a drawing with a text for those who do not see it."""
    return tag(
        "svg",
        tag("title", label),
        *children,
        viewBox=f"0 0 {width} {height}",
        role="img",
        class_=class_,
        aria_label=label,
    )


def waffle(hits: float, label: str) -> Html:
    """Draw a share as filled squares of a hundred."""
    filled = round(hits * 100)
    squares = [
        tag(
            "rect",
            x=(i % 20) * 9,
            y=(i // 20) * 9,
            width=7,
            height=7,
            rx=1,
            class_="on" if i < filled else "off",
        )
        for i in range(100)
    ]
    return svg(label, *squares, width=178, height=43, class_="waffle")


def beside(model: float, guess: float, label: str) -> Html:
    """Draw an error as a bar above that of a guess."""
    x = Scale(0.0, max(model, guess, 1e-12), 0, 178)
    return svg(
        label,
        tag("rect", x=0, y=2, width=max(1.0, x(model)), height=16, class_="on"),
        tag("rect", x=0, y=24, width=max(1.0, x(guess)), height=16, class_="off"),
        width=178,
        height=43,
        class_="waffle",
    )


def whisker(
    estimate: Estimate, bounds: tuple[float, float], *, label: str, others: Sequence[tuple[float, str]] = ()
) -> Html:
    """Draw a value with its interval in a line of a table; `others` are marks of a class beside it."""
    x = Scale(*bounds, 6, 154)
    parts = [tag("line", x1=2, x2=158, y1=9, y2=9, class_="rail")]
    parts += [tag("line", x1=x(value), x2=x(value), y1=3, y2=15, class_=name) for value, name in others]
    if estimate.lower is not None and estimate.upper is not None:
        parts.append(tag("line", x1=x(estimate.lower), x2=x(estimate.upper), y1=9, y2=9, class_="range"))
    parts.append(tag("circle", cx=x(estimate.value), cy=9, r=4, class_="dot"))
    return svg(label, *parts, width=160, height=18, class_="inline")


def bar(value: float, bounds: tuple[float, float], *, label: str, least: float, most: float) -> Html:
    """Draw a value as a bar from zero, with the least and the most of its repeats."""
    x = Scale(min(0.0, bounds[0]), max(0.0, bounds[1]), 2, 158)
    start, end = sorted((x(0.0), x(value)))
    return svg(
        label,
        tag("rect", x=start, y=4, width=max(1.0, end - start), height=10, class_="bar"),
        tag("line", x1=x(least), x2=x(most), y1=9, y2=9, class_="spread"),
        width=160,
        height=18,
        class_="inline",
    )


def _labelled(scale: Scale) -> list[tuple[float, str]]:
    values = ticks(scale.low, scale.high)
    return list(zip(values, tick_texts(values), strict=True))


class _Plot:
    """A frame with axes. Children are added in the order in which they are drawn."""

    def __init__(self, xs: tuple[float, float], ys: tuple[float, float], *, height: int = 250) -> None:
        self.height = height
        self.x = Scale(*xs, _LEFT, WIDTH - _RIGHT)
        self.y = Scale(*ys, height - _BOTTOM, _TOP)
        self.parts: list[Html] = []

    def axes(self, x_label: str, y_label: str, *, x_ticks: bool = True) -> None:
        bottom = self.height - _BOTTOM
        for value, text in _labelled(self.y):
            y = self.y(value)
            self.parts.append(tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
            self.text(text, _LEFT - 6, y + 4, "end")
        for value, text in _labelled(self.x) if x_ticks else ():
            self.text(text, self.x(value), bottom + 15, "middle")
        self.parts.append(tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=bottom, y2=bottom, class_="axis"))
        self.text(x_label, (WIDTH + _LEFT) / 2, self.height - 3, "middle", "axis-name")
        self.text(y_label, 0, 12, "start", "axis-name")

    def text(self, text: str, x: float, y: float, anchor: str, class_: str = "tick") -> None:
        self.parts.append(tag("text", text, x=x, y=y, text_anchor=anchor, class_=class_))

    def line(self, points: Sequence[_Point], class_: str) -> None:
        self.parts.append(tag("polyline", points=self._places(points), class_=class_))

    def area(self, points: Sequence[_Point], class_: str) -> None:
        self.parts.append(tag("polygon", points=self._places(points), class_=class_))

    def estimates(self, points: Sequence[tuple[float, Estimate]]) -> None:
        """Draw values along x with their intervals, joined by a thin line."""
        for x, estimate in points:
            self.error_bar(x, estimate)
        self.line([(x, estimate.value) for x, estimate in points], "thin")
        for x, estimate in points:
            self.dot(x, estimate.value)

    def error_bar(self, x: float, estimate: Estimate) -> None:
        if estimate.lower is not None and estimate.upper is not None:
            place = self.x(x)
            self.parts.append(
                tag(
                    "line",
                    x1=place,
                    x2=place,
                    y1=self.y(estimate.lower),
                    y2=self.y(estimate.upper),
                    class_="range",
                )
            )

    def dot(self, x: float, y: float, class_: str = "dot", radius: float = 3.5) -> None:
        self.parts.append(tag("circle", cx=self.x(x), cy=self.y(y), r=radius, class_=class_))

    def drawn(self, label: str) -> Html:
        return svg(label, *self.parts, height=self.height)

    def _places(self, points: Sequence[_Point]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


def curve(line: Curve, *, x: str, y: str, label: str, guess: Sequence[_Point], point: _Point | None) -> Html:
    """Draw a curve in the unit square, the line of a guess, and one marked point."""
    plot = _Plot((0, 1), (0, 1))
    plot.axes(x, y)
    points = list(zip(line.x, line.y, strict=True))
    plot.area([(points[0][0], 0), *points, (points[-1][0], 0)], "fill")
    plot.line(guess, "guess")
    plot.line(points, "line")
    if point is not None:
        plot.dot(*point, radius=4.5)
    return plot.drawn(label)


def calibration(bins: Sequence[Bin], *, x: str, y: str, label: str) -> Html:
    """Draw what was predicted against what happened, with intervals."""
    plot = _Plot((0, 1), (0, 1))
    plot.axes(x, y)
    plot.line([(0, 0), (1, 1)], "guess")
    plot.estimates([(part.predicted, part.observed) for part in bins])
    return plot.drawn(label)


def tenths(parts: Sequence[Tenth], *, label: str) -> Html:
    """Draw the mean prediction of each tenth of the rows against the mean truth."""
    values = [v for p in parts for v in (p.predicted, p.actual.value, p.actual.lower, p.actual.upper)]
    bounds = around(values)
    plot = _Plot(bounds, bounds)
    plot.axes("mean prediction", "mean truth")
    plot.line([(bounds[0], bounds[0]), (bounds[1], bounds[1])], "guess")
    plot.estimates([(part.predicted, part.actual) for part in parts])
    return plot.drawn(label)


def scatter(facts: RegressionFacts, *, label: str) -> Html:
    """Draw predictions against the truth, one point for each of some rows."""
    bounds = around([value for point in facts.points for value in point])
    plot = _Plot(bounds, bounds)
    plot.axes("prediction", "truth")
    plot.line([(bounds[0], bounds[0]), (bounds[1], bounds[1])], "guess")
    for predicted, actual in facts.points:
        plot.dot(predicted, actual, "speck", 2.2)
    return plot.drawn(label)


def histogram(facts: RegressionFacts, *, label: str) -> Html:
    """Draw how far the truth lies from the prediction."""
    plot = _Plot((facts.edges[0], facts.edges[-1]), (0, max(1, *facts.counts) * 1.05))
    plot.axes("truth minus prediction", "rows")
    for low, high, rows in zip(facts.edges, facts.edges[1:], facts.counts, strict=False):
        top, bottom = plot.y(rows), plot.y(0)
        width = max(0.5, plot.x(high) - plot.x(low) - 1)
        plot.parts.append(
            tag("rect", x=plot.x(low), y=top, width=width, height=max(0.0, bottom - top), class_="bar")
        )
    if facts.edges[0] < 0 < facts.edges[-1]:
        plot.parts.append(tag("line", x1=plot.x(0), x2=plot.x(0), y1=_TOP, y2=plot.y(0), class_="zero"))
    return plot.drawn(label)


def dependence(found: Dependence, *, y: str, bounds: tuple[float, float], label: str) -> Html:
    """Draw the mean prediction along a column, with the middle four fifths of the rows."""
    if found.positions is None:
        return _by_category(found, y=y, bounds=bounds, label=label)
    plot = _Plot((found.positions[0], found.positions[-1]), bounds, height=210)
    plot.axes("", y, x_ticks=found.kind == "numeric")
    if found.kind != "numeric":
        for text, position, anchor in (
            (found.at[0], found.positions[0], "start"),
            (found.at[-1], found.positions[-1], "end"),
        ):
            plot.text(text, plot.x(position), plot.height - _BOTTOM + 15, anchor)
    low, high = zip(found.positions, found.low, strict=True), zip(found.positions, found.high, strict=True)
    plot.area([*low, *reversed(list(high))], "band")
    plot.line(list(zip(found.positions, found.mean, strict=True)), "line")
    return plot.drawn(label)


def _by_category(found: Dependence, *, y: str, bounds: tuple[float, float], label: str) -> Html:
    """Draw one row for each value, its name above the line, so that long names have room."""
    step, top = 30, 6
    height = top + step * len(found.at) + 34
    x = Scale(*bounds, 10, WIDTH - 14)
    parts = []
    bottom = height - 30
    for value, text in _labelled(x):
        parts.append(tag("line", x1=x(value), x2=x(value), y1=top, y2=bottom, class_="grid"))
        parts.append(tag("text", text, x=x(value), y=bottom + 13, text_anchor="middle", class_="tick"))
    for i, name in enumerate(found.at):
        place = top + step * i + 22
        shown = name if len(name) <= 44 else f"{name[:43]}…"
        parts.append(tag("text", shown, x=10, y=place - 8, class_="tick name"))
        parts.append(
            tag("line", x1=x(found.low[i]), x2=x(found.high[i]), y1=place, y2=place, class_="band-line")
        )
        parts.append(tag("circle", cx=x(found.mean[i]), cy=place, r=4, class_="dot"))
    parts.append(tag("text", y, x=WIDTH / 2, y=height - 3, text_anchor="middle", class_="axis-name"))
    return svg(label, joined(parts), height=height)


def over_time(periods: Sequence[Period], *, y: str, label: str, whole: float) -> Html:
    """Draw a metric by period, with intervals, and its value over all rows."""
    known = [(i, p.metric) for i, p in enumerate(periods) if p.metric is not None]
    bounds = around([v for _, m in known for v in (m.value, m.lower, m.upper)] + [whole])
    plot = _Plot((-0.5, max(0.5, len(periods) - 0.5)), bounds, height=230)
    plot.axes("", y, x_ticks=False)
    plot.line([(plot.x.low, whole), (plot.x.high, whole)], "guess")
    plot.estimates(known)
    for i, anchor in {0: "start", len(periods) - 1: "end"}.items():
        plot.text(periods[i].start, plot.x(i), plot.height - _BOTTOM + 15, anchor)
    return plot.drawn(label)


def spread(quantiles: Sequence[tuple[float, float]], scale: float, *, label: str) -> Html:
    """Draw how far predictions are off as bars about a line, the wider ones paler."""
    x = Scale(-scale, scale, 4, 174)
    parts = []
    for number_, (_, width) in enumerate(sorted(quantiles, reverse=True)):
        left, right = x(-width), x(width)
        parts.append(
            tag(
                "rect",
                x=left,
                y=12,
                width=max(1.0, right - left),
                height=22,
                rx=2,
                class_=f"within-{number_}",
            )
        )
    parts.append(tag("line", x1=x(0), x2=x(0), y1=5, y2=41, class_="zero"))
    return svg(label, *parts, width=178, height=46, class_="waffle")
