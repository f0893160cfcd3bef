"""A project for a table: check everything, write the whole of it, put it in place in one step."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pandas.api.types import is_numeric_dtype

from mlxkit.errors import UsageError
from mlxkit.scaffold.answers import Answers, Reader, first_choice, first_gate, first_model, is_skewed
from mlxkit.scaffold.dates import ISO
from mlxkit.scaffold.given import given_by
from mlxkit.scaffold.hold_out import as_times, choose_cutoff, hold_out_newest, hold_out_random
from mlxkit.scaffold.names import author, dataset_name, package_name
from mlxkit.scaffold.new_folder import goal, new_folder
from mlxkit.scaffold.raw_rows import divide_rows
from mlxkit.scaffold.reading import read_data
from mlxkit.scaffold.render import find_ci, find_template, render_project
from mlxkit.scaffold.roles import Column, Roles, assign_roles
from mlxkit.scaffold.scales import as_numbers
from mlxkit.scaffold.starter import with_starter_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from mlxkit.scaffold.data_file import DataFile
    from mlxkit.scaffold.image_answers import ImageAnswers
    from mlxkit.scaffold.request import Request

_OWN_DATA_OPTIONS = ("target", "time", "key", "positive", "drop", "keep", "read", "type")


@dataclass(frozen=True)
class Scaffolded:
    """A project that was written.

    Attributes:
        root: the project's folder.
        columns: what was inferred about each column, in the order of the file.
        warnings: what the user should know, one line each.
        raw_path: the raw data, relative to the root; likewise the following.
        new_rows_path: a table of the rows held out of it, which a stage may have to make first.
        tracked: what DVC is to track.
        summary: how the data was read.
    """

    root: Path
    answers: Answers | ImageAnswers
    columns: tuple[Column, ...]
    warnings: tuple[str, ...]
    raw_path: Path
    new_rows_path: Path
    tracked: tuple[Path, ...]
    summary: str


def scaffold(request: Request) -> Scaffolded:
    """Write a new project.

    Nothing is written until name, folder, template, data and roles have been checked.

    Raises:
        UsageError: the name or folder cannot be used, there is no such template, or the target is not named.
        DataError: the data file cannot be used for what was asked.
    """
    folder = goal(request)
    template, ci = find_template(request), find_ci(request)
    with tempfile.TemporaryDirectory() as starter:
        asked, path = _with_data(request, Path(starter))
        given = given_by(asked)
        data = read_data(path, target=asked.target, given=given)
        roles = assign_roles(data, asked, given)
        held, cutoff = _divide(data, roles, asked.seed)
        answers = _answers(
            data,
            roles,
            name=folder.name,
            seed=asked.seed,
            new_rows=int(held.sum()),
            cutoff=cutoff,
            within=asked.within,
        )
        with new_folder(folder) as unfinished:
            render_project(template, ci, unfinished, answers)
            divide_rows(data, held, unfinished / answers.raw_path, unfinished / answers.new_rows_path)
    return Scaffolded(
        root=folder,
        answers=answers,
        columns=roles.columns,
        warnings=(*data.notes, *roles.warnings),
        raw_path=Path(answers.raw_path),
        new_rows_path=Path(answers.new_rows_path),
        tracked=(Path(answers.raw_path), Path(answers.new_rows_path)),
        summary=data.summary,
    )


def _with_data(request: Request, starter: Path) -> tuple[Request, Path]:
    """Return the request and its data file; without one, those of the starter data."""
    if request.data is not None:
        return request, request.data
    for option in _OWN_DATA_OPTIONS:
        if getattr(request, option):
            raise UsageError(
                f"'--{option}' goes with '--data'; the starter data has its own",
                hint=request.hint(data="FILE"),
            )
    return with_starter_data(request, starter)


def _divide(data: DataFile, roles: Roles, seed: int) -> tuple[NDArray[np.bool_], str | int | float | None]:
    """Return which rows are held out, and the cutoff of the split where there is a time column."""
    time = roles.column("time")
    times = None if time is None else as_times(data.frame[time.name], time.kind, time.content.date_format)
    if times is not None:
        held = hold_out_newest(times)
        return held, choose_cutoff(times[~held])
    labels = data.frame[roles.target.name] if roles.target.task == "classification" else None
    return hold_out_random(labels, len(data.frame), seed=seed), None


def _answers(
    data: DataFile,
    roles: Roles,
    *,
    name: str,
    seed: int,
    new_rows: int,
    cutoff: str | int | float | None,
    within: str,
) -> Answers:
    dataset = dataset_name(data.stem)
    target, time, key = roles.target, roles.column("time"), roles.column("key")
    features = [column for column in roles.columns if column.role == "feature"]
    dated = [
        column for column in roles.columns if column.role in {"time", "feature"} and column.kind == "date"
    ]
    numbers = tuple(c.name for c in features if _group(c) == "numbers")
    categories = tuple(c.name for c in features if _group(c) == "categories")
    written = _written(roles)
    values = as_numbers(data.frame[target.name], target.content) if target.task == "regression" else None
    may_log_target = values is not None and is_skewed(pd.Series(values))
    return Answers(
        project=name,
        package=package_name(name),
        author=author(),
        task=target.task,
        target=target.name,
        positive=target.positive,
        labels=target.classes,
        target_is_text=target.task == "regression" and target.content.kind == "number as text",
        target_has_blanks=target.has_blanks,
        key=key.name if key is not None else None,
        key_repeats=key is not None and key.distinct < len(data.frame),
        time=time.name if time is not None else None,
        time_format=time.content.date_format if time is not None and time.kind == "date" else None,
        cutoff=cutoff,
        protected=roles.protected,
        numbers=numbers,
        categories=categories,
        dates={c.name: c.content.date_format for c in dated},
        flags={c.name: dict(c.content.flags) for c in features if c.content.flags},
        written=written,
        reads_values=_reads_values(data, dated, written, categories),
        has_codes=any(is_numeric_dtype(data.frame[name]) for name in categories),
        read=dict(data.options or {}),
        reader=_reader(data),
        dropped=_dropped(roles, {*map(_group, [*features, *dated])}),
        has_nested=any(c.kind == "unsupported" for c in roles.columns),
        columns=roles.columns,
        dataset=dataset,
        raw_path=f"data/raw/{dataset}{data.suffix}",
        new_rows_path=f"data/external/new_rows{data.suffix.removesuffix('.gz')}",
        rows=len(data.frame) - new_rows,
        new_rows=new_rows,
        seed=seed,
        gate=first_gate(target.task, len(target.classes)),
        may_log_target=may_log_target,
        choice=first_choice(
            len(data.frame),
            class_counts=target.class_counts,
            by_time=time is not None,
            may_log_target=may_log_target,
        ),
        model=first_model(
            target.task,
            len(data.frame),
            class_counts=target.class_counts,
            numbers=len(numbers) + 3 * len(dated),
        ),
        within=within,
    )


def _reads_values(
    data: DataFile, dated: Sequence[Column], written: Mapping[str, str], categories: Sequence[str]
) -> bool:
    """Whether values of some column would be taken for another kind than they are to the model."""
    as_text = (data.options or {}).get("dtype", {})
    return (
        bool(written)
        or any(column.content.date_format != ISO for column in dated)
        or any(name in as_text or is_numeric_dtype(data.frame[name]) for name in categories)
    )


def _group(column: Column) -> str:
    """Return how a column is treated as a model's input, `others` where it cannot be one as it stands."""
    match column.kind:
        case "number" | "number as text" | "boolean":
            return "numbers"
        case "text":
            return "categories"
        case "date":
            return "dates"
    return "others"


def _dropped(roles: Roles, groups: set[str]) -> dict[str, tuple[Column, ...]]:
    found: dict[str, tuple[Column, ...]] = dict.fromkeys(("numbers", "categories", "dates", "others"), ())
    for column in roles.columns:
        if column.role == "dropped":
            needs_more = column.content.flags or column.content.decimal  # than its name in a list
            group = _group(column) if _group(column) in groups and not needs_more else "others"
            found[group] += (column,)
    return found


def _written(roles: Roles) -> dict[str, str]:
    """Return the decimal mark of each column in use whose numbers come with a unit or marks of their own."""
    used = [c for c in roles.columns if c.role == "feature"]
    if roles.target.task == "regression":
        used += [c for c in roles.columns if c.role == "target"]
    return {c.name: c.content.decimal for c in used if c.content.decimal}


def _reader(data: DataFile) -> Reader:
    """Return how the project's own code reads a file such as the raw data."""
    match data.suffix.removesuffix(".gz"):
        case ".parquet":
            return Reader("read_parquet", {})
        case ".jsonl":
            return Reader("read_json", {"lines": True, "dtype": False, "convert_dates": False})
        case ".tsv":
            return Reader("read_csv", {"sep": "\t", **(data.options or {})})
        case _:
            return Reader("read_csv", data.options or {})
