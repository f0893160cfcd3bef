"""`mlx drift`: do new rows still look like the training rows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxkit.cli.options import Env, Session, command
from mlxkit.errors import Exit, Refused
from mlxkit.output import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.evaluation.drift import ColumnDrift, DriftReport
    from mlxkit.monitoring.drift_issue import Told
    from mlxkit.output import Style

_VERDICTS: Mapping[str, tuple[str, Style]] = {
    "none": ("no drift", "green"),
    "drift": ("drift", "red"),
    "unknown": ("cannot tell", "yellow"),
}
_SHOWN = 15
_NAMED = 5
_PROBLEMS = {
    "gone": "gone",
    "all_missing": "without any value",
    "not_numeric": "text where numbers were",
    "not_dates": "text where dates were",
    "new": "no columns of the training rows, and not used",
}


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def drift(
        session: Session,
        data: Annotated[Path, typer.Option(metavar="FILE", help="New rows: CSV, Parquet or JSON.")],
        report: Annotated[
            Path | None, typer.Option(metavar="FILE.html", help="Write Evidently's report too.")
        ] = None,
        issue: Annotated[
            bool,
            typer.Option(
                "--issue", help="In a CI job: keep one issue open on GitHub or GitLab while there is drift."
            ),
        ] = False,
        env: Env = None,
    ) -> int:
        """Compare new rows with what the champion was trained on.

        Exits with 3 when too many columns drifted. Example: mlx drift --data data/external/new_rows.csv
        """
        from mlxkit.cli.step_summary import of_drift
        from mlxkit.monitoring.champion import check_champion
        from mlxkit.monitoring.drift_issue import tell_issue
        from mlxkit.project.load import load

        project = load(session.root)
        checked = check_champion(project, data, environment=env, report=report)
        found, error = checked.drift, checked.report_error
        drawn = report if error is None else None
        if checked.other_rows:
            session.output.warn(
                f"the report shows the training rows that are here now; version {found.model_version} "
                "was trained on others"
            )
        if found.verdict == "drift" and error is None:
            error = Refused(_share(found), hint="look at the data, or train on it: run `mlx run`")
        summary = of_drift(found, f"{_VERDICTS[found.verdict][0]}: {_share(found)}; {_subject(found)}")
        told = tell_issue(project, found, summary) if issue else None
        session.output.answer(
            _document(found, drawn, told),
            lambda: [*_lines(session, found, drawn), *_posted(told)],
            error=error,
            outputs={"drift": found.verdict},
            markdown=lambda: summary,
        )
        if checked.report_error is not None:
            raise checked.report_error
        if told is not None and told.problem is not None:
            raise told.problem
        return Exit.REFUSED if found.verdict == "drift" else Exit.OK


def _document(found: DriftReport, report: Path | None, told: Told | None) -> dict[str, Any]:
    document = asdict(found)
    document |= {"report": str(report)} if report is not None else {}
    return document | ({"issue": told.to_json()} if told is not None else {})


def _lines(session: Session, found: DriftReport, report: Path | None) -> list[str]:
    out = session.output
    ordered = sorted(found.columns, key=lambda c: (not c.drifted, not c.counted, -_excess(c)))
    shown = ordered[: max(_SHOWN, sum(c.drifted for c in ordered))]
    rows = [
        [
            column.column,
            out.style("drifted", "red") if column.drifted else "same",
            column.measure.replace("_", " "),
            number(column.score),
            number(column.threshold),
            _remark(column),
        ]
        for column in shown
    ]
    headers = ["column", "verdict", "measure", "score", "limit"]
    if any(row[-1] for row in rows):
        headers.append("remark")
    lines = out.table(headers, [row[: len(headers)] for row in rows], right=(3, 4))
    if len(ordered) > len(shown):
        lines.append(f"... and {len(ordered) - len(shown)} more that did not drift (--json lists all)")
    verdict = out.style(*_VERDICTS[found.verdict])
    lines += ["", *_notes(found), f"{verdict}: {_share(found)}; {_subject(found)}"]
    return [*lines, f"report: {report}"] if report is not None else lines


def _posted(told: Told | None) -> list[str]:
    posted = told.posted if told is not None else None
    return [f"issue {posted.action}: {posted.url}"] if posted is not None else []


def _subject(found: DriftReport) -> str:
    rows = "1 row" if found.rows == 1 else f"{found.rows} rows"
    return f"{rows} against version {found.model_version}"


def _share(found: DriftReport) -> str:
    counted = [column for column in found.columns if column.counted]
    return f"{sum(c.drifted for c in counted)} of {len(counted)} columns drifted ({found.share:.0%})"


def _notes(found: DriftReport) -> list[str]:
    """Say each problem once, with the first columns that have it."""
    notes = []
    for problem, text in _PROBLEMS.items():
        names = [f"'{entry.column}'" for entry in found.schema if entry.problem == problem]
        more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
        if names:
            notes.append(f"note: {text}: {', '.join([*names[:_NAMED], *more])}")
    return notes


def _excess(column: ColumnDrift) -> float:
    return column.score / column.threshold if column.threshold else 0.0


def _remark(column: ColumnDrift) -> str:
    remarks = [] if column.counted else [f"{column.role}, not counted"]
    if abs(column.missing - column.missing_reference) >= 0.005:
        remarks.append(f"missing {column.missing_reference:.1%} -> {column.missing:.1%}")
    if column.new_categories:
        remarks.append(f"{column.new_categories:.1%} in new categories")
    return "; ".join(remarks)
