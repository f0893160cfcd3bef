from __future__ import annotations

import pytest

from mlxkit.cli.drift import _lines
from mlxkit.cli.options import Session
from mlxkit.evaluation.drift import ColumnDrift, DriftReport, SchemaProblem
from mlxkit.output import Output

GONE = ColumnDrift("age", "numeric", "gone", 1.0, 0.0, True, "input", True, 1.0, 0.0)
SAME = ColumnDrift("plan", "categorical", "jensen_shannon", 0.02, 0.1, False, "input", True, 0.0, 0.0, 0.0)


def lines(*columns: ColumnDrift, rows: int = 57, schema: tuple[SchemaProblem, ...] = ()) -> list[str]:
    drifted = sum(column.drifted for column in columns) / len(columns)
    verdict = "drift" if drifted > 0.3 else "none"
    report = DriftReport(verdict, rows, drifted, "3", schema, columns)
    return _lines(Session(Output()), report, None)


def test_a_column_of_remarks_only_where_there_are_any() -> None:
    assert lines(SAME) == [
        "column  verdict  measure         score  limit",
        "plan    same     jensen shannon   0.02    0.1",
        "",
        "no drift: 0 of 1 columns drifted (0%); 57 rows against version 3",
    ]


@pytest.mark.parametrize("width", ["80"])
def test_problems_are_said_once_and_do_not_fill_the_screen(
    monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    schema = (
        SchemaProblem("age", "gone", 1.0),
        *(SchemaProblem(f"c{number}", "new", 1.0) for number in range(7)),
    )
    assert lines(GONE, rows=1, schema=schema) == [
        "column  verdict  measure  score  limit  remark",
        "age     drifted  gone         1      0  missing 0.0% -> 100.0%",
        "",
        "note: gone: 'age'",
        "note: no columns of the training rows, and not used: 'c0', 'c1', 'c2', 'c3', 'c4', and 2 more",
        "drift: 1 of 1 columns drifted (100%); 1 row against version 3",
    ]
