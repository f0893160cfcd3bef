"""Words that stand for a missing value in one file, beside those that pandas knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.scaffold.kinds import is_text
from mlxkit.scaffold.marks import is_number

if TYPE_CHECKING:
    import pandas as pd

_SIGNS = frozenset(
    """
    ? ?? ??? - -- --- \u2013 \u2014 . .. ... * ** #ref! #div/0! #value! #name? #num!
    """.split()  # noqa: SIM905 - a page of quotes otherwise
)
_WORDS = frozenset(
    {"unknown", "missing", "na", "n.a.", "n.a", "n/k", "nil", "no data", "not available", "undefined"}
    | {"(null)", "(blank)", "(empty)", "unbekannt", "k.a.", "keine angabe", "inconnu", "desconocido"}
)


def find_missing_words(frame: pd.DataFrame, target: str | None) -> tuple[str, ...]:
    """Return the texts in a table that stand for nothing, as they are written there.

    A label of the target is none of them, and "-" is none where "+" stands in the same column.
    """
    found: set[str] = set()
    labels: set[str] = set()
    signed = False
    for name, column in frame.items():
        if not is_text(column):
            continue
        distinct = column.drop_duplicates().dropna()
        texts = (
            distinct[distinct.map(lambda value: isinstance(value, str))]
            if column.dtype == object
            else distinct
        )
        plain = texts.astype("str").str.strip().str.lower()
        words = set(texts[plain.isin(_SIGNS | _WORDS)])
        signed = signed or bool((plain == "+").any())
        if name == target:
            labels = _labels(set(texts), words)
        found |= words
    return tuple(sorted(found - labels - ({"-"} if signed else set())))


def _labels(values: set[str], words: set[str]) -> set[str]:
    """Return those of the words that are labels: text like the others, or one of two labels."""
    others = {value for value in values - words if value.strip()}
    if others and all(map(is_number, others)):
        return set()
    if len(others) < 2:
        return words
    return {word for word in words if word.strip().lower() in _WORDS}
