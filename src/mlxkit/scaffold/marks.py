"""Decimal and thousands marks of the numbers in a text, and numbers with a unit or currency."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NUMBER = re.compile(r"\s*[-+]?(\d[\d.,]*|\.\d+)([eE][-+]?\d+)?\s*")
_COMMA_IS_DECIMAL = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),(\d{1,2}|\d{4,})")
_COMMA_COULD_BE_DECIMAL = re.compile(r"[-+]?\d{1,3},\d{3}")
_ZERO_COMMA = re.compile(r"[-+]?0,\d+")
_POINT_IS_DECIMAL = re.compile(r"[-+]?(\d+|\d{1,3}(,\d{3})+)\.(\d{1,2}|\d{4,})")
_BY_COMMAS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
_BY_POINTS = re.compile(r"[-+]?\d{1,3}(\.\d{3})+(,\d+)?")
_MOST = 0.95

_GROUPED = (
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d{1,3}(?:[ '\u00a0\u202f]\d{3})+(?:[.,]\d+)?"
)
_WITH_UNIT = re.compile(
    rf"(?P<sign>[-+]?)\s*(?P<before>[^\W\d_]*|[$€£¥₹])\s*[-+]?"
    rf"(?P<number>{_GROUPED}|\d+(?:[.,]\d+)?)\s*(?P<after>[^\d\s.,'+-]*)"
)
_CURRENCIES = frozenset(
    """
    $ € £ ¥ ₹ zł eur usd gbp chf jpy inr sek nok dkk pln czk huf cad aud euro dollar
    """.split()  # noqa: SIM905 - a page of quotes otherwise
)
_UNITS = frozenset(
    """
    % ‰ kg mg lb lbs oz km cm mm mi ft yd ml cl gal kmpl mpg mph km/h kmh rpm bhp hp ps kw mw kwh mwh hz khz
    mhz ghz kb mb gb tb °c °f ° m² m³ km² sqft sqm cc min mins minute minutes sec secs second seconds ms hr
    hrs hour hours day days week weeks month months year years yr yrs jahr jahre monate stunden stk pcs
    bar psi kcal g l h m s t w v
    """.split()  # noqa: SIM905 - a page of quotes otherwise
)


@dataclass(frozen=True)
class Marks:
    """How numbers are written: the decimal mark, and the one between thousands, which may be none."""

    decimal: str = "."
    thousands: str = ""

    @property
    def in_words(self) -> list[str]:
        """Say what is unusual."""
        names = {",": "commas", ".": "points"}
        said = [] if self.decimal == "." else [f"decimal {names.get(self.decimal, repr(self.decimal))}"]
        thousands = names.get(self.thousands, repr(self.thousands))
        return [*said, *([f"{thousands} between thousands"] if self.thousands else [])]


PLAIN = Marks()


def is_number(text: str) -> bool:
    """Whether a text is a number, whatever its marks."""
    return _NUMBER.fullmatch(text) is not None


def find_marks(columns: Sequence[Sequence[str]], sep: str, *, decimal: str = "") -> Marks:
    """Judge the marks of a whole file from the columns of its first rows, `decimal` where it is known.

    One pair of marks serves the file as long as no column speaks against it: pandas would read dates such as
    01.02.2024 as numbers once points may stand between thousands.
    """
    held = [[value.strip() for value in column if value.strip()] for column in columns]
    if decimal:
        grouped = {",": (_BY_POINTS, "."), ".": (_BY_COMMAS, ",")}.get(decimal)
        return Marks(decimal, grouped[1] if grouped and _serves(held, *grouped) else "")
    numeric = [values for values in held if values and sum(map(is_number, values)) >= _MOST * len(values)]
    commas = sum(_has(values, _COMMA_IS_DECIMAL) or _has(values, _ZERO_COMMA) for values in numeric)
    points = sum(_has(values, _POINT_IS_DECIMAL) for values in numeric)
    unclear = sum(_all(values, _COMMA_COULD_BE_DECIMAL) for values in numeric)
    if commas > points or (sep != "," and unclear and not points and not commas):
        return Marks(",", "." if _serves(held, _BY_POINTS, ".") else "")
    return Marks(".", "," if commas == 0 and _serves(held, _BY_COMMAS, ",") else "")


def _has(values: Iterable[str], form: re.Pattern[str]) -> bool:
    return any(form.fullmatch(value) for value in values)


def _all(values: Iterable[str], form: re.Pattern[str]) -> bool:
    return all(form.fullmatch(value) or value.isdecimal() for value in values) and _has(values, form)


def _serves(columns: Sequence[Sequence[str]], grouped: re.Pattern[str], mark: str) -> bool:
    """Whether a mark stands between thousands wherever it stands in what could be read as a number."""
    used = [value for values in columns for value in values if mark in value and is_number(value)]
    return bool(used) and all(grouped.fullmatch(value) for value in used)


@dataclass(frozen=True)
class WrittenNumbers:
    """Numbers that come with a unit or currency, or with marks that are not the file's."""

    decimal: str
    unit: str

    @property
    def in_words(self) -> str:
        """Say how they are written."""
        unit = f" with '{self.unit}'" if self.unit else ""
        marks = "decimal commas" if self.decimal == "," else "" if unit else "marks between thousands"
        return f"numbers{unit}{', ' if unit and marks else ' with ' if marks else ''}{marks}"


def find_written_numbers(distinct: Sequence[str]) -> WrittenNumbers | None:
    """Judge whether texts are numbers with one unit, or with marks of their own; None where some are not."""
    found = [match for text in distinct if (match := _WITH_UNIT.fullmatch(text.strip())) is not None]
    if len(found) < _MOST * len(distinct) or any(match["before"] and match["after"] for match in found):
        return None
    shown = {(match["before"] or match["after"]) for match in found} - {""}
    units = {unit if len(unit) == 1 else unit.lower() for unit in shown}
    if len(units) > 1 or not units <= _UNITS | _CURRENCIES:
        return None
    unit = next(iter(shown), "")
    numbers = [re.sub(r"[\s']", "", match["number"]) for match in found]
    decimal = find_marks([numbers], ",").decimal
    pointed = [number for number in numbers if "." in number]
    if units <= _CURRENCIES and units and pointed and all(_BY_POINTS.fullmatch(number) for number in pointed):
        decimal = ","
    return WrittenNumbers(decimal, unit)
