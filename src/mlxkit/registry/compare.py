"""`mlx compare`: two models on the same rows, and what they were made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.adapters import git_commits, mlflow_run_files
from mlxkit.errors import MlxError
from mlxkit.registry.comparison import Change, CodeChange, ModelComparison, Side
from mlxkit.registry.gates.metric import TOLERATED_SHARE
from mlxkit.registry.score_both import measure_both
from mlxkit.registry.workspace import evaluation_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pandas import DataFrame

    from mlxkit.project.models import Project
    from mlxkit.registry.named_model import NamedModel


def compare(project: Project, first: NamedModel, second: NamedModel) -> ModelComparison:
    """Put two models side by side: metrics on the workspace's evaluation rows, parameters, data, code.

    What cannot be compared is said in `notes` or in a side's `problem`.
    """
    same = first.is_same(second)
    rows, no_rows = (None, None) if same else _rows(project)
    both = measure_both(project, first, second, rows, no_rows)
    params, params_alike = _changes(*(named.run.params if named.run else {} for named in (first, second)))
    inputs, inputs_alike = _changes(_inputs(first), _inputs(second))
    return ModelComparison(
        first=both.first,
        second=both.second,
        same=same,
        rows=project.evaluation_rows_path,
        paired=both.paired,
        own=both.own,
        params=params,
        params_alike=params_alike,
        inputs=inputs,
        inputs_alike=inputs_alike,
        code=_code(project, first, second),
        measured=both.measured,
        notes=() if same else (*_notes(both.first, both.second, no_rows), *both.notes),
    )


def _rows(project: Project) -> tuple[DataFrame | None, str | None]:
    """Return the evaluation rows, else why there are none."""
    try:
        return evaluation_rows(project), None
    except MlxError as error:
        return None, f"{error.message}; {error.hint}" if error.hint else error.message


def _changes(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[tuple[Change, ...], int]:
    """Return the values that differ, and how many do not."""
    names = sorted({*first, *second})
    changes = [Change(name, first.get(name), second.get(name)) for name in names]
    differ = tuple(change for change in changes if change.first != change.second)
    return differ, len(changes) - len(differ)


def _inputs(named: NamedModel) -> dict[str, str]:
    """Return the hash of each input of a model's run, by path."""
    if named.run is None:
        return {}
    found = mlflow_run_files.data_inputs(named.store, named.run.id)
    return {dataset.path: dataset.digest for dataset in found}


def _code(project: Project, first: NamedModel, second: NamedModel) -> CodeChange:
    commits = [named.run.commit or None if named.run is not None else None for named in (first, second)]
    one, other = commits
    if one is None or other is None:
        return CodeChange(one, other, None, None)
    return CodeChange(
        one,
        other,
        git_commits.changes_between(project.root, one, other),
        f"git diff {one[:12]} {other[:12]}",
    )


def _notes(one: Side, other: Side, no_rows: str | None) -> Iterator[str]:
    if no_rows is not None:
        yield f"nothing was measured: {no_rows}"
    for side in (one, other):
        if side.problem is not None and no_rows is None:
            yield f"{side.short} was not scored on the evaluation rows: {side.problem}"
    if None not in (one.target, other.target) and (one.task, one.target) != (other.task, other.target):
        yield (
            f"they predict different things: {one.short} '{one.target}' ({one.task}), "
            f"{other.short} '{other.target}' ({other.task})"
        )
    for side in (one, other):
        known = side.known
        if known is not None and (known.share or 0) > TOLERATED_SHARE:
            share = f"{known.share:.0%} of the evaluation rows"
            yield f"{side.short} was trained on {share}, so its figures are too good to be fair"
    yield from _columns(one, other)
    for side in (one, other):
        if side.named.run is not None and side.named.run.dirty:
            yield f"{side.short} was trained with uncommitted changes, which its run keeps"
        elif side.named.run is None and side.named.run_id:
            yield f"the run of {side.short} is deleted: its parameters, data and commit are not known"
        elif side.named.run is None:
            yield f"{side.short} has no run: its parameters, data and commit are not known"


def _columns(one: Side, other: Side) -> Iterator[str]:
    for side, another in ((one, other), (other, one)):
        more = [column for column in side.columns if column not in another.columns]
        if more and another.columns:
            shown = ", ".join(f"'{column}'" for column in more[:5])
            rest = f" and {len(more) - 5} more" if len(more) > 5 else ""
            yield f"{side.short} takes {shown}{rest}, and {another.short} does not"
