"""Everything a template needs to know about a new project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlxkit.scaffold.requirements import Requirements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from mlxkit.project.models import Task
    from mlxkit.scaffold.roles import Column
    from mlxkit.scaffold.target import Label

_MANY_ROWS = 2000
_FEW_OF_CLASS = 200
_MOST_CURVES = 50
_MOST_CURVED_ROWS = 200_000
_SKEWED = 1.0


@dataclass(frozen=True)
class Gate:
    """The first quality bar of a project: low on purpose, the user raises it."""

    metric: str
    minimum: float


@dataclass(frozen=True)
class ModelParams:
    """First values of the model's parameters in params.yaml."""

    learning_rate: float
    max_iter: int
    max_leaf_nodes: int
    max_features: float
    knots: int


@dataclass(frozen=True)
class ChoiceParams:
    """First values of what the choice between models goes by, in params.yaml.

    Attributes:
        candidates: from simple to complex.
        in_doubt: "simple" or "complex", of candidates that only chance tells apart.
        most_rows: the candidates are compared on no more rows.
    """

    candidates: tuple[str, ...]
    in_doubt: str
    folds: int
    repeats: int
    most_rows: int


@dataclass(frozen=True)
class Reader:
    """A function of pandas that reads a file of raw rows, and its arguments."""

    function: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Answers:
    """What the templates are filled in with.

    Attributes:
        author: who made the project, in names of notebooks.
        dataset: the data set's name in file names and function parameters.
        raw_path: the raw data, relative to the project's root; likewise `new_rows_path`.
        key_repeats: some rows share their key, and must stay together.
        may_log_target: a model may learn the target's logarithm: no number is negative, and a few are large.
        labels: the classes, the most frequent first; empty for regression.
        target_is_text: the target's numbers are text in the raw file.
        target_has_blanks: some rows hold blank text as their label.
        time_format: of the time column, as `pandas.to_datetime` takes it; None when time is a number.
        cutoff: the time from which rows are test rows; None without a time column.
        numbers, categories, dates: the model's inputs; dates with their formats.
        flags: of `numbers`, those that are booleans in words, with what each word means.
        written: columns whose numbers come with a unit or with marks of their own, and their decimal mark.
        reads_values: some columns do not show by themselves what they hold, so drift asks the project.
        has_codes: some of `categories` are numbers in the raw file.
        read: how the raw data is read, as mlx.yaml says it; `reader` is the same in the project's own code.
        dropped: the columns left out, with the reason; by the group of inputs to which each would belong,
            "numbers", "categories" or "dates", where this project has such inputs, else under "others".
        has_nested: a left-out column holds values that cannot be compared.
        within: the project's path in the repository that it lies in, with a slash at its end; else empty.
    """

    project: str
    package: str
    author: str
    task: Task
    target: str
    positive: Label | None
    labels: tuple[Label, ...]
    target_is_text: bool
    target_has_blanks: bool
    key: str | None
    key_repeats: bool
    time: str | None
    time_format: str | None
    cutoff: str | int | float | None
    protected: tuple[str, ...]
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    dates: Mapping[str, str]
    flags: Mapping[str, Mapping[str, int]]
    written: Mapping[str, str]
    reads_values: bool
    has_codes: bool
    read: Mapping[str, Any]
    reader: Reader
    dropped: Mapping[str, tuple[Column, ...]]
    has_nested: bool
    columns: tuple[Column, ...]
    dataset: str
    raw_path: str
    new_rows_path: str
    rows: int
    new_rows: int
    seed: int
    gate: Gate
    may_log_target: bool
    choice: ChoiceParams
    model: ModelParams
    within: str = ""
    requires: Requirements = field(default_factory=Requirements)


def first_gate(task: Task, classes: int) -> Gate:
    """Choose the metric that gates a promotion, with a bar a little above guessing."""
    if task == "regression":
        return Gate("r2", 0.1)
    if classes == 2:
        return Gate("roc_auc", 0.6)
    return Gate("balanced_accuracy", round(min(1.2 / classes, 0.9), 2))


def first_choice(
    rows: int, *, class_counts: Sequence[int], by_time: bool, may_log_target: bool
) -> ChoiceParams:
    """Say which models are compared, and how thoroughly: little data needs repeats to tell them apart.

    A tree for each class and round is what many classes cost. With few rows of the rarer of two classes,
    log loss seldom tells linear models and trees apart, and trees rank better where columns interact.
    """
    classes = len(class_counts)
    trees = classes if classes > 2 else 1
    plain = ("linear", "trees")
    return ChoiceParams(
        candidates=("linear", "log_linear", "trees", "log_trees") if may_log_target else plain,
        in_doubt="complex" if classes == 2 and class_counts[1] < _FEW_OF_CLASS else "simple",
        folds=5 if rows * trees < 10_000 or by_time else 3,
        repeats=3 if rows < 300 else 1,
        most_rows=20_000,
    )


def first_model(task: Task, rows: int, *, class_counts: Sequence[int], numbers: int) -> ModelParams:
    """Choose the first parameters of the models; `class_counts` are the rows of each class, descending.

    A tree for each class and round is what many classes cost. Small trees suit numbers, which many small
    steps approach; classes gain from larger ones once rows are plenty. Where the smaller classes have few
    rows, trees learn those by heart, and gain from fewer columns at each split: two classes with smaller
    steps, many with smaller trees. Curves through many numbers would make a table of thousands of columns,
    and are no gain over trees where rows are plenty.
    """
    knots = 4 if numbers <= _MOST_CURVES and rows <= _MOST_CURVED_ROWS else 0
    if task == "regression":
        return ModelParams(0.1, 300, max_leaf_nodes=15, max_features=1.0, knots=knots)
    most_trees = 200 if len(class_counts) == 2 else 100
    if sum(class_counts[1:]) >= _FEW_OF_CLASS * (len(class_counts) - 1):
        leaves = 31 if rows >= _MANY_ROWS else 15
        return ModelParams(0.1, most_trees, max_leaf_nodes=leaves, max_features=1.0, knots=knots)
    if len(class_counts) == 2:
        return ModelParams(0.05, most_trees, max_leaf_nodes=15, max_features=0.5, knots=knots)
    return ModelParams(0.1, most_trees, max_leaf_nodes=8, max_features=0.5, knots=knots)


def is_skewed(target: pd.Series[float]) -> bool:
    """Whether a few values of a target are much larger than the rest, and none is negative."""
    standardised = (target - target.mean()) / target.std()
    return bool((target.dropna() >= 0).all() and (standardised**3).mean() > _SKEWED)
