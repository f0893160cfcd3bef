"""What the `schedule` of mlx.yaml must satisfy: times that every scheduler understands, and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.project.cron import NotCron, read_cron

if TYPE_CHECKING:
    from mlxkit.project.located import Problems, Value

TIMES = ("train", "drift")


def check_schedule(value: Value, problems: Problems) -> None:
    """Note every time that is none, and a drift job without rows."""
    given: dict[str, Value] = value.data or {}
    for name in TIMES:
        if name in given:
            _check_time(given[name], problems)
    rows = given.get("new_rows")
    if "drift" in given and rows is None:
        problems.add(
            given["drift"], "needs the rows to compare: add `new_rows: data/external/new_rows.csv` beside it"
        )
    if rows is not None and (rows.text.splitlines() != [rows.text] or "${" in rows.text):
        problems.add(rows, "is taken as it is written, and holds neither a line break nor '${'")


def _check_time(value: Value, problems: Problems) -> None:
    try:
        read_cron(value.text)
    except NotCron as error:
        problems.add(value, f"'{value.text}' is no time of cron: {error}")
