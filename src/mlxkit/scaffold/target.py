"""What is to be predicted: the task, the classes, the positive label, and whether the column can serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandas.api import types

from mlxkit.errors import DataError, UsageError
from mlxkit.scaffold.kinds import Content, present, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlxkit.project.models import Task
    from mlxkit.scaffold.data_file import DataFile
    from mlxkit.scaffold.request import Request

Label = str | int | float | bool

MOST_INTEGER_CLASSES = 10
_RARE_CLASS = 20
_MOST_NAMED = 5
_USUAL_TARGETS = ("target", "label", "class", "outcome", "y", "response", "churn", "default", "price")
_USUAL_POSITIVES = ("yes", "true", "1", "y", "t", "positive", "pos", "+", "on", "ja", "j", "oui", "si", "sí")


@dataclass(frozen=True)
class Target:
    """The column to predict.

    Attributes:
        content: what the column holds.
        classes: the labels in order, most frequent first; empty for regression.
        class_counts: the rows of each class, in the same order.
        positive: of two classes, the one counted as positive.
        has_blanks: some rows hold blank text instead of nothing.
    """

    name: str
    task: Task
    content: Content
    classes: tuple[Label, ...]
    class_counts: tuple[int, ...]
    positive: Label | None
    has_blanks: bool
    why: str
    warnings: tuple[str, ...]


def find_target(data: DataFile, request: Request, contents: Mapping[str, Content]) -> Target:
    """Check the target that the user named and find out what kind of task it makes."""
    if request.target is None:
        raise _no_target(data, request)
    name = request.target
    column = data.frame[name]
    values = present(column)
    content = contents[name]
    _check_usable(name, content, values, request)
    task, why = _task(name, content, values, request)
    classes: tuple[Label, ...] = ()
    class_counts: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    if task == "classification":
        counts = values.value_counts()
        counts = counts[counts > 0].sort_index().sort_values(ascending=False, kind="stable")
        _check_classes(name, counts, request)
        classes = tuple(_plain(label) for label in counts.index)
        class_counts = tuple(counts.tolist())
        warnings = _rare_classes(name, counts)
    if lost := len(column) - len(values):
        left = f"{lost} rows have no '{name}' and are" if lost > 1 else f"one row has no '{name}' and is"
        warnings += (f"{left} left out",)
    positive = _positive(name, classes, request)
    return Target(
        name=name,
        task=task,
        content=content,
        classes=classes,
        class_counts=class_counts,
        positive=positive,
        has_blanks=len(values) < len(column.dropna()),
        why=why if positive is None else f"{why}; {shown(positive)} is the positive one",
        warnings=warnings,
    )


def _no_target(data: DataFile, request: Request) -> UsageError:
    columns = list(data.frame.columns)
    usual = [column for name in _USUAL_TARGETS for column in columns if column.lower() == name]
    return UsageError(
        f"which column of '{request.data}' is to be predicted?",
        hint=request.hint(target=(usual or columns[-1:])[0]),
        context=(f"columns: {', '.join(columns)}",),
    )


def _check_usable(name: str, content: Content, values: pd.Series, request: Request) -> None:
    another = "name another column after --target"
    if content.kind == "empty":
        raise DataError(f"target '{name}' has no values", hint=another)
    if content.kind in {"unsupported", "date"}:
        held = "dates" if content.kind == "date" else "values that are neither numbers nor text"
        raise DataError(f"target '{name}' holds {held}", hint=another)
    if content.distinct == 1:
        raise DataError(f"target '{name}' is constant: always {shown(values.iloc[0])}", hint=another)
    if content.kind == "text" and content.distinct == len(values):
        raise DataError(f"target '{name}' holds text that differs in every row", hint=another)
    if types.is_float_dtype(values.dtype) and not np.isfinite(values.to_numpy(dtype=np.float64)).all():
        count = int((~np.isfinite(values.to_numpy(dtype=np.float64))).sum())
        raise DataError(
            f"target '{name}' is infinite in {count} row{'s' if count > 1 else ''}",
            hint="remove these rows, or leave the value empty there",
        )
    if request.task == "regression" and (content.kind == "text" or content.flags):
        raise DataError(
            f"target '{name}' holds text, and regression needs numbers",
            hint=request.hint(task="classification"),
        )


def _task(name: str, content: Content, values: pd.Series, request: Request) -> tuple[Task, str]:
    if request.task is not None:
        if request.task == "classification" and content.distinct == len(values):
            raise DataError(
                f"target '{name}' has a different value in every row: there are no classes",
                hint=request.hint(task="regression"),
            )
        return request.task, f"a {request.task}, as --task says"
    if content.kind in {"text", "boolean"}:
        return "classification", f"{content.distinct} classes"
    if (
        content.kind == "number"
        and content.distinct <= MOST_INTEGER_CLASSES
        and bool((values % 1 == 0).all())
    ):
        return "classification", f"{content.distinct} whole numbers taken as classes"
    return "regression", f"{content.distinct} different numbers"


def _check_classes(name: str, counts: pd.Series, request: Request) -> None:
    single = [shown(_plain(label)) for label in counts.index[counts < 2]]
    if not single:
        return
    listed = ", ".join(single[:3]) + (f" and {len(single) - 3} more" if len(single) > 3 else "")
    numeric = pd.api.types.is_numeric_dtype(counts.index) and not pd.api.types.is_bool_dtype(counts.index)
    raise DataError(
        f"target '{name}' has classes with one row only: {listed}",
        hint=request.hint(task="regression")
        if numeric
        else "remove these rows, or give them a class with more rows",
    )


def _rare_classes(name: str, counts: pd.Series) -> tuple[str, ...]:
    rare = counts[counts < _RARE_CLASS]
    if len(rare) > _MOST_NAMED:
        fewest = shown(_plain(rare.idxmin()))
        return (
            f"{len(rare)} classes of '{name}' have fewer than {_RARE_CLASS} rows; {fewest} has {rare.min()}",
        )
    return tuple(
        f"class {shown(_plain(label))} of '{name}' has {count} rows only" for label, count in rare.items()
    )


def _positive(name: str, classes: Sequence[Label], request: Request) -> Label | None:
    if request.positive is None:
        return _usual_positive(classes) if len(classes) == 2 else None
    if len(classes) != 2:
        raise DataError(
            f"a positive label needs a target with two classes, and '{name}' has {len(classes) or 'numbers'}",
            hint=request.hint(positive=None),
        )
    wanted = request.positive.strip()
    for label in classes:
        if wanted.lower() == str(label).lower():
            return label
    held = " and ".join(shown(label) for label in classes)
    raise DataError(
        f"'{request.positive}' is not a value of target '{name}', which holds {held}",
        hint=request.hint(positive=str(_usual_positive(classes))),
    )


def _usual_positive(classes: Sequence[Label]) -> Label:
    """Return the label that says yes, else the rarer one (the last)."""
    usual = [label for label in classes if str(label).lower() in _USUAL_POSITIVES]
    return usual[0] if len(usual) == 1 else classes[-1]


def _plain(label: object) -> Label:
    """Return a label as YAML can hold it; a whole float is an integer that once had missing neighbours."""
    value = label.item() if isinstance(label, np.generic) else label
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, str | int | float | bool) else str(value)
