"""What a misspelt word was probably meant to be."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def closest(word: str, options: Iterable[object]) -> str:
    """Return the option spelt most like a word, whatever their case; empty when none is close.

    Options may be any keys of YAML, such as numbers.
    """
    by_lower = {str(option).lower(): str(option) for option in options}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else ""


def did_you_mean(word: str, options: Iterable[object]) -> str:
    """Return `, did you mean 'x'?` for the closest option, or nothing."""
    close = closest(word, options)
    return f", did you mean '{close}'?" if close else ""
