"""`mlx init`: a new project, from the user's own file or from starter data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mlxkit.cli.options import Session, command

if TYPE_CHECKING:
    from mlxkit.pipeline.create import Created
    from mlxkit.project.models import Task
    from mlxkit.scaffold.request import Request


_LONGEST_NAME = 40
TASKS = ("classification", "regression")
_HOOKS = "install git hooks: checks before a commit, DVC's checkout and push with git's?"


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def init(
        session: Session,
        name: Annotated[
            str | None,
            typer.Argument(help="Folder and name of the new project; with --adopt, the repository's folder."),
        ] = None,
        data: Annotated[
            Path | None,
            typer.Option(
                readable=False,
                help="CSV, Excel, Parquet or JSON file, or folder of images; else starter data.",
            ),
        ] = None,
        target: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column to predict.")] = None,
        task: Annotated[str | None, typer.Option(help="classification or regression; else inferred.")] = None,
        time: Annotated[
            str | None, typer.Option(metavar="COLUMN", help="Column with the time of the event.")
        ] = None,
        key: Annotated[
            str | None, typer.Option(metavar="COLUMN", help="Column that identifies a row.")
        ] = None,
        positive: Annotated[
            str | None, typer.Option(metavar="LABEL", help="Label counted as positive.")
        ] = None,
        drop: Annotated[
            list[str] | None, typer.Option(metavar="COLUMN,...", help="Columns to leave out.")
        ] = None,
        keep: Annotated[
            list[str] | None, typer.Option(metavar="COLUMN,...", help="Columns to learn from in any case.")
        ] = None,
        read: Annotated[
            list[str] | None,
            typer.Option(
                metavar="KEY=VALUE", help="How the file is read: a key of `read:` in mlx.yaml, or `sheet`."
            ),
        ] = None,
        types: Annotated[
            list[str] | None,
            typer.Option("--type", metavar="COLUMN=TYPE", help="What a column holds: number, text or date."),
        ] = None,
        template: Annotated[
            str, typer.Option(help="Kind of project: tabular, or torch for images.")
        ] = "tabular",
        ci: Annotated[
            str | None,
            typer.Option(help="Workflows: github, gitlab or none. Default: github; with --adopt, none."),
        ] = None,
        adopt: Annotated[
            bool, typer.Option("--adopt", help="Make a project of an existing repository; nothing is lost.")
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="With --adopt: list the files, write nothing.")
        ] = False,
        git_hooks: Annotated[
            bool | None,
            typer.Option(
                "--git-hooks/--no-git-hooks",
                help="Let git call the checks, and DVC's checkout and push; else asked on a terminal.",
            ),
        ] = None,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; every answer is yes.")] = False,
    ) -> None:
        """Make a project that runs as it stands, in git and DVC.

        It has data, code, tests and a pipeline. With --adopt an existing repository becomes a project: stages
        of its dvc.yaml become stages of mlx.yaml, and every file that is there stays.
        Example: mlx init churn --data customers.csv --target Churn
        """
        from mlxkit.cli.adoption import answer_adoption
        from mlxkit.errors import UsageError
        from mlxkit.pipeline.create import create
        from mlxkit.project.suggestions import closest, did_you_mean
        from mlxkit.scaffold.given import parse_pairs
        from mlxkit.scaffold.request import Request

        if name is None and not adopt:
            raise UsageError("missing argument 'name'", hint="run `mlx init --help`")
        if git_hooks is None:
            git_hooks = not adopt and (yes or (session.output.can_ask and session.output.ask(_HOOKS)))
        request = Request(
            Path(name or "."),
            data,
            target,
            cast("Task | None", task),
            time,
            key,
            positive,
            _columns(drop),
            _columns(keep),
            template,
            ci or ("none" if adopt else "github"),
            read=parse_pairs("--read", read or ()),
            type=parse_pairs("--type", types or ()),
            git_hooks=git_hooks,
            adopt=adopt,
        )
        if task not in (None, *TASKS):
            close = closest(task, TASKS)
            hint = request.hint(task=close) if close else "use classification or regression"
            raise UsageError(f"there is no task '{task}'{did_you_mean(task, TASKS)}", hint=hint)
        if adopt and git_hooks:
            raise UsageError(
                "'--git-hooks' goes with a new project", hint="run `pre-commit install` afterwards"
            )
        if adopt:
            answer_adoption(session, request, dry_run=dry_run)
            return
        if dry_run:
            raise UsageError("'--dry-run' goes with '--adopt'", hint="leave it away")
        created = create(request)
        session.output.answer(_document(created, request), lambda: _lines(session, created))


def _columns(texts: list[str] | None) -> tuple[str, ...]:
    return tuple(part.strip() for text in texts or () for part in text.split(",") if part.strip())


def _document(created: Created, asked: Request) -> dict[str, Any]:
    made = created.scaffolded
    return {
        "path": str(made.root),
        "project": made.answers.project,
        "package": made.answers.package,
        "task": made.answers.task,
        "target": made.answers.target,
        "file": made.summary,
        "read": dict(made.answers.read),
        "given": {"read": dict(asked.read), "type": dict(asked.type)},
        "raw_data": made.raw_path.as_posix(),
        "new_rows": made.new_rows_path.as_posix(),
        "committed": created.commit,
        "git_hooks": created.git_hooks,
        "columns": [
            {"name": c.name, "role": c.role, "type": c.kind, "missing": round(c.missing, 6), "why": c.why}
            for c in made.columns
        ],
        "warnings": [*made.warnings, *created.notes],
    }


def _lines(session: Session, created: Created) -> list[str]:
    out, made = session.output, created.scaffolded
    rows = [
        [_short(c.name), c.role, c.kind, f"{c.missing:.1%}" if c.missing else "", c.why] for c in made.columns
    ]
    lines = [*out.table(["column", "role", "type", "missing", "why"], rows, right=(3,)), ""] if rows else []
    lines += [
        f"read as: {made.summary}",
        *(f"{out.style('note:', 'yellow')} {text}" for text in (*made.warnings, *created.notes)),
    ]
    if made.warnings or created.notes:
        lines.append("")
    folder = os.path.relpath(made.root)
    return [
        *lines,
        f"created {out.style(folder, 'bold')}: {made.answers.task} of '{made.answers.target}'",
        "",
        "next:",
        f"  cd {folder}",
        "  mlx run",
        "  mlx promote",
        f"  mlx drift --data {made.new_rows_path.as_posix()}",
        "  mlx ui",
    ]


def _short(name: str) -> str:
    """Return a column's name on one line; the whole of it stands in the project's data dictionary."""
    line = " ".join(name.split())
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"
