"""The table of metrics at the end of a run, as wide as the terminal lets it be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlxkit.layout import terminal_width
from mlxkit.output import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlxkit.output import Output
    from mlxkit.pipeline.run_result import RunResult

_WIDE = 76
"""Width of a terminal from which an interval is shown by its ends, and not by half of its width."""


def metric_lines(out: Output, result: RunResult) -> list[str]:
    """Lay out each metric with interval, baseline and difference from the champion, and name the report."""
    numbers = {name: v for name, v in result.metrics.items() if isinstance(v, int | float)}
    if not numbers:
        return []
    headers, right = ["metric", "model"], [1]
    rows = [[name, number(value)] for name, value in numbers.items()]
    wide = terminal_width() >= _WIDE
    if result.intervals:
        headers.append("95 % interval" if wide else "95 %")
        for row in rows:
            row.append(_interval(result.intervals.get(row[0]), wide=wide))
    baseline = result.metrics.get("baseline") or {}
    right.append(len(headers))
    headers.append("baseline")
    for row in rows:
        row.append(number(baseline.get(row[0], "")))
    champion = result.champion or {}
    if champion.get("metrics"):
        right.append(len(headers))
        headers.append(f"v{champion['version']}")
        for row in rows:
            row.append(_difference(champion["metrics"].get(row[0])))
    lines = ["", *out.table(headers, rows, right=right)]
    lines += ["", *_champion(champion)] if champion else []
    return [*lines, "", *([f"report: {result.report} (`mlx open` shows it)"] if result.report else [])]


def _interval(pair: Sequence[float] | None, *, wide: bool) -> str:
    if pair is None:
        return ""
    if wide:
        return f"{_short(pair[0], 3)} to {_short(pair[1], 3)}"
    return f"\N{PLUS-MINUS SIGN}{_short((pair[1] - pair[0]) / 2, 2)}"


def _difference(found: Mapping[str, Any] | None) -> str:
    """Write by how much the model is better than the champion; a star means beyond chance."""
    if found is None:
        return ""
    pair = found["interval"]
    certain = pair is not None and (pair[0] > 0 or pair[1] < 0)
    return f"{_short(found['difference'], 2, sign='+')}{'*' if certain else ' '}"


def _short(value: float, digits: int, *, sign: str = "") -> str:
    """Write a number with so many significant digits, without an exponent unless it is long."""
    text = f"{value:{sign}.{digits}g}"
    return f"{float(text):{sign}.0f}" if "e+" in text and abs(value) < 1e5 else text


def _champion(champion: Mapping[str, Any]) -> list[str]:
    """Say who the champion is, and what the last column means."""
    who = f"v{champion['version']}, the champion of {champion['environment']}"
    if champion["same"]:
        return [f"this model is {who}"]
    if champion["problem"]:
        return [f"not compared with {who}: {champion['problem']}"]
    return [f"{who}: by how much this model is better", "on the same rows; * beyond chance"]
