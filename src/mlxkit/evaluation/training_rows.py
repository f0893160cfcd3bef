"""Which rows a model was trained on, small enough to travel with it.

So a promotion can tell a score on unseen rows from a score on rows that the model knows.

Rows are named by a 64-bit hash; the lowest k hashes are kept. That is a consistent sample (bottom-k sketch,
E. Cohen and H. Kaplan, PODC 2007): a row whose hash lies below the highest kept one was trained on exactly
when its hash is kept.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pandas.api import types

from mlxkit.errors import DataError
from mlxkit.evaluation.columns import category, distinct_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas import DataFrame, Series

TRAINING_ROWS_FILE = "training_rows.json"

_FORMAT = 1
_KEPT = 20_000
_EXACT = 2**53
_LAST = np.uint64(2**64 - 1)
_MISSING = np.uint64(0x6D697373696E6721)

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """A fingerprint of training rows.

    Attributes:
        columns: what names a row: the key column alone, or the columns whose content does.
        rows: how many rows were trained on.
        hashes: the lowest distinct hashes, ascending.
        complete: whether all hashes were kept.
    """

    columns: tuple[str, ...]
    rows: int
    hashes: Hashes
    complete: bool

    def to_json(self) -> bytes:
        """Return the fingerprint as JSON; equal rows give equal bytes, in whatever order they come."""
        document = {
            "format": _FORMAT,
            "columns": list(self.columns),
            "rows": self.rows,
            "complete": self.complete,
            "hashes": base64.b64encode(self.hashes.astype("<u8").tobytes()).decode(),
        }
        return json.dumps(document, sort_keys=True, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_json(cls, text: bytes) -> TrainingRows:
        """Read a fingerprint back.

        Raises:
            DataError: the text is no fingerprint, or one of a newer format.
        """
        try:
            document = json.loads(text)
            if document["format"] != _FORMAT:
                raise ValueError(document["format"])
            hashes = np.frombuffer(base64.b64decode(document["hashes"]), dtype="<u8").astype(np.uint64)
            return cls(tuple(document["columns"]), int(document["rows"]), hashes, bool(document["complete"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"'{TRAINING_ROWS_FILE}' is no record of training rows that this version reads",
                hint="run `mlx run --force train`",
            ) from error


@dataclass(frozen=True)
class Overlap:
    """How many of some rows a model was trained on.

    Attributes:
        rows: how many rows were asked about.
        compared: how many of them the fingerprint can tell about: all of them when it is complete.
        shared: how many of those were trained on.
    """

    rows: int
    compared: int
    shared: int

    @property
    def share(self) -> float | None:
        """Estimated share of the rows that were trained on; None when the fingerprint tells about none."""
        return self.shared / self.compared if self.compared else None


def fingerprint(
    rows: DataFrame, *, columns: Sequence[str], key: str | None = None, kept: int = _KEPT
) -> TrainingRows:
    """Fingerprint training rows by their `key` column where they have it, else by the content of `columns`.

    Rows of equal content are one row, so without a key a new row that happens to repeat an old one counts as
    known.
    """
    names = (key,) if key is not None and key in rows.columns else tuple(sorted(map(str, columns)))
    hashes = np.unique(row_hashes(_named(rows, names), names))
    return TrainingRows(names, len(rows), hashes[:kept], len(hashes) <= kept)


def overlap(known: TrainingRows, rows: DataFrame) -> Overlap | None:
    """Return how many of `rows` are among the training rows; None when they lack the columns that tell."""
    if any(name not in rows.columns for name in known.columns):
        return None
    hashes = row_hashes(_named(rows, known.columns), known.columns)
    limit = _LAST if known.complete else known.hashes[-1]
    comparable = hashes[hashes <= limit]
    return Overlap(len(rows), len(comparable), int(np.isin(comparable, known.hashes).sum()))


def _named(rows: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Return the rows that have a name: those without any value in `columns` cannot be told apart."""
    return rows.dropna(subset=list(columns), how="all")


def row_hashes(rows: DataFrame, columns: Sequence[str]) -> Hashes:
    """Return a 64-bit hash of each row's values in `columns`.

    It is the same on every machine, whatever the dtype (1, 1.0 and "1" are equal), the index and the order of
    rows.
    """
    combined = np.zeros(len(rows), dtype=np.uint64)
    for name in columns:
        combined = _mixed(combined * np.uint64(0x9E3779B97F4A7C15) + _column_hashes(rows[name]))
    return combined


def _column_hashes(column: Series[Any]) -> Hashes:
    if (
        types.is_numeric_dtype(column.dtype)
        and not types.is_bool_dtype(column.dtype)
        and not _is_wide(column)
    ):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isnan(values), _MISSING, _number_hashes(values))
    codes, distinct = distinct_values(column)
    return np.array([*(_value_hash(value) for value in distinct), _MISSING], dtype=np.uint64)[codes]


def _is_wide(column: Series[Any]) -> bool:
    """Return whether a column holds integers that float64 would round."""
    if not types.is_integer_dtype(column.dtype) or column.isna().all():
        return False
    return bool(column.max() > _EXACT or column.min() < -_EXACT)


def _value_hash(value: object) -> np.uint64:
    text = category(value)
    if text is None:
        return _MISSING
    if isinstance(value, datetime):
        text = text.removesuffix(" 00:00:00")
    number = _as_number(text)
    if number is not None:
        return np.uint64(_number_hashes(np.array([number]))[0])
    return np.uint64(
        int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
    )


def _as_number(text: str) -> float | None:
    """Return the number that a text usually spells; 007 stays text, as does too wide an integer."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if text in (category(number), repr(number)) else None


def _number_hashes(values: NDArray[np.float64]) -> Hashes:
    return _mixed((values + 0.0).view(np.uint64))  # adding 0.0 makes -0.0 the same as 0.0


def _mixed(bits: Hashes) -> Hashes:
    """Scatter 64-bit values evenly: the finaliser of SplitMix64 (G. Steele and others, OOPSLA 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
