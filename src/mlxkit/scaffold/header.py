"""Whether the first row of a table holds the names of its columns."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mlxkit.scaffold.marks import is_number

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST = 0.95


def is_header(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds names: text above numbers, or nothing that speaks against it."""
    if not body or len(first) != len(body[0]):
        return True
    columns = list(zip(*body, strict=True))
    numeric = [_share(column, is_number) >= _MOST for column in columns]
    named = [bool(name.strip()) and not is_number(name) for name in first]
    if any(number and name for number, name in zip(numeric, named, strict=True)):
        return not _is_missing_word_only(first, numeric)
    if any(is_number(name) for name in first):
        return _counts_up(first) and not _counts_up(body[0])
    # All text: a row of values holds some that come again below it.
    again = sum(name in column for name, column in zip(first, columns, strict=True))
    return not 2 * again >= len(first)


def _is_missing_word_only(first: Sequence[str], numeric: Sequence[bool]) -> bool:
    """Whether all that stands above numbers is a mark for a missing value, and numbers."""
    above = [name.strip() for name, number in zip(first, numeric, strict=True) if number]
    return any(map(is_number, above)) and all(is_number(name) or len(name) < 2 for name in above)


def _counts_up(values: Sequence[str]) -> bool:
    numbers = [int(value) for value in values if value.strip().isdecimal()]
    steps = {second - first for first, second in pairwise(numbers)}
    return len(numbers) > 2 and steps == {1}


def _share(values: Sequence[str], holds: Any) -> float:
    written = [value for value in values if value.strip()]
    return sum(map(holds, written)) / len(written) if written else 0.0
