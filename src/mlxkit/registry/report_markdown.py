"""`mlx report` as Markdown, for a pull request: the verdict first, what it rests on below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.report.markdown import escaped, folded, table_lines
from mlxkit.report.mermaid import chart_lines
from mlxkit.report.words import MINUS, NONE, count, interval, number, rows, signed, signed_interval, title

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlxkit.evaluation.facts import Estimate
    from mlxkit.evaluation.facts_of_pairs import MetricPair
    from mlxkit.registry.comparison import Change, CodeChange, ModelComparison
    from mlxkit.registry.gates.verdict import GateVerdict
    from mlxkit.registry.report import ModelReport

_MARKS = {True: "✅", False: "❌"}
_WORDS = {"better": "✅ better", "worse": "❌ worse"}
_MOST = 30
_LONGEST, _HASH = 60, 12
"""How much is shown of a parameter, and of a hash."""


def markdown_of(found: ModelReport) -> str:
    """Return the report as Markdown."""
    lines = [f"## {escaped(_heading(found))}", "", f"**{escaped(_verdict(found))}**"]
    for part in (_metrics(found), _gates(found), *_folds(found), [_footer(found)]):
        lines += ["", *part] if part else []
    return "\n".join(lines) + "\n"


def _heading(found: ModelReport) -> str:
    compared = found.compared
    if compared is None or compared.same:
        return f"{found.project}: {found.model.short}"
    against = f"{compared.first.short}, the champion of {found.environment}"
    return f"{found.project}: {found.model.short} beside {against}"


def _verdict(found: ModelReport) -> str:
    return f"{_compared(found)} {_judged(found)}"


def _compared(found: ModelReport) -> str:
    compared = found.compared
    if compared is None:
        return f"'{found.environment}' has no champion yet."
    if compared.same:
        return f"This is the champion of '{found.environment}'."
    verdicts = [pair.verdict for pair in compared.metrics if pair.verdict is not None]
    if not verdicts:
        return "The two could not be compared."
    better, worse, same = (verdicts.count(word) for word in ("better", "worse", "same"))
    if same == len(verdicts):
        return f"It does the same as {compared.first.short} in all {same} metrics."
    rest = len(verdicts) - better - worse
    said = f"Better in {better} of {len(verdicts)} metrics, worse in {worse}"
    return f"{said}; {rest} cannot be told apart." if rest else f"{said}."


def _judged(found: ModelReport) -> str:
    if found.judged is None:
        problem = found.not_judged
        return f"Not judged: {problem.message}." if problem else "The gates were not asked."
    gates = found.judged.gates
    failed = sum(not gate.passed for gate in gates)
    if not gates:
        return "No gate had to be asked."
    return f"{failed} of {len(gates)} gates refuse it." if failed else f"All {len(gates)} gates pass."


# --- metrics


def _metrics(found: ModelReport) -> list[str]:
    compared = found.compared
    if compared is None or compared.same or not compared.metrics:
        return _own_metrics(found)
    body = [_pair(_named(pair), pair) for pair in compared.metrics]
    lines = _pairs("metric", compared.first.short, body)
    paired = compared.paired
    if paired is not None:
        said = f"Both on the same {rows(paired.labelled)}; intervals are at 95 %."
        lines += ["", f"{said} A difference above zero means better, whichever way the metric points."]
    return lines


def _pairs(what: str, first: str, body: Sequence[Sequence[str]]) -> list[str]:
    headers = [what, "this model", first, "difference", "this model is"]
    return table_lines(headers, body, right={1, 2, 3})


def _pair(name: str, pair: MetricPair) -> list[str]:
    gain = "" if pair.gain is None else f"{signed(pair.gain.value)} ({signed_interval(pair.gain)})"
    return [
        name,
        _estimate(pair.second),
        _estimate(pair.first),
        gain,
        _WORDS.get(pair.verdict or "", pair.verdict or ""),
    ]


def _named(pair: MetricPair) -> str:
    return f"{title(pair.name)}{' ↓' if pair.direction == 'lower' else ''}"


def _estimate(found: Estimate | None) -> str:
    if found is None:
        return NONE
    bounds = interval(found)
    return f"{number(found.value)} ({bounds})" if bounds else number(found.value)


def _own_metrics(found: ModelReport) -> list[str]:
    """Show what the model's own evaluation found, where there is no champion beside it."""
    evaluation = found.evaluation
    if evaluation is None:
        metrics = found.model.run.metrics if found.model.run else {}
        return table_lines(
            ["metric", "value"], [[title(k), number(v)] for k, v in metrics.items()], right={1}
        )
    body = [
        [title(fact.name), _estimate(fact.model), NONE if fact.baseline is None else number(fact.baseline)]
        for fact in evaluation.metrics
    ]
    return table_lines(["metric", "this model", "guessing"], body, right={1, 2})


def _gates(found: ModelReport) -> list[str]:
    if found.judged is None or not found.judged.gates:
        return []
    return gate_lines(found.judged.gates)


def gate_lines(gates: Sequence[GateVerdict]) -> list[str]:
    """Return a table of gates and what each says."""
    return table_lines(["", "gate", "reason"], [[_MARKS[g.passed], g.gate, g.reason] for g in gates])


# --- what stands folded below


def _folds(found: ModelReport) -> Iterator[list[str]]:
    compared = found.compared
    if compared is not None and not compared.same:
        if compared.notes:
            yield [f"- {escaped(note)}" for note in compared.notes]
        yield from _made_of(compared)
    chart = chart_lines(found.evaluation) if found.evaluation is not None else []
    if chart:
        yield folded("Chart", chart)


def _made_of(found: ModelComparison) -> Iterator[list[str]]:
    first, paired = found.first.short, found.paired
    if paired is not None and paired.groups:
        body = [
            _pair(f"{group.column} = {group.value} ({rows(group.rows)})", group.pair)
            for group in paired.groups
            if group.pair is not None
        ]
        yield folded(f"{title(paired.headline)} by group", _pairs("group", first, body))
    for heading, changes, length in (
        ("Parameters that differ", found.params, _LONGEST),
        ("Data that differs", found.inputs, _HASH),
    ):
        if changes:
            body = [_change(change, length) for change in changes[:_MOST]]
            table = table_lines(["", "this model", first], body)
            yield folded(f"{heading} ({count(len(changes))})", [*table, *_more(changes)])
    if found.code.files:
        yield folded(f"Code that differs ({count(len(found.code.files))})", _code(found.code))


def _code(found: CodeChange) -> list[str]:
    files = found.files or ()
    body = [[file.path, _lines(file.added, "+"), _lines(file.removed, MINUS)] for file in files[:_MOST]]
    table = table_lines(["file", "added", "removed"], body, right={1, 2})
    return [*table, *_more(files), "", f"    {found.command}"]


def _change(change: Change, length: int) -> list[str]:
    values = (change.second, change.first)
    return [change.name, *(NONE if value is None else value[:length] for value in values)]


def _more(entries: Sequence[object]) -> list[str]:
    more = len(entries) - _MOST
    return ["", f"and {count(more)} more"] if more > 0 else []


def _lines(value: int | None, sign: str) -> str:
    return "binary" if value is None else f"{sign}{count(value)}"


def _footer(found: ModelReport) -> str:
    run = found.model.run
    if run is None:
        return f"<sub>run {found.model.run_id}, which its store does not know any more</sub>"
    commit = f", commit {run.commit[:12]}{' with changes' if run.dirty else ''}" if run.commit else ""
    return f"<sub>run {run.id}{commit}; written by `mlx report`</sub>"
