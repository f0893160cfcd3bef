"""Columns that name a person or lead to one, judged by names and values: no model has a use for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlxkit.scaffold.kinds import present

if TYPE_CHECKING:
    import pandas as pd

    from mlxkit.scaffold.kinds import Content

_MOST = 0.9
_LOOKED_AT = 1000
_VALUES = {
    "e-mail addresses": re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"),
    "bank accounts (IBAN)": re.compile(r"[A-Z]{2}\d{2} ?(?:[A-Z0-9]{4} ?){2,7}[A-Z0-9]{1,4}"),
    "IP addresses": re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{1,4}"),
    "social security numbers": re.compile(r"\d{3}-\d{2}-\d{4}"),
}
_CARD = re.compile(r"\d(?:[ -]?\d){12,18}")
_NAMES = {
    "e-mail addresses": re.compile(r"e ?mail( address)?$"),
    "telephone numbers": re.compile(
        r"(tele)?phone( (number|no|nr))?$|\b(mobile|cell|fax)( (number|no|nr))?$"
    ),
    "names of people": re.compile(
        r"\b(first|last|middle|full|given|family|maiden|sur|user|customer|client|patient|passenger|employee|contact"
        r"|person) ?name$|^(surname|vorname|nachname)$"
    ),
    "postal addresses": re.compile(
        r"^(\w+ )?(street|home|postal|mailing|billing|shipping)? ?(address|street)( \d| line.*)?$"
    ),
    "identity documents": re.compile(
        r"\b(ssn|social security( number)?|passport( (number|no|nr))?|tax id|national id)$"
    ),
}
_DIFFERENT_VALUES = 20


def personal_data(name: str, column: pd.Series, content: Content) -> str | None:
    """Return what personal data a column holds, or None."""
    if content.kind not in {"text", "number", "number as text"}:
        return None
    values = present(column).head(_LOOKED_AT).astype(str).str.strip()
    for what, pattern in _VALUES.items():
        if values.str.fullmatch(pattern).mean() >= _MOST:
            return what
    if values.map(_is_card).mean() >= _MOST:
        return "numbers of bank cards"
    if content.distinct <= max(_DIFFERENT_VALUES, len(column) / 20):  # `Phone: yes or no` leads to nobody
        return None
    words = " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-zß-ÿ]+|\d+", name)).lower()
    return next((what for what, pattern in _NAMES.items() if pattern.search(words)), None)


def _is_card(text: str) -> bool:
    """Whether a text is a card's number by its check digit (ISO/IEC 7812-1, Luhn's formula)."""
    if not _CARD.fullmatch(text):
        return False
    digits = [int(character) for character in reversed(text) if character.isdigit()]
    doubled = [
        digit if place % 2 == 0 else (2 * digit - 9 if digit > 4 else 2 * digit)
        for place, digit in enumerate(digits)
    ]
    return sum(doubled) % 10 == 0
