"""Columns that say once more what another column says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlxkit.scaffold.scales import as_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mlxkit.scaffold.kinds import Content

_NEARLY_ONE = 0.9999  # absolute correlation
_MOST_ROWS = 50_000


def find_repeats(
    frame: pd.DataFrame, contents: Mapping[str, Content], names: Sequence[str]
) -> dict[str, str]:
    """Return those of the columns `names` that repeat an earlier one, with the reason."""
    sample = frame.sample(_MOST_ROWS, random_state=0) if len(frame) > _MOST_ROWS else frame
    return _moving_together(sample, contents, names) | _named_otherwise(sample, contents, names)


def _named_otherwise(
    frame: pd.DataFrame, contents: Mapping[str, Content], names: Sequence[str]
) -> dict[str, str]:
    """Find columns with as many groups of rows as an earlier one, and the same ones: a code and its name."""
    first: dict[bytes, str] = {}
    found = {}
    for name in names:
        # Columns without repeated values all have the same groups: one row each.
        if not 1 < contents[name].distinct <= len(frame) / 2:
            continue
        groups = pd.factorize(frame[name])[0].astype(np.int32).tobytes()
        if (other := first.setdefault(groups, name)) != name:
            found[name] = f"says the same as '{other}'"
    return found


def _moving_together(
    frame: pd.DataFrame, contents: Mapping[str, Content], names: Sequence[str]
) -> dict[str, str]:
    """Find numbers that rise and fall in step with an earlier column: the same in another unit."""
    alike: dict[bytes, dict[str, NDArray[np.float64]]] = {}
    for name in names:
        values = as_numbers(frame[name], contents[name])
        if values is not None and len(np.unique(values[np.isfinite(values)])) > 1:
            known = np.isfinite(values)
            alike.setdefault(known.tobytes(), {})[name] = values[known]
    found = {}
    for columns in alike.values():  # those that are missing in the same rows
        several = list(columns)
        correlations = np.atleast_2d(np.corrcoef(np.stack(list(columns.values()))))
        for place, name in enumerate(several):
            for before in range(place):
                if several[before] not in found and abs(correlations[place, before]) >= _NEARLY_ONE:
                    found[name] = f"moves in step with '{several[before]}'"
                    break
    return found
