"""What `mlx init --adopt` answers."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

from mlxkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.cli.options import Session
    from mlxkit.pipeline.adopt import Adoption
    from mlxkit.scaffold.request import Request

_ONLY_NEW: Mapping[str, tuple[Any, ...]] = {
    **dict.fromkeys(("data", "time", "key", "positive", "drop", "keep", "read", "type"), (None, (), {})),
    "template": ("tabular",),
}
"""Options of new projects, and what a request has that does not name them."""
_MOST_NAMED = 5


def answer_adoption(session: Session, request: Request, *, dry_run: bool) -> None:
    """Adopt a repository, or say what that would do.

    Raises:
        UsageError: an option goes with a new project only.
    """
    from mlxkit.cli.progress import Progress
    from mlxkit.pipeline.adopt import adopt, plan

    for option, default in _ONLY_NEW.items():
        if getattr(request, option) not in default:
            raise UsageError(
                f"'--{option}' goes with a new project, and '--adopt' with one that has its code",
                hint="leave it away, and write it into mlx.yaml where that has such a key",
            )
    if dry_run:
        found = plan(request)
    else:
        with Progress(session.output, verbose=False) as progress:
            found = adopt(request, progress)
    session.output.answer(_document(found, dry_run=dry_run), lambda: _lines(session, found, dry_run=dry_run))


def _document(found: Adoption, *, dry_run: bool) -> dict[str, Any]:
    return {
        "path": str(found.root),
        "project": found.answers.project,
        "package": found.answers.package,
        "task": found.answers.task,
        "target": found.answers.target,
        "adopted": not dry_run,
        "dry_run": dry_run,
        "added": [*found.added, *([".dvc"] if found.makes_dvc else [])],
        "changed": list(found.changed),
        "kept": list(found.kept),
        "stages": list(found.stages),
        "fresh": list(found.fresh),
        "scripts": list(found.found),
        "notes": list(found.notes),
    }


def _lines(session: Session, found: Adoption, *, dry_run: bool) -> list[str]:
    out = session.output
    if not found.changes and not found.makes_dvc:
        return [f"nothing to add: '{found.answers.project}' has all of it"]
    rows = [
        [verb, path]
        for verb, paths in (
            ("add", [*([".dvc/"] if found.makes_dvc else []), *found.added]),
            ("change", found.changed),
            ("keep", found.kept),
        )
        for path in paths
    ]
    lines = [*out.table(["", "file"], rows), "", *_of_the_pipeline(found)]
    lines += [f"{out.style('note:', 'yellow')} {text}" for text in found.notes]
    if dry_run:
        return [*lines, "nothing was written"]
    name, folder = out.style(found.answers.project, "bold"), os.path.relpath(found.root)
    lines += [f"adopted {name}: package '{found.answers.package}'", "", "next:"]
    lines += [f"  cd {shlex.quote(folder)}"] if folder != "." else []
    steps = ["git status", "mlx status", "mlx run"]
    first = ["write the first stage into mlx.yaml", "mlx check"]
    return [*lines, *(f"  {step}" for step in (steps if found.stages else first))]


def _of_the_pipeline(found: Adoption) -> list[str]:
    if found.stages:
        fresh = f"{len(found.fresh)} of them fresh" if found.fresh else "none of them fresh"
        return [f"stages of dvc.yaml: {', '.join(found.stages)}; {fresh}"]
    if found.found:
        shown = ", ".join(found.found[:_MOST_NAMED])
        more = f" and {len(found.found) - _MOST_NAMED} more" if len(found.found) > _MOST_NAMED else ""
        return [f"mlx.yaml proposes stages for {shown}{more}, behind comment signs"]
    return []
