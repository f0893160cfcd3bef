"""Stages of somebody's own dvc.yaml as stages of mlx.yaml: the same commands, files and parameters."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mlxkit.errors import Refused
from mlxkit.pipeline.imports import code_dependencies
from mlxkit.pipeline.lockfile import tracked_data
from mlxkit.project.flow import inside
from mlxkit.project.models import PARAMS_FILE, Stage
from mlxkit.scaffold.adopted import AdoptedStage, stage_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mlxkit.adapters.dvc_pipeline import DvcStage, Pipeline
    from mlxkit.project.params import Params

_CODE = (".py", ".R", ".r", ".jl", ".sh", ".sql", ".ipynb")
_NAMES_WITH_A_KIND = ("train", "evaluate")


@dataclass(frozen=True)
class Converted:
    """A stage of dvc.yaml, what it is in mlx.yaml, and what a person should know of the difference."""

    source: DvcStage
    stage: AdoptedStage
    notes: tuple[str, ...] = ()


def convert(root: Path, pipeline: Pipeline, params: Params) -> list[Converted]:
    """Turn every stage into one of mlx.yaml.

    Raises:
        Refused: something has no counterpart there; all of it is named at once.
    """
    _refuse(pipeline)
    if not pipeline.stages:
        raise Refused(
            "dvc.yaml has no stages, and mlx would have to write its own in its place",
            hint="move it, with the paths in it, into a folder of its own: `git mv dvc.yaml FOLDER/dvc.yaml`",
        )
    names = list(stage_names([stage.name for stage in pipeline.stages]))
    made = {path for stage in pipeline.stages for path in stage.outputs}
    return [
        _converted(root, source, name, params, made)
        for source, name in zip(pipeline.stages, names, strict=True)
    ]


def _refuse(pipeline: Pipeline) -> None:
    wrong = [f"{stage.name}: {text}" for stage in pipeline.stages for text in stage.problems]
    wrong += [f"{file}: has stages, too; move them into dvc.yaml first" for file in pipeline.elsewhere]
    if "datasets" in pipeline.sections:
        wrong.append("datasets: mlx has no word for them")
    if wrong:
        raise Refused(
            "dvc.yaml says what mlx.yaml cannot say, and nothing was written",
            context=wrong,
            hint="change what is named here in dvc.yaml, run `dvc repro`, then run the same command again",
        )


def _converted(root: Path, source: DvcStage, name: str, params: Params, made: set[str]) -> Converted:
    cmd = "\n".join(_commands(source))
    groups, files = _params(source.params, params)
    found = code_dependencies(root, Stage(name, "stage", cmd=cmd))
    read = [path for path in (*source.inputs, *files) if path not in found]
    code = tuple(path for path in read if _is_code(root, path, made))
    stage = AdoptedStage(
        name=name,
        cmd=cmd,
        inputs=tuple(dict.fromkeys(path for path in read if path not in code)),
        outputs=source.outputs,
        uncached=source.uncached,
        params=groups,
        code=tuple(dict.fromkeys(code)),
        kind="stage" if name in _NAMES_WITH_A_KIND else "",
    )
    notes = _notes(source, name)
    remarks = (*source.description.splitlines(), *(note.partition(": ")[2] for note in notes))
    return Converted(source, replace(stage, remarks=remarks), notes)


def _commands(source: DvcStage) -> list[str]:
    """Return the lines of a command, each in the folder where DVC runs it."""
    if source.folder == ".":
        return list(source.commands)
    return [f"cd {shlex.quote(source.folder)} && {_grouped(line)}" for line in source.commands]


def _grouped(line: str) -> str:
    """Keep together what a shell would take apart behind `cd FOLDER &&`."""
    return f"({line})" if any(mark in line for mark in (";", "|", "&")) else line


def _params(wanted: Mapping[str, Sequence[str]], params: Params) -> tuple[tuple[str, ...], list[str]]:
    """Return the groups of params.yaml that are tracked as a whole, and other parameter files."""
    groups: dict[str, None] = {}
    for key in wanted.get(PARAMS_FILE, ()) or (params if PARAMS_FILE in wanted else ()):
        groups[_group_of(str(key), params)] = None
    return tuple(groups), [file for file in wanted if file != PARAMS_FILE]


def _group_of(key: str, params: Params) -> str:
    return key if key in params else key.partition(".")[0].partition("[")[0]


def _is_code(root: Path, path: str, made: set[str]) -> bool:
    """Whether an input is source code, which is no data and no stage makes."""
    return (
        PurePosixPath(path).suffix in _CODE
        and (root / path).is_file()
        and not any(inside(path, output) for output in made)
        and tracked_data(root, path) is None
    )


def _notes(source: DvcStage, name: str) -> tuple[str, ...]:
    notes = []
    if name != source.name:
        notes.append(f"'{name}': its name in dvc.yaml was '{source.name}'")
    if source.filled:
        taken = ", ".join(source.filled)
        what = f"it holds values of {taken}; a change there no longer changes its command"
        notes.append(f"'{name}': {what}")
    return tuple(notes)
