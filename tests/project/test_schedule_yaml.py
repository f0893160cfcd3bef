"""`schedule:` and `pool:` in mlx.yaml: what they become, and every way to get a time wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlxkit.project.cron import Cron, read_cron
from mlxkit.project.models import Schedule

if TYPE_CHECKING:
    from conftest import Churn

UNDERSTOOD = {
    "* * * * *": Cron(None, None, None, None, None),
    "0 3 * * 1": Cron((0,), (3,), None, None, (1,)),
    "*/20 8-10 1,15 */6 *": Cron((0, 20, 40), (8, 9, 10), (1, 15), (1, 7), None),
    "5-25/10 0 * jan,MAR-apr mon-FRI": Cron((5, 15, 25), (0,), None, (1, 3, 4), (1, 2, 3, 4, 5)),
    "0 0 13 * 5": Cron((0,), (0,), (13,), None, (5,)),
    "0 0 * * 7": Cron((0,), (0,), None, None, (0,)),
    "0 0 * * 5-7": Cron((0,), (0,), None, None, (0, 5, 6)),
    "0 0 * * */2": Cron((0,), (0,), None, None, (0, 2, 4, 6)),
    "0 0 29 2 *": Cron((0,), (0,), (29,), (2,), None),
    "@hourly": Cron((0,), None, None, None, None),
    "@daily": Cron((0,), (0,), None, None, None),
    "@weekly": Cron((0,), (0,), None, None, (0,)),
    "@monthly": Cron((0,), (0,), (1,), None, None),
    "@yearly": Cron((0,), (0,), (1,), (1,), None),
}


@pytest.mark.parametrize(("text", "cron"), UNDERSTOOD.items(), ids=UNDERSTOOD)
def test_a_time_is_understood(text: str, cron: Cron) -> None:
    assert read_cron(text) == cron


FIELDS = "minute, hour, day of the month, month, day of the week"
ALIASES = "@hourly, @daily, @weekly, @monthly, @yearly"
WRONG_TIMES = {
    "0 3 * *": f"has 4 fields and not five: {FIELDS}",
    "0 0 3 * * 1": f"has 6 fields and not five: {FIELDS}",
    "daily": f"has 1 field and not five: {FIELDS}",
    "@dayly": f"there is no '@dayly'; write five fields, or one of {ALIASES}",
    "@reboot": f"there is no '@reboot'; write five fields, or one of {ALIASES}",
    "60 3 * * *": "'60' is no minute: 0 to 59",
    "0 24 * * *": "'24' is no hour: 0 to 23",
    "0 3 0 * *": "'0' is no day of the month: 1 to 31",
    "0 3 1 13 *": "'13' is no month: 1 to 12",
    "0 3 * * 8": "'8' is no day of the week: 0 to 7",
    "0 3 * * Montag": "'Montag' is no day of the week: 0 to 7, or SUN to SAT",
    "0 3 * foo *": "'foo' is no month: 1 to 12, or JAN to DEC",
    "MON 3 * * *": "'MON' is no minute: 0 to 59",
    "0 3 L * *": "'L' is no day of the month: 1 to 31",
    "0 3 * * 5#2": "'5#2' is no day of the week",
    "0 3 ? * 1": "'?' is no day of the month",
    "-5 3 * * *": "'-5' is no minute",
    "1.5 3 * * *": "'1.5' is no minute",
    "1,,2 3 * * *": "'' is no minute",
    "0 22-2 * * *": "'22-2' runs backwards; write it as two parts",
    "0 3 * * FRI-SUN": "'FRI-SUN' runs backwards; write it as two parts",
    "*/0 3 * * *": "in '*/0' the step must be a number from 1 on",
    "*/x 3 * * *": "in '*/x' the step must be a number from 1 on",
    "5/15 3 * * *": "in '5/15' a step follows one value; write '5-59/15'",
    "²  3 * * *": "'²' is no minute",
    "0 3 */2 * 1": "cron and Airflow understand different days by '*/2' with '1'; list the days",
    "0 3 1 * */2": "cron and Airflow understand different days by '1' with '*/2'; list the days",
    "0 3 31 2,4 *": "there is no day 31 in month 2, 4",
}


@pytest.mark.parametrize(("text", "reason"), WRONG_TIMES.items(), ids=WRONG_TIMES)
def test_a_time_is_refused_with_its_reason(churn: Churn, text: str, reason: str) -> None:
    churn.edit(("drift:", f'schedule: {{train: "{text}"}}\ndrift:'))
    assert churn.problems() == [f"mlx.yaml:33:12 schedule.train: '{text}' is no time of cron: {reason}"]


WRONG = {
    "unknown key": (
        "schedule: {trainn: '@daily'}",
        ["33:12 schedule.trainn: unknown key, did you mean 'train'?"],
    ),
    "text": ("schedule: '@daily'", ["33:1 schedule: must be a mapping, is '@daily'"]),
    "time without a value": ("schedule: {train: }", ["33:12 schedule.train: must be text, is empty"]),
    "list of times": ("schedule: {train: [a]}", ["33:12 schedule.train: must be text, is a list"]),
    "drift without rows": (
        "schedule: {drift: '@daily'}",
        [
            "33:12 schedule.drift: needs the rows to compare: add `new_rows: data/external/new_rows.csv` "
            "beside it"
        ],
    ),
    "rows in two lines": (
        'schedule: {drift: "@daily", new_rows: "a\\nb"}',
        ["33:29 schedule.new_rows: is taken as it is written, and holds neither a line break nor '${'"],
    ),
    "two wrong times": (
        "schedule: {train: 1, drift: 2, new_rows: a.csv}",
        [
            f"33:12 schedule.train: '1' is no time of cron: has 1 field and not five: {FIELDS}",
            f"33:22 schedule.drift: '2' is no time of cron: has 1 field and not five: {FIELDS}",
        ],
    ),
}


@pytest.mark.parametrize(("text", "lines"), WRONG.values(), ids=WRONG)
def test_a_wrong_schedule(churn: Churn, text: str, lines: list[str]) -> None:
    churn.edit(("drift:", f"{text}\ndrift:"))
    assert churn.problems() == [f"mlx.yaml:{line}" for line in lines]


def test_a_schedule(churn: Churn) -> None:
    text = "schedule: {train: 0  3 * * MON, drift: '@daily', new_rows: data/new.csv}\ndrift:"
    project = churn.edit(("drift:", text), ("evaluate: {}", "evaluate: {pool: cpu}")).load()
    assert project.schedule == Schedule("0 3 * * MON", "@daily", "data/new.csv")
    assert project.stages["evaluate"].pool == "cpu"
    assert project.stages["train"].pool is None


def test_without_a_schedule(churn: Churn) -> None:
    assert churn.load().schedule == Schedule()
    assert churn.edit(("drift:", "schedule:\ndrift:")).load().schedule == Schedule()
