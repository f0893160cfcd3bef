"""`mlx eject`: a project as it would be without mlx, planned as a whole before the first file is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.adapters import git
from mlxkit.errors import Refused
from mlxkit.pipeline import dvc_yaml
from mlxkit.pipeline.create import SCHEMA_FILE
from mlxkit.pipeline.lock import run_lock
from mlxkit.pipeline.lockfile import LOCK_FILE
from mlxkit.pipeline.plain.rendering import (
    FOLDER,
    render_dvc_yaml,
    render_register,
    render_script,
    script_path,
)
from mlxkit.pipeline.plain.script import NotPlain
from mlxkit.pipeline.plain.shell import plain_command
from mlxkit.pipeline.plain.surroundings import Surroundings, import_path, surroundings
from mlxkit.project.files import write_atomically
from mlxkit.project.models import CONFIG_FILE, Schedule
from mlxkit.scaffold.leave import MENTION, Leaving, Line, edits, is_installable, needless
from mlxkit.scaffold.requirements import requirements_of
from mlxkit.scaffold.template_record import RECORD_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mlxkit.pipeline.events import Events
    from mlxkit.project.models import Project

_CALLS_MLX = re.compile(r"\bmlx [a-z]|\bmlxkit\b")
_WAY_BACK = "git is the way back from here"
_TYPED = frozenset({"numpy", "pandas"})


@dataclass(frozen=True)
class Ejection:
    """What leaving mlx means for one project.

    Attributes:
        written: new files, path -> text; likewise `changed`.
        removed: paths of files.
        left: lines that still mention mlx, and that a person has to change.
        lost: what the project can do no more, one line each.
        following: the next commands.
        back: the command that undoes it all, None where git cannot.
    """

    root: Path
    written: Mapping[str, str]
    changed: Mapping[str, str]
    removed: tuple[str, ...]
    left: tuple[Line, ...]
    lost: tuple[str, ...]
    following: tuple[str, ...]
    back: str | None


def plan(project: Project, *, force: bool = False) -> Ejection:
    """Work out every file of the plain project; nothing is written.

    `force` asks neither whether git could bring everything back, nor whether files are in the way.

    Raises:
        Refused: git could not bring the project back, a stage cannot be written without mlx or has not run,
            or a file is in the way.
        ConfigError: dvc.yaml is not mlx's.
    """
    refusal = _uncommitted(project)
    if refusal is not None and not force:
        raise refusal
    dvc_yaml.refuse_foreign(project)
    around = surroundings(project)
    written, libraries = _scripts(around)
    register = _register_path(project)
    if project.model_path is not None:
        written[register], more = render_register(around, project.model_path)
        libraries |= more
    leaving = _leaving(project, written, libraries, register)
    found = edits(project.root, leaving)
    changed = {edit.file: edit.text for edit in found if not edit.left}
    changed[dvc_yaml.DVC_FILE] = render_dvc_yaml(around, source=import_path(project))
    removed = (
        *needless(project.root),
        *(path for path in (SCHEMA_FILE, RECORD_FILE, CONFIG_FILE) if (project.root / path).is_file()),
    )
    refusal = refusal or _not_in_git(project, [*changed, *removed]) or _in_the_way(project, written)
    if refusal is not None and not force:
        raise refusal
    handled = {*changed, *removed, LOCK_FILE, *(edit.file for edit in found)}
    elsewhere = git.lines_with(project.root, MENTION)
    others = [Line(file, number, text.strip()) for file, number, text in elsewhere if file not in handled]
    left = (*(line for edit in found for line in edit.left), *others)
    install = ('pip install --editable ".[dev]"',) if is_installable(project.root) else ()
    return Ejection(
        root=project.root,
        written=written,
        changed=changed,
        removed=removed,
        left=left,
        lost=_lost(project),
        following=(*install, "dvc repro"),
        back=_back(written) if refusal is None else None,
    )


def carry_out(ejection: Ejection, events: Events) -> None:
    """Write, change and remove the files; mlx.yaml goes last, so that until then it is an mlx project.

    Raises:
        LockTimeout: a run holds the project for too long.
    """
    with run_lock(ejection.root / ".mlx" / "run.lock", events):
        for path, text in (*ejection.written.items(), *ejection.changed.items()):
            write_atomically(ejection.root / path, text.encode())
        for path in ejection.removed:
            (ejection.root / path).unlink()


def _uncommitted(project: Project) -> Refused | None:
    """Return why `git checkout -- .` would not bring back what there is now; None where it would."""
    if not git.is_installed() or git.top_level(project.root) is None:
        return Refused(
            "the project is in no git repository",
            hint=f"{_WAY_BACK}: run `git init && git add -A && git commit`, or `mlx eject --force`",
        )
    changed = git.uncommitted(project.root)
    lock = project.root / LOCK_FILE
    if lock.is_file() and git.committed_text(project.root, LOCK_FILE) is None:
        changed = [LOCK_FILE, *changed]
    if not changed:
        return None
    more = [f"and {len(changed) - 5} more"] if len(changed) > 5 else []
    return Refused(
        "there are uncommitted changes",
        context=[*changed[:5], *more],
        hint=f"{_WAY_BACK}: commit them with `git add -A && git commit`, or run `mlx eject --force`",
    )


def _not_in_git(project: Project, paths: Sequence[str]) -> Refused | None:
    """Return that a file which will change or go is not in the commit."""
    for path in paths:
        if (project.root / path).is_file() and git.committed_text(project.root, path) is None:
            return Refused(
                f"git does not have '{path}'",
                hint=f"{_WAY_BACK}: run `git add -A && git commit`, or `mlx eject --force`",
            )
    return None


def _in_the_way(project: Project, written: Mapping[str, str]) -> Refused | None:
    """Return that a file of the user's own is where a script will be."""
    for path, text in written.items():
        there = project.root / path
        if there.exists() and (not there.is_file() or there.read_bytes() != text.encode()):
            return Refused(
                f"'{path}' exists, and a script would be written there",
                hint="move it away, or overwrite it with `mlx eject --force`",
            )
    return None


def _back(written: Mapping[str, str]) -> str:
    return " ".join(["git checkout -- .", *(["&& rm", *written] if written else [])])


def _scripts(around: Surroundings) -> tuple[dict[str, str], set[str]]:
    """Return the texts of all scripts, and the libraries that they import."""
    written: dict[str, str] = {}
    libraries: set[str] = set()
    problems = []
    for stage in around.project.stages.values():
        try:
            if stage.cmd is not None:
                if _CALLS_MLX.search(stage.cmd):
                    raise NotPlain("its command calls mlx")
                continue
            path = script_path(stage.name)
            if path in written:
                raise NotPlain(f"another stage has its script in '{path}'; rename one of them")
            written[path], used = render_script(around, stage)
            libraries |= used
        except NotPlain as reason:
            problems.append((stage, f"{stage.name}: {f'{stage.call}: ' if stage.call else ''}{reason}"))
    if problems:
        names = " and ".join(f"'{stage.name}'" for stage, _ in problems)
        raise Refused(
            f"{'stages' if len(problems) > 1 else 'stage'} {names} cannot be written without mlx",
            context=[text for _, text in problems],
            hint="change what is named here, then run `mlx eject` again",
        )
    return written, libraries


def _register_path(project: Project) -> str:
    taken = "register" in (stage.replace("-", "_") for stage in project.stages)
    return f"{FOLDER}/register_model.py" if taken else f"{FOLDER}/register.py"


def _leaving(project: Project, written: Mapping[str, str], libraries: set[str], register: str) -> Leaving:
    paths = [
        path
        for stage in project.stages.values()
        for path in (*stage.inputs.values(), *stage.outputs.values())
    ]
    implied = {"dvc", *({"pyarrow"} if any(path.endswith(".parquet") for path in paths) else set())}
    shell = any("dotenv run" in plain_command(stage) for stage in project.stages.values() if stage.cmd)
    wanted = list(requirements_of({*libraries, *implied}))
    alias = next(iter(project.environments))
    train, evaluate = project.train_stage, project.evaluate_stage
    return Leaving(
        stages=(train.name if train else "train", evaluate.name if evaluate else "evaluate"),
        register=f"python {register} {alias}",
        requirements=(*wanted, *(["python-dotenv[cli]"] if shell else [])),
        untyped=tuple(sorted(f"{name}.*" for name in libraries - _TYPED)),
        folder=FOLDER,
        loads_model=train is not None,
    )


def _reports(project: Project) -> bool:
    return any(stage.evaluation_path is not None for stage in project.stages.values())


def _lost(project: Project) -> tuple[str, ...]:
    """Say what nothing in the plain project does any more."""
    limits = {
        name: [stage.name for stage in project.stages.values() if getattr(stage, name)]
        for name in ("timeout", "retries", "on")
    }
    model = project.model_path is not None
    return tuple(
        text
        for text, applies in (
            (
                "gates: a model is registered whatever its metrics",
                model and any((project.gates, *(e.gates for e in project.environments.values()))),
            ),
            ("drift: nothing compares new rows with the training rows", model),
            ("the schedule: what was exported calls mlx", project.schedule != Schedule()),
            ("the report: metrics have no intervals, and nothing draws a page", _reports(project)),
            ("reasons: `dvc status` says what changed, not why a stage is stale", True),
            ("the record beside a run: hashes of its data, what was not committed", model),
            *((f"{name}: of {', '.join(stages)}", bool(stages)) for name, stages in limits.items()),
        )
        if applies
    )
