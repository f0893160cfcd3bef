"""What `mlx compare` prints: who they are, metrics, groups, parameters, data, code, importance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.layout import terminal_width
from mlxkit.registry.comparison import importance_of, loss_text
from mlxkit.report.words import NONE, count, number, rows, signed, signed_interval, title

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlxkit.adapters.git_commits import FileChange
    from mlxkit.evaluation.facts import Estimate
    from mlxkit.evaluation.facts_of_pairs import Disagreement, MetricPair, Paired
    from mlxkit.output import Output, Style
    from mlxkit.registry.comparison import Change, ModelComparison, Side

_WIDE = 108
"""Width of a terminal from which intervals stand beside values, and not below them."""
_SHOWN_PARAMS, _SHOWN_FILES, _SHOWN_COLUMNS = 20, 10, 8
_LONGEST = 28
_COLOURS: dict[str, Style] = {"better": "green", "worse": "red", "cannot tell": "yellow"}


def lines_of(out: Output, found: ModelComparison, report: Path | None) -> list[str]:
    """Lay the whole comparison out."""
    lines = _models(out, found)
    if found.same:
        lines += ["", "both are one model: there is nothing to compare"]
    lines += [f"{out.style('note:', 'yellow')} {note}" for note in found.notes]
    if not found.same:
        lines += _metrics(out, found)
        lines += _made_of(out, found)
    return [*lines, *(["", f"report: {report}"] if report is not None else [])]


def _models(out: Output, found: ModelComparison) -> list[str]:
    table = []
    for letter, side in (("A", found.first), ("B", found.second)):
        run = side.named.run
        table.append(
            [
                letter,
                side.title,
                (side.named.run_id or NONE)[:8],
                run.started.astimezone().strftime("%Y-%m-%d %H:%M") if run else NONE,
                _commit(side),
            ]
        )
    return out.table(["", "model", "run", "trained", "commit"], table)


def _commit(side: Side) -> str:
    run = side.named.run
    if run is None or not run.commit:
        return NONE
    return run.commit[:7] + (" + changes" if run.dirty else "")


# --- metrics


def _metrics(out: Output, found: ModelComparison) -> list[str]:
    paired = found.paired
    if paired is None:
        return _recorded(out, found)
    wide = terminal_width() >= _WIDE
    lines = ["", out.style(f"on the same {rows(paired.labelled)} of {found.rows}", "bold"), ""]
    lines += _pairs(out, "metric", [(pair.name, pair) for pair in found.metrics], wide=wide)
    lines += ["", *_reading(paired), "", *_summary(found), *_disagreement(paired.disagreement)]
    if paired.groups:
        named = [(f"{group.column} = {group.value}", group.pair) for group in paired.groups]
        sizes = [f"({rows(group.rows)})" for group in paired.groups]
        lines += ["", *_pairs(out, f"{title(paired.headline)} by group", named, sizes, wide=wide)]
    return lines


def _pairs(
    out: Output,
    heading: str,
    pairs: Sequence[tuple[str, MetricPair | None]],
    sizes: Sequence[str] = (),
    *,
    wide: bool,
) -> list[str]:
    """Lay out values of both, the difference and the verdict.

    On a narrow terminal intervals, and of how many rows each is, stand below.
    """
    table: list[list[str]] = []
    for (name, pair), size in zip(pairs, sizes or [""] * len(pairs), strict=True):
        named = f"{_cut(name)} {size}".rstrip() if wide else _cut(name)
        if pair is None:
            table.append([named, NONE, NONE, "", "too few rows"])
            table += [] if wide or not size else [[out.style(size, "dim"), "", "", "", ""]]
            continue
        gain = pair.gain
        cells = [_value(pair.first), _value(pair.second), signed(gain.value) if gain else ""]
        bounds = [_bounds(pair.first), _bounds(pair.second), signed_interval(gain) if gain else ""]
        verdict = out.style(pair.verdict or "", *([_COLOURS[v]] if (v := pair.verdict) in _COLOURS else []))
        if wide:
            cells = [f"{cell}  {bound}".rstrip() for cell, bound in zip(cells, bounds, strict=True)]
        table.append([named, *cells, verdict])
        if not wide:
            table.append([out.style(size, "dim"), *(out.style(bound, "dim") for bound in bounds), ""])
    return out.table([heading, "A", "B", "difference", "B is"], table)


def _summary(found: ModelComparison) -> list[str]:
    """Say in a line in how many metrics B is better and worse."""
    verdicts = [pair.verdict for pair in found.metrics if pair.verdict is not None]
    if not verdicts:
        return []
    better, worse = verdicts.count("better"), verdicts.count("worse")
    rest = len(verdicts) - better - worse
    said = f"B is better in {better} of {len(verdicts)} metrics, and worse in {worse}"
    return [f"{said}; {rest} cannot be told apart" if rest else said]


def _reading(paired: Paired) -> list[str]:
    if not paired.method.resamples:
        return ["there are too few rows for intervals"]
    return ["difference above zero: B is better, whichever way the metric points", "intervals: 95 %"]


def _value(estimate: Estimate | None) -> str:
    return NONE if estimate is None else number(estimate.value)


def _bounds(estimate: Estimate | None) -> str:
    if estimate is None or estimate.lower is None or estimate.upper is None:
        return ""
    return f"{number(estimate.lower)} to {number(estimate.upper)}"


def _disagreement(found: Disagreement) -> list[str]:
    if found.differ is not None:
        if not found.differ:
            return ["they give every row the same label"]
        right = (
            f"A is right on {count(found.first_right or 0)} of those, B on {count(found.second_right or 0)}"
        )
        return [f"they give {rows(found.differ)} another label: {right}"]
    if found.distance is None or found.closer is None:
        return []
    return [
        f"their predictions are {number(found.distance)} apart on average",
        f"B is nearer to the truth on {found.closer:.0%} of the rows",
    ]


def _recorded(out: Output, found: ModelComparison) -> list[str]:
    """Show what each model's own evaluation found, which is no comparison."""
    first, second = found.first.recorded, found.second.recorded
    names = list(dict.fromkeys([*first, *second]))
    if not names:
        return ["", "no metrics of either are known"]
    table = [
        [name, *(f"{_value(v)}  {_bounds(v)}".rstrip() for v in (first.get(name), second.get(name)))]
        for name in names
    ]
    heading = "each as its own evaluation found it, on its own rows: not to be compared"
    return ["", out.style(heading, "bold"), "", *out.table(["metric", "A", "B"], table)]


# --- what they were made of


def _made_of(out: Output, found: ModelComparison) -> list[str]:
    lines = ["", *_changed(out, "parameter", found.params, found.params_alike, _SHOWN_PARAMS)]
    hashes = [type(c)(c.name, _short(c.first), _short(c.second)) for c in found.inputs]
    lines += ["", *_changed(out, "data input", hashes, found.inputs_alike, _SHOWN_PARAMS)]
    lines += ["", *_code(found)]
    importance = importance_of(found)
    if importance:
        name = title(found.measured or "")
        table = [
            [_cut(column), *(NONE if v is None else loss_text(v) for v in values)]
            for column, *values in importance[:_SHOWN_COLUMNS]
        ]
        lines += ["", f"how much worse {name} gets when a column is shuffled:"]
        lines += out.table(["column", "A", "B"], table, right=(1, 2))
        more = len(importance) - len(table)
        lines += [f"and {count(more)} more"] if more else []
    return lines


def _changed(out: Output, what: str, changes: Sequence[Change], alike: int, most: int) -> list[str]:
    if not changes:
        return [f"{what}s: the same ({count(alike)})" if alike else f"{what}s: none are known"]
    table = [[_cut(c.name, 44), _cut(c.first or NONE), _cut(c.second or NONE)] for c in changes[:most]]
    lines = out.table([f"{what} that differs", "A", "B"], table)
    more = len(changes) - len(table)
    lines += [f"and {count(more)} more (--json lists all)"] if more else []
    return [*lines, f"{count(alike)} {what}{'' if alike == 1 else 's'} alike"] if alike else lines


def _code(found: ModelComparison) -> list[str]:
    code = found.code
    if code.first is None or code.second is None:
        return ["code: the commit of one of them is not known"]
    if code.same:
        return [f"code: the same commit, {code.first[:7]}"]
    between = f"code: {code.first[:7]} to {code.second[:7]}"
    if code.files is None:
        return [f"{between}; this repository does not have both commits (`git fetch`)"]
    if not code.files:
        return [f"{between}, no file of the project differs"]
    shown = sorted(code.files, key=_size, reverse=True)[:_SHOWN_FILES]
    width = max(len(change.path) for change in shown)
    lines = [f"  {change.path:{width}}  {_change(change)}" for change in shown]
    more = len(code.files) - len(shown)
    lines += [f"  and {count(more)} more"] if more else []
    files = f"{count(len(code.files))} file{'' if len(code.files) == 1 else 's'}"
    return [f"{between}, {files}: {code.command}", *lines]


def _size(change: FileChange) -> int:
    return (change.added or 0) + (change.removed or 0)


def _change(change: FileChange) -> str:
    if change.added is None or change.removed is None:
        return "binary"
    return f"+{change.added} -{change.removed}"


def _short(digest: str | None) -> str | None:
    return None if digest is None else digest[:8]


def _cut(text: str, most: int = _LONGEST) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
