"""`mlx eject`: leave mlx, with plain scripts and a plain dvc.yaml in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxkit.cli.options import Session, command
from mlxkit.errors import Refused

if TYPE_CHECKING:
    from mlxkit.pipeline.eject import Ejection


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def eject(
        session: Session,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files, write nothing.")] = False,
        force: Annotated[
            bool, typer.Option("--force", help="Also with uncommitted changes, or without git.")
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    ) -> None:
        """Leave mlx, for plain scripts and a plain dvc.yaml.

        mlx.yaml goes. The project then runs with DVC and MLflow alone. git is the way back.
        Example: mlx eject --dry-run
        """
        from mlxkit.cli.progress import Progress
        from mlxkit.pipeline.eject import carry_out, plan
        from mlxkit.project.load import load

        ejection = plan(load(session.root), force=force)
        if not dry_run:
            if not yes:
                _ask(session, ejection)
            with Progress(session.output, verbose=False) as progress:
                carry_out(ejection, progress)
        document = _document(ejection, dry_run=dry_run)
        session.output.answer(document, lambda: _lines(session, ejection, dry_run))


def _ask(session: Session, ejection: Ejection) -> None:
    """Ask on a terminal whether to go on.

    Raises:
        Refused: the answer is no, or there is nobody to ask.
    """
    if not session.output.can_ask:
        raise Refused(
            "nobody can be asked whether to leave mlx, and nothing was changed",
            hint="look with `mlx eject --dry-run`, then run `mlx eject --yes`",
        )
    for line in _files(session, ejection):
        session.output.note(line)
    if not session.output.ask("Leave mlx?"):
        raise Refused("nothing was changed", hint="look with `mlx eject --dry-run`")


def _document(ejection: Ejection, *, dry_run: bool) -> dict[str, Any]:
    return {
        "ejected": not dry_run,
        "dry_run": dry_run,
        "written": list(ejection.written),
        "changed": list(ejection.changed),
        "removed": list(ejection.removed),
        "left": [{"file": line.file, "line": line.number, "text": line.text} for line in ejection.left],
        "lost": list(ejection.lost),
        "next": list(ejection.following),
    }


def _files(session: Session, ejection: Ejection) -> list[str]:
    rows = [
        [verb, path]
        for verb, paths in (
            ("write", ejection.written),
            ("change", ejection.changed),
            ("remove", ejection.removed),
        )
        for path in paths
    ]
    return session.output.table(["", "file"], rows)


def _lines(session: Session, ejection: Ejection, dry_run: bool) -> list[str]:
    lines = [*_files(session, ejection), ""]
    if ejection.left:
        lines += [
            "to be changed by hand, because it was edited or is not the scaffold's:",
            *(f"  {line.file}:{line.number}: {line.text}" for line in ejection.left),
            "",
        ]
    lines += ["lost:", *(f"  {text}" for text in ejection.lost), ""]
    if dry_run:
        return [*lines, "nothing was changed"]
    return [
        *lines,
        "mlx is gone from this project; every stage will run once more, because its command is new",
        "",
        "next:",
        *(f"  {command}" for command in ejection.following),
        *(["back:", f"  {ejection.back}"] if ejection.back else []),
    ]
