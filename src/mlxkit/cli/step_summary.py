"""What a job of GitHub Actions shows on its page: runs, gates and drift as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.output import number, seconds
from mlxkit.report.markdown import escaped, folded, table_lines
from mlxkit.report.words import signed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from mlxkit.evaluation.drift import DriftReport
    from mlxkit.evaluation.facts import Evaluation
    from mlxkit.pipeline.run_result import RunResult
    from mlxkit.registry.promotion import Promotion

_MOST_COLUMNS = 30


def of_run(result: RunResult, found: Evaluation | None, *, dry_run: bool) -> str:
    """Summarise a run: metrics beside the champion's, a chart of what the evaluation found, the stages."""
    from mlxkit.report.mermaid import chart_lines

    fresh = all(stage.status == "fresh" for stage in result.stages)
    said = "everything is up to date" if fresh else f"done in {seconds(result.seconds)}"
    said = "nothing was run" if dry_run else said
    recorded = f", run `{result.run_id[:8]}`" if result.run_id else ""
    stages = [
        [
            stage.name,
            stage.status,
            seconds(stage.seconds) if stage.seconds else "",
            "; ".join(stage.reasons),
        ]
        for stage in result.stages
    ]
    table = table_lines(["stage", "status", "time", "because"], stages, right={2})
    return _text(
        f"### mlx run: {'failed' if result.error else said}{recorded}",
        _metrics(result),
        chart_lines(found) if found is not None and result.metrics else [],
        folded("Stages", table) if result.error is None else table,
    )


def _metrics(result: RunResult) -> list[str]:
    values = {name: v for name, v in result.metrics.items() if isinstance(v, int | float)}
    if not values:
        return []
    baseline: Mapping[str, Any] = result.metrics.get("baseline") or {}
    champion: Mapping[str, Any] = result.champion or {}
    compared: Mapping[str, Any] = champion.get("metrics") or {}
    headers = ["metric", "model", "95 % interval", "guessing"]
    headers += [f"better than v{champion['version']} by"] if compared else []
    rows = []
    for name, value in values.items():
        bounds = result.intervals.get(name)
        row = [name, number(value), f"{number(bounds[0])} to {number(bounds[1])}" if bounds else ""]
        row.append(number(baseline.get(name, "")))
        rows.append(row + ([_difference(compared.get(name))] if compared else []))
    lines = table_lines(headers, rows, right={1, 3, 4})
    if compared:
        who = f"v{champion['version']} is the champion of {escaped(champion['environment'])}"
        lines += ["", f"{who}, on the same rows; differences with their 95 % interval."]
    return lines


def _difference(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    pair = found["interval"]
    bounds = f" ({signed(pair[0])} to {signed(pair[1])})" if pair else ""
    return f"{signed(found['difference'])}{bounds}"


def of_promotion(promotion: Promotion, *, dry_run: bool) -> str:
    """Summarise a promotion: what became of it, and each gate."""
    from mlxkit.registry.report_markdown import gate_lines

    name = f"{promotion.model}@{promotion.environment}"
    if promotion.note:
        said = promotion.note
    elif not promotion.passed:
        said = f"not promoted, {name} stays as it is"
    elif promotion.pending is not None:
        said = f"version {promotion.version} waits for approval"
    elif dry_run:
        said = f"would be promoted to {name}"
    else:
        said = f"{name} is now version {promotion.version}"
    return _text(f"### mlx promote: {escaped(said)}", gate_lines(promotion.gates) if promotion.gates else [])


def of_drift(found: DriftReport, verdict: str) -> str:
    """Summarise drift: the verdict, and how far each column has moved."""
    ordered = sorted(found.columns, key=lambda column: (not column.drifted, column.column))
    shown = ordered[: max(_MOST_COLUMNS, sum(column.drifted for column in ordered))]
    rows = [
        [
            column.column,
            "drifted" if column.drifted else "same",
            column.measure.replace("_", " "),
            number(column.score),
            number(column.threshold),
        ]
        for column in shown
    ]
    lines = table_lines(["column", "verdict", "measure", "score", "limit"], rows, right={3, 4})
    more = len(ordered) - len(shown)
    lines += ["", f"{more} more did not drift."] if more else []
    return _text(f"### mlx drift: {escaped(verdict)}", lines)


def _text(heading: str, *parts: Iterable[str]) -> str:
    lines = [heading]
    for part in map(list, parts):
        lines += ["", *part] if part else []
    return "\n".join(lines) + "\n"
