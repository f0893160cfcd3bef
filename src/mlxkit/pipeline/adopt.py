"""`mlx init --adopt`: an existing repository becomes a project, and keeps every file that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit import __version__
from mlxkit.adapters import dvc, git
from mlxkit.errors import UsageError
from mlxkit.pipeline import staged
from mlxkit.pipeline.adopt_pipeline import AdoptedPipeline, adopted_pipeline
from mlxkit.pipeline.adopt_places import (
    check_places,
    check_writable,
    folder_of,
    ignoring,
    is_below,
    notes_on_git,
)
from mlxkit.pipeline.create import SCHEMA_FILE, notes_on_workflows, schema_text
from mlxkit.pipeline.lock import run_lock
from mlxkit.pipeline.lockfile import dvc_root
from mlxkit.pipeline.staged import Change, content_of
from mlxkit.project.models import CONFIG_FILE
from mlxkit.scaffold.adopted import (
    TEMPLATE,
    AdoptAnswers,
    adopted_name,
    adopted_package,
    find_adopted_ci,
    render_adopted,
)
from mlxkit.scaffold.answers_json import from_plain, to_plain
from mlxkit.scaffold.render import NO_CI
from mlxkit.scaffold.template_record import RECORD_FILE, TemplateRecord, read_record, record_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlxkit.pipeline.events import Events
    from mlxkit.scaffold.request import Request


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
    pipeline = adopted_pipeline(root, answers) if is_new else AdoptedPipeline(())
    record = _record(root, request, answers, {path: added[path] for path in added if path != SCHEMA_FILE})
    changes = [
        *(Change(path, None, text) for path, text in added.items()),
        *ignoring(root),
        *([record] if record is not None else []),
        *pipeline.changes,
    ]
    makes_dvc = not (dvc_root(root) / ".dvc").is_dir()
    check_places(root, [*(change.path for change in changes), *([".dvc"] if makes_dvc else [])], request)
    workflows = notes_on_workflows(request.ci, git.path_within(root))
    notes = (*pipeline.notes, *notes_on_git(root), *workflows)
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


def _record(root: Path, request: Request, answers: AdoptAnswers, added: Mapping[str, bytes]) -> Change | None:
    """Return the answers file; what the repository had before is no file of the template's."""
    before = content_of(root / RECORD_FILE)
    old = read_record(root) if before is not None else None
    if old is not None and old.ci != NO_CI and request.ci not in (NO_CI, old.ci):
        raise UsageError(
            f"'{root.name}' has the workflows for '{old.ci}' already",
            hint=request.hint(ci=NO_CI),
        )
    if old is not None and not added:
        return None
    files = {**(old.files if old is not None else {}), **added}
    ci = old.ci if old is not None and request.ci == NO_CI else request.ci
    record = TemplateRecord(__version__, TEMPLATE, ci, to_plain(answers), dict(sorted(files.items())))
    return Change(RECORD_FILE, before, record_text(record).encode())
