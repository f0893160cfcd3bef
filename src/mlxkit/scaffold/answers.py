"""Everything a template needs to know about a new project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlxkit.scaffold.requirements import Requirements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.project.models import Task
    from mlxkit.scaffold.roles import Column
    from mlxkit.scaffold.target import Label


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


@dataclass(frozen=True)
class Reader:
    """A function of pandas that reads a file of raw rows, and its arguments."""

    function: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Answers:
    """What the templates are filled in with.

    Attributes:
        dataset: the data set's name in file names and function parameters.
        raw_path: the raw data, relative to the project's root; likewise `new_rows_path`.
        labels: the classes, the most frequent first; empty for regression.
        target_is_text: the target's numbers are text in the raw file.
        target_has_blanks: some rows hold blank text as their label.
        time_format: of the time column, as `pandas.to_datetime` takes it; None when time is a number.
        cutoff: the time from which rows are test rows; None without a time column.
        numbers, categories, dates: the model's inputs; dates with their formats.
        flags: of `numbers`, those that are booleans in words, with what each word means.
        written: columns whose numbers come with a unit or with marks of their own, and their decimal mark.
        read: how the raw data is read, as mlx.yaml says it; `reader` is the same in the project's own code.
        dropped: the columns left out, with the reason.
        has_nested: a left-out column holds values that cannot be compared.
    """

    project: str
    package: str
    task: Task
    target: str
    positive: Label | None
    labels: tuple[Label, ...]
    target_is_text: bool
    target_has_blanks: bool
    key: str | None
    time: str | None
    time_format: str | None
    cutoff: str | int | float | None
    protected: tuple[str, ...]
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    dates: Mapping[str, str]
    flags: Mapping[str, Mapping[str, int]]
    written: Mapping[str, str]
    read: Mapping[str, Any]
    reader: Reader
    dropped: tuple[tuple[str, str], ...]
    has_nested: bool
    columns: tuple[Column, ...]
    dataset: str
    raw_path: str
    new_rows_path: str
    rows: int
    new_rows: int
    seed: int
    gate: Gate
    model: ModelParams
    requires: Requirements = field(default_factory=Requirements)


def first_gate(task: Task, classes: int) -> Gate:
    """Choose the metric that gates a promotion, with a bar a little above guessing."""
    if task == "regression":
        return Gate("r2", 0.1)
    if classes == 2:
        return Gate("roc_auc", 0.6)
    return Gate("balanced_accuracy", round(min(1.2 / classes, 0.9), 2))


def first_model(task: Task, rows: int) -> ModelParams:
    """Choose the model's first parameters: smaller trees for little data."""
    if rows < 2000:
        return ModelParams(learning_rate=0.05, max_iter=100, max_leaf_nodes=7)
    if task == "classification":
        return ModelParams(learning_rate=0.05, max_iter=200, max_leaf_nodes=15)
    return ModelParams(learning_rate=0.05, max_iter=300, max_leaf_nodes=31)
