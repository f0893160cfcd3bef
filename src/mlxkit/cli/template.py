"""`mlx template`: the template that a project came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxkit.cli.options import Session, command
from mlxkit.errors import Refused

if TYPE_CHECKING:
    from mlxkit.output import Style
    from mlxkit.pipeline.template_update import TemplateUpdate

_COLOURS: dict[str, Style] = {
    "added": "green",
    "updated": "green",
    "merged": "green",
    "removed": "yellow",
    "kept": "yellow",
    "conflict": "red",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    template = typer.Typer(
        help="Look after the template that the project came from. Example: mlx template update --check",
        no_args_is_help=True,
    )
    app.add_typer(template, name="template")

    @command(template)
    def update(
        session: Session,
        check: Annotated[
            bool, typer.Option("--check", help="Change nothing; exit with 3 when the project is behind.")
        ] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files, write nothing.")] = False,
        force: Annotated[
            bool, typer.Option("--force", help="Also with uncommitted changes, or without git.")
        ] = False,
    ) -> None:
        """Bring the project to the template of this mlx.

        What you changed is kept: each file is merged with what the template had when the project was made,
        which .mlx-template.json holds. Exits with 3 where both changed the same lines.
        Example: mlx template update --dry-run
        """
        from mlxkit.cli.progress import Progress
        from mlxkit.pipeline import template_update

        if check or dry_run:
            found = template_update.plan(session.root)
        else:
            with Progress(session.output, verbose=False) as progress:
                found = template_update.update(session.root, progress, force=force)
        written = not (check or dry_run)
        error = _behind(found) if check else _in_conflict(found) if written else None
        document = _document(found, written=written)
        session.output.answer(document, lambda: _lines(session, found, written=written), error=error)
        if error is not None:
            raise error


def _behind(found: TemplateUpdate) -> Refused | None:
    if not found.changes:
        return None
    return Refused("the project is behind its template", hint="run `mlx template update`")


def _in_conflict(found: TemplateUpdate) -> Refused | None:
    if not found.conflicts:
        return None
    return Refused(
        "you and the template changed the same lines",
        context=found.conflicts,
        hint="edit what stands between `<<<<<<<` and `>>>>>>>`, then commit",
    )


def _document(found: TemplateUpdate, *, written: bool) -> dict[str, Any]:
    return {
        "template": found.template,
        "made_with": found.made_with,
        "mlx": found.mlx,
        "current": not found.changes,
        "updated": written and bool(found.changes),
        "conflicts": list(found.conflicts),
        "files": [{"path": file.path, "state": file.state, "why": file.why} for file in found.files],
    }


def _lines(session: Session, found: TemplateUpdate, *, written: bool) -> list[str]:
    out = session.output
    if not found.changes:
        return [f"the project has the template '{found.template}' of mlx {found.mlx}"]
    shown = [file for file in found.files if file.state != "current"]
    rows = [[out.style(file.state, _COLOURS[file.state]), file.path, file.why] for file in shown]
    lines = [*out.table(["", "file", "why"], rows), ""]
    versions = f"template '{found.template}' of mlx {found.mlx}"
    if not written:
        return [*lines, f"{versions}: nothing was changed"]
    if found.conflicts:
        return [*lines, f"{versions}: brought up to date but for the conflicts"]
    steps = ("git diff", "mlx check --fix", "mlx run")
    return [*lines, f"{versions}: brought up to date", "", "next:", *(f"  {step}" for step in steps)]
