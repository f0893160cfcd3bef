"""`mlx init --adopt`: an existing repository becomes a project, and keeps every file that it has."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit import __version__
from mlxkit.adapters import dvc, git
from mlxkit.errors import ConfigError, Refused, UsageError
from mlxkit.pipeline import dvc_yaml, staged
from mlxkit.pipeline.adopt_lock import carry_over
from mlxkit.pipeline.adopt_places import (
    check_places,
    check_writable,
    files_of,
    folder_of,
    ignoring,
    is_below,
    notes_on_git,
)
from mlxkit.pipeline.adopt_stages import convert
from mlxkit.pipeline.create import SCHEMA_FILE, schema_text
from mlxkit.pipeline.lock import run_lock
from mlxkit.pipeline.lockfile import LOCK_FILE, dvc_root
from mlxkit.pipeline.staged import Change, content_of
from mlxkit.project.load import load
from mlxkit.project.models import CONFIG_FILE, Project
from mlxkit.project.params import read_params
from mlxkit.scaffold.adopted import (
    TEMPLATE,
    AdoptAnswers,
    adopted_name,
    adopted_package,
    find_adopted_ci,
    find_scripts,
    render_adopted,
    render_mlx_yaml,
)
from mlxkit.scaffold.answers_json import from_plain, to_plain
from mlxkit.scaffold.render import NO_CI
from mlxkit.scaffold.template_record import RECORD_FILE, TemplateRecord, read_record, record_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.pipeline.events import Events
    from mlxkit.scaffold.request import Request

BEFORE = ".before-mlx"
"""Ending of the copy that a file leaves which mlx has to write itself."""
_PLACE = re.compile(rf"^{re.escape(CONFIG_FILE)}:\d+:\d+ ")


@dataclass(frozen=True)
class Adoption:
    """What becomes of a repository.

    Attributes:
        changes: files that are new or have another content, in the order in which they are written.
        kept: files of the scaffold that the repository has already.
        makes_dvc: whether it becomes a DVC repository.
        stages: those of dvc.yaml, by their names in mlx.yaml; `fresh` are those whose results still count.
        found: scripts and notebooks that may become stages.
        notes: what the user should know, one line each.
    """

    root: Path
    answers: AdoptAnswers
    changes: tuple[Change, ...]
    kept: tuple[str, ...]
    makes_dvc: bool
    stages: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def added(self) -> tuple[str, ...]:
        """Files that are new."""
        return tuple(change.path for change in self.changes if change.before is None)

    @property
    def changed(self) -> tuple[str, ...]:
        """Files that were there and have another content."""
        return tuple(change.path for change in self.changes if change.before is not None)


@dataclass(frozen=True)
class _Pipeline:
    """What follows from the repository's own dvc.yaml, or from its scripts."""

    changes: tuple[Change, ...]
    stages: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def adopt(request: Request, events: Events) -> Adoption:
    """Make a project of an existing folder; nothing is committed.

    Raises:
        UsageError: the folder cannot be used, task or target is not named, or a file is in the way.
        Refused: dvc.yaml says what mlx.yaml cannot say.
        ConfigError: params.yaml is not valid, or a path of dvc.yaml is none that mlx takes.
        ToolError: git or DVC failed, or a folder may not be written.
    """
    root = folder_of(request)
    check_writable(root, [".mlx/x"])
    found = None if staged.is_unfinished(root) else plan(request)  # before anything is written, the lock too
    with run_lock(root / ".mlx" / "run.lock", events):
        if found is None:
            staged.finish(root)
            found = plan(request)
        if found.makes_dvc:
            dvc.init(root, subdir=is_below(root), scm=git.top_level(root) is not None)
        staged.carry_out(root, found.changes)
    return found


def plan(request: Request) -> Adoption:
    """Work out every file; nothing is written. Raises what `adopt` does."""
    root = folder_of(request)
    answers, is_new = _answers(root, request)
    rendered = render_adopted(find_adopted_ci(request), answers)
    kept = tuple(path for path in rendered if (root / path).is_file())
    new = {SCHEMA_FILE: schema_text(), **rendered}
    added = {path: text for path, text in new.items() if not (root / path).is_file()}
    pipeline = _pipeline(root, request, answers) if is_new else _Pipeline(())
    record = _record(root, request, answers, {path: added[path] for path in added if path != SCHEMA_FILE})
    changes = [
        *(Change(path, None, text) for path, text in added.items()),
        *ignoring(root),
        *([record] if record is not None else []),
        *pipeline.changes,
    ]
    makes_dvc = not (dvc_root(root) / ".dvc").is_dir()
    check_places(root, [*(change.path for change in changes), *([".dvc"] if makes_dvc else [])], request)
    notes = (*pipeline.notes, *notes_on_git(root))
    return Adoption(
        root, answers, tuple(changes), kept, makes_dvc, pipeline.stages, pipeline.fresh, pipeline.found, notes
    )


def _answers(root: Path, request: Request) -> tuple[AdoptAnswers, bool]:
    """Return what the files are filled in with, and whether the folder is no project yet."""
    if (root / CONFIG_FILE).exists():
        record = read_record(root) if (root / RECORD_FILE).is_file() else None
        if record is None or record.template != TEMPLATE:
            raise UsageError(
                f"there is a {CONFIG_FILE}, so this is a project already",
                context=[str(root)],
                hint="run `mlx check`, or for the template of this mlx `mlx template update`",
            )
        return from_plain(AdoptAnswers, dict(record.answers)), False
    missing = [f"--{name}" for name in ("task", "target") if getattr(request, name) is None]
    if missing:
        words = {"task": request.task or "classification", "target": request.target or "COLUMN"}
        raise UsageError(
            f"what the model predicts stands in no file here: say it with {' and '.join(missing)}",
            hint=request.hint(**words),
        )
    project = adopted_name(root)
    assert request.task is not None
    assert request.target is not None
    return AdoptAnswers(project, adopted_package(root, project), request.task, request.target), True


def _pipeline(root: Path, request: Request, answers: AdoptAnswers) -> _Pipeline:
    path = root / dvc_yaml.DVC_FILE
    if not path.is_file():
        found = tuple(find_scripts(root, files_of(root)))
        text = render_mlx_yaml(answers, (), {}, found)
        return _Pipeline((Change(CONFIG_FILE, None, text.encode()),), found=found)
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
    return _Pipeline(
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


def _record(root: Path, request: Request, answers: AdoptAnswers, added: Mapping[str, bytes]) -> Change | None:
    """Return the answers file; what the repository had before is no file of the template's."""
    before = content_of(root / RECORD_FILE)
    old = read_record(root) if before is not None else None
    if old is not None and not added:
        return None
    files = {**(old.files if old is not None else {}), **added}
    ci = old.ci if old is not None and request.ci == NO_CI else request.ci
    record = TemplateRecord(__version__, TEMPLATE, ci, to_plain(answers), dict(sorted(files.items())))
    return Change(RECORD_FILE, before, record_text(record).encode())
