"""Match class labels that data files, YAML and models spell differently: 1 and "1", True and "true"."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# YAML 1.1 reads an unquoted Yes or on as a boolean.
_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_AMBIGUOUS = -1


class LabelIndex:
    """The classes of a task in a fixed order, found by equality first, by spelling second.

    Two classes of one spelling ("1" beside "1.0") stay two classes: then spelling decides nothing.
    """

    def __init__(self, classes: Iterable[object] = ()) -> None:
        self.values: list[Any] = []
        self._exact: dict[object, int] = {}
        self._spelled: dict[str, int] = {}
        for label in classes:
            self.add(label)

    def find(self, label: object) -> int | None:
        """Return the position of a label, or None."""
        if label in self._exact:
            return self._exact[label]
        position = self._spelled.get(_spelling(label), _AMBIGUOUS)
        return None if position == _AMBIGUOUS else position

    def encode(self, labels: object) -> NDArray[np.intp]:
        """Return the position of each label, -1 for a missing one; labels not known yet are appended."""
        codes, distinct = pd.factorize(pd.Series(labels, dtype=getattr(labels, "dtype", object)))
        known = [self.add(label) for label in distinct.tolist()]
        return np.array([*known, -1], dtype=np.intp)[codes]

    def add(self, label: object) -> int:
        """Return the position of a label, after the others when it is new."""
        found = self.find(label)
        return self._append(label) if found is None else found

    def _append(self, label: object) -> int:
        position = len(self.values)
        self.values.append(label)
        self._exact[label] = position
        spelling = _spelling(label)
        self._spelled[spelling] = _AMBIGUOUS if spelling in self._spelled else position
        return position


def in_order(labels: Iterable[Any]) -> list[Any]:
    """Return labels sorted, by their text where their types do not compare."""
    labels = list(labels)
    try:
        return sorted(labels)
    except TypeError:
        return sorted(labels, key=str)


def _spelling(label: object) -> str:
    if isinstance(label, bool | np.bool_):
        return str(bool(label)).lower()
    if isinstance(label, Real):
        return _number(float(label))
    text = str(label).strip().lower()
    try:
        return _number(float(text))
    except ValueError:
        return _WORDS.get(text, text)


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
