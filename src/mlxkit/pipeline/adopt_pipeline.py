"""The pipeline of an adopted repository: mlx.yaml from its dvc.yaml, or with proposals from its scripts."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.errors import ConfigError, Refused, UsageError
from mlxkit.pipeline import dvc_yaml
from mlxkit.pipeline.adopt_lock import carry_over
from mlxkit.pipeline.adopt_places import files_of
from mlxkit.pipeline.adopt_stages import convert
from mlxkit.pipeline.lockfile import LOCK_FILE
from mlxkit.pipeline.staged import Change, content_of
from mlxkit.project.load import load
from mlxkit.project.models import CONFIG_FILE, Project
from mlxkit.project.params import read_params
from mlxkit.scaffold.adopted import AdoptAnswers, find_scripts, render_mlx_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

BEFORE = ".before-mlx"
"""Ending of the copy that a file leaves which mlx has to write itself."""
_PLACE = re.compile(rf"^{re.escape(CONFIG_FILE)}:\d+:\d+ ")


@dataclass(frozen=True)
class AdoptedPipeline:
    """What follows from the repository's own dvc.yaml, or from its scripts; fields as those of `Adoption`."""

    changes: tuple[Change, ...]
    stages: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def adopted_pipeline(root: Path, answers: AdoptAnswers) -> AdoptedPipeline:
    """Work out mlx.yaml, and what becomes of dvc.yaml and dvc.lock where they are there.

    Raises:
        UsageError: dvc.yaml is mlx's own.
        Refused: it says what mlx.yaml cannot say.
        ConfigError: params.yaml is not valid.
        ToolError: DVC cannot read it.
    """
    path = root / dvc_yaml.DVC_FILE
    if not path.is_file():
        found = tuple(find_scripts(root, files_of(root)))
        text = render_mlx_yaml(answers, (), {}, found)
        return AdoptedPipeline((Change(CONFIG_FILE, None, text.encode()),), found=found)
    if dvc_yaml.is_ours(path):
        raise UsageError(
            f"mlx wrote this {path.name}, and the {CONFIG_FILE} that it came from is gone",
            context=[str(path)],
            hint=f"run `mv {path.name}{BEFORE} {path.name}`"
            if (root / f"{path.name}{BEFORE}").is_file()
            else f"run `git checkout HEAD -- {CONFIG_FILE}`",
        )
    from mlxkit.adapters.dvc_pipeline import read_pipeline

    read = read_pipeline(root)
    params = read_params(root)
    converted = convert(root, read, params)
    sections = {name: value for name, value in read.sections.items() if name != "datasets"}
    text = render_mlx_yaml(answers, [one.stage for one in converted], sections, ())
    project = _checked(root, text)
    definitions = dvc_yaml.define(project)
    carried = carry_over(root, read, converted, definitions, params)
    return AdoptedPipeline(
        tuple(_rewritten(root, project, {} if carried.lock == read.lock else carried.lock, text)),
        stages=tuple(one.stage.name for one in converted),
        fresh=carried.fresh,
        notes=(*(note for one in converted for note in one.notes), *carried.notes),
    )


def _checked(root: Path, text: str) -> Project:
    """Return the project that an mlx.yaml would make; Refused where it would be none."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, CONFIG_FILE)
        config.write_text(text, encoding="utf-8")
        try:
            return load(root, config=config)
        except ConfigError as error:
            raise Refused(
                f"{dvc_yaml.DVC_FILE} says what {CONFIG_FILE} does not take, and nothing was written",
                context=[_PLACE.sub("", line) for line in error.context],
                hint=f"change it in {dvc_yaml.DVC_FILE}, run `dvc repro`, then run the same command again",
            ) from error


def _rewritten(root: Path, project: Project, lock: Mapping[str, object], text: str) -> list[Change]:
    """Return dvc.yaml, dvc.lock and mlx.yaml; of what is replaced, a copy comes first."""
    from mlxkit.adapters.dvc_pipeline import lock_text

    wanted = {dvc_yaml.DVC_FILE: dvc_yaml.text_of(project).encode()}
    if lock:
        wanted[LOCK_FILE] = lock_text(lock).encode()
    changes = []
    for path, new in wanted.items():
        old = content_of(root / path)
        if old is not None and old != new:
            copy = _free_place(root, f"{path}{BEFORE}", old)
            changes += [] if (root / copy).exists() else [Change(copy, None, old)]
        if old != new:
            changes.append(Change(path, old, new))
    return [*changes, Change(CONFIG_FILE, None, text.encode())]


def _free_place(root: Path, path: str, content: bytes) -> str:
    """Return a path where nothing else is yet: this one, or with a number behind it."""
    names = (path, *(f"{path}-{number}" for number in range(2, 1000)))
    return next(name for name in names if content_of(root / name) in (content, None))
