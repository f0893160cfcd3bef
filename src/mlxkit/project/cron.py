"""Times in the five fields of cron, as far as cron, Airflow and systemd all understand the same by them."""

from __future__ import annotations

import re
from dataclasses import dataclass

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\w+))?", re.ASCII)


class NotCron(ValueError):
    """A text is no time that all of them understand; the message says why."""


@dataclass(frozen=True)
class _Field:
    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    """Names of the numbers from `low` on."""


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True)
class Cron:
    """When something is due. Each field holds its values in order; None stands for all of them.

    Attributes:
        weekdays: 0 is Sunday. Where days of the month are named as well, either is enough.
    """

    minutes: tuple[int, ...] | None
    hours: tuple[int, ...] | None
    days: tuple[int, ...] | None
    months: tuple[int, ...] | None
    weekdays: tuple[int, ...] | None


def normal(text: str) -> str:
    """Return an expression with one space between its fields."""
    return " ".join(text.split())


def read_cron(text: str) -> Cron:
    """Understand five fields, or an alias such as `@daily`.

    Raises:
        NotCron: they have another form, name a value that does not exist, or mean a day that never comes.
    """
    words = ALIASES.get(text.strip(), text).split()
    if text.strip().startswith("@") and len(words) == 1:
        raise NotCron(f"there is no '{text.strip()}'; write five fields, or one of {', '.join(ALIASES)}")
    if len(words) != len(_FIELDS):
        count = f"{len(words)} field{'' if len(words) == 1 else 's'}"
        raise NotCron(f"has {count} and not five: minute, hour, day of the month, month, day of the week")
    minutes, hours, days, months, weekdays = (
        _values(word, field) for word, field in zip(words, _FIELDS, strict=True)
    )
    if days and weekdays and (words[2].startswith("*") or words[4].startswith("*")):
        raise NotCron(
            f"cron and Airflow understand different days by '{words[2]}' with '{words[4]}'; list the days"
        )
    if days and not weekdays and all(days[0] > _LONGEST[month - 1] for month in months or (1,)):
        raise NotCron(f"there is no day {days[0]} in month {', '.join(map(str, months or (1,)))}")
    if weekdays is not None:
        weekdays = tuple(sorted({day % 7 for day in weekdays}))
    return Cron(minutes, hours, days, months, weekdays)


def _values(word: str, field: _Field) -> tuple[int, ...] | None:
    if word == "*":
        return None
    values: set[int] = set()
    for part in word.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            raise NotCron(f"'{part}' is no {field.title}")
        star, first, last, step = found.groups()
        # Every seventh day would count Sunday twice.
        top = 6 if star and field.high == 7 else field.high
        low = field.low if star else _number(first, field)
        high = top if star else low if last is None else _number(last, field)
        if low > high:
            raise NotCron(f"'{part}' runs backwards; write it as two parts")
        if step is not None and not star and last is None:
            raise NotCron(f"in '{part}' a step follows one value; write '{first}-{field.high}/{step}'")
        if step is not None and (not step.isdigit() or int(step) == 0):
            raise NotCron(f"in '{part}' the step must be a number from 1 on")
        values.update(range(low, high + 1, int(step or 1)))
    return tuple(sorted(values))


def _number(text: str, field: _Field) -> int:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.low
    if not text.isdigit():
        names = f", or {field.names[0].upper()} to {field.names[-1].upper()}" if field.names else ""
        raise NotCron(f"'{text}' is no {field.title}: {field.low} to {field.high}{names}")
    if not field.low <= int(text) <= field.high:
        raise NotCron(f"'{text}' is no {field.title}: {field.low} to {field.high}")
    return int(text)
