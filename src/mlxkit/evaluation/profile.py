"""The reference profile: what a model's training rows looked like, small enough to travel with it.

Numbers are kept as the means of up to 200 slices of equal share, from lowest to highest. Unlike a grid of
quantiles, slices keep the mean, and one wild value at the end moves one slice only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlxkit.errors import DataError, ToolError
from mlxkit.evaluation.columns import ColumnKind, coerce, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pandas import DataFrame, Series

    from mlxkit.project.models import Task

PROFILE_FILE = "reference_profile.json"
PREDICTION = "prediction"

_FORMAT = 1
_SLICES = 200
_CATEGORIES = 200


@dataclass(frozen=True)
class NumericSketch:
    """The distribution of numbers, or of dates as seconds since 1970.

    Attributes:
        count: how many values.
        slices: means of slices of equal share, ascending.
    """

    count: int
    mean: float
    std: float
    minimum: float
    maximum: float
    slices: tuple[float, ...]


@dataclass(frozen=True)
class CategorySketch:
    """How often categories occur.

    Attributes:
        count: how many values.
        distinct: how many different categories.
        categories: the most frequent ones and their counts, most frequent first.
        other: how many values fall into the rest.
        once: how many categories occur once.
    """

    count: int
    distinct: int
    categories: tuple[tuple[str, int], ...]
    other: int
    once: int


@dataclass(frozen=True)
class ColumnProfile:
    """One column: `sketch` describes the values that are not missing."""

    name: str
    kind: ColumnKind
    rows: int
    missing: int
    sketch: NumericSketch | CategorySketch

    @property
    def missing_share(self) -> float:
        """Share of rows without a usable value."""
        return self.missing / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Profile:
    """The training rows of one model: its inputs, what it learned to predict, and what it predicts for them.

    Attributes:
        unused: columns of the training rows that the model does not take.
        values: the project's function, `module:function`, that made these values of the rows; None when they
            are as they were written.
    """

    rows: int
    inputs: tuple[ColumnProfile, ...]
    target: ColumnProfile | None = None
    prediction: ColumnProfile | None = None
    unused: tuple[str, ...] = ()
    values: str | None = None

    def to_json(self) -> bytes:
        """Return the profile as JSON; equal profiles give equal bytes."""
        document = {"format": _FORMAT, **vars(self)}
        text = json.dumps(document, default=vars, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"

    @classmethod
    def from_json(cls, text: bytes) -> Profile:
        """Read a profile back.

        Raises:
            DataError: the text is no profile, or one of a newer format.
        """
        try:
            return _profile(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"'{PROFILE_FILE}' is no reference profile that this version reads",
                hint="run `mlx run --force train`",
            ) from error


def build_profile(
    rows: DataFrame,
    *,
    task: Task,
    inputs: Sequence[str],
    target: str | None = None,
    prediction: Series[Any] | None = None,
    values: str | None = None,
) -> Profile:
    """Profile training rows: the model's input columns, its target, and its predictions for these rows.

    `values` names the function that made these rows of the written ones.
    """
    labels: ColumnKind = "categorical" if task == "classification" else "numeric"
    has_target = target is not None and target in rows.columns
    return Profile(
        rows=len(rows),
        inputs=tuple(profile_column(rows[name]) for name in inputs),
        target=profile_column(rows[target], kind=labels) if has_target else None,
        prediction=None if prediction is None else profile_column(prediction.rename(PREDICTION), kind=labels),
        unused=tuple(str(name) for name in rows.columns if name not in inputs and name != target),
        values=values,
    )


def profile_column(column: Series[Any], kind: ColumnKind | None = None) -> ColumnProfile:
    """Profile one column as `kind`, by default the kind its values have."""
    kind = kind or kind_of(column)
    values = coerce(column, kind).dropna()
    sketch = _categories(values) if kind == "categorical" else sketch_numbers(values.to_numpy())
    return ColumnProfile(str(column.name), kind, len(column), len(column) - len(values), sketch)


def read_profile(model_dir: Path) -> Profile:
    """Read the profile that lies in a model directory.

    Raises:
        ToolError: the model has none.
        DataError: it cannot be read.
    """
    path = model_dir / PROFILE_FILE
    if not path.is_file():
        raise ToolError(
            "the model has no reference profile, so there is nothing to compare with",
            hint="run `mlx run --force train`",
            context=[f"expected {path}"],
        )
    return Profile.from_json(path.read_bytes())


def sketch_numbers(values: NDArray[np.float64]) -> NumericSketch:
    """Sketch finite numbers. Rounded to 12 digits: threads may add up a prediction in any order."""
    if not len(values):
        return NumericSketch(0, 0.0, 0.0, 0.0, 0.0, ())
    ordered = np.sort(values)
    lowest, highest = float(ordered[0]), float(ordered[-1])
    slices = np.clip(_slice_means(ordered), lowest, highest)
    return NumericSketch(
        count=len(ordered),
        mean=_rounded(ordered.mean()),
        std=_rounded(ordered.std()),
        minimum=_rounded(lowest),
        maximum=_rounded(highest),
        slices=tuple(_rounded(value) for value in slices),
    )


def _slice_means(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    count = len(ordered)
    if count <= _SLICES:
        return ordered
    # The integral of the quantile function is linear between multiples of 1/count.
    centre = ordered[count // 2]
    integral = np.concatenate([[0.0], np.cumsum(ordered - centre)]) / count
    edges = np.interp(np.linspace(0, count, _SLICES + 1), np.arange(count + 1), integral)
    return np.asarray(centre + np.diff(edges) * _SLICES)


def _categories(values: Series[Any]) -> CategorySketch:
    counts = sorted(values.value_counts().items(), key=lambda item: (-item[1], str(item[0])))
    kept = tuple((str(name), int(count)) for name, count in counts[:_CATEGORIES])
    listed = sum(count for _, count in kept)
    once = sum(count == 1 for _, count in counts)
    return CategorySketch(len(values), len(counts), kept, len(values) - listed, once)


def _rounded(value: float) -> float:
    return float(f"{value:.12g}")


def _profile(document: dict[str, Any]) -> Profile:
    if document["format"] != _FORMAT:
        raise ValueError(document["format"])
    return Profile(
        rows=int(document["rows"]),
        inputs=tuple(_column(entry) for entry in document["inputs"]),
        target=document["target"] and _column(document["target"]),
        prediction=document["prediction"] and _column(document["prediction"]),
        unused=tuple(document["unused"]),
        values=document.get("values"),
    )


def _column(entry: dict[str, Any]) -> ColumnProfile:
    sketch: dict[str, Any] = entry["sketch"]
    if entry["kind"] == "categorical":
        names = tuple((str(name), int(count)) for name, count in sketch["categories"])
        return ColumnProfile(**{**entry, "sketch": CategorySketch(**{**sketch, "categories": names})})
    numbers = NumericSketch(**{**sketch, "slices": tuple(sketch["slices"])})
    return ColumnProfile(**{**entry, "sketch": numbers})
