"""`mlx exec`: run one stage as dvc.yaml says; what `dvc repro` calls."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, cast

import typer

from mlxkit.cli.options import Session, command

if TYPE_CHECKING:
    from mlxkit.project.models import Kind

Many = list[str] | None


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app, "exec")
    def exec_(
        session: Session,
        stage: Annotated[str, typer.Argument(help="Name of the stage.")],
        kind: Annotated[str, typer.Option(help="stage, train or evaluate.")] = "stage",
        call: Annotated[str | None, typer.Option(metavar="MODULE:FUNCTION", help="Function to call.")] = None,
        cmd: Annotated[
            Many, typer.Option(metavar="COMMAND", help="Shell command to run; repeatable.")
        ] = None,
        package: Annotated[
            str | None, typer.Option(help="Package whose code travels with the model.")
        ] = None,
        bind: Annotated[Many, typer.Option(metavar="NAME=PATH", help="An input.")] = None,
        out: Annotated[Many, typer.Option(metavar="NAME=PATH", help="An output.")] = None,
        read: Annotated[Many, typer.Option(metavar="NAME=JSON", help="How pandas reads an input.")] = None,
        params: Annotated[Many, typer.Option(metavar="GROUP", help="A group of params.yaml.")] = None,
        with_: Annotated[
            Many, typer.Option("--with", metavar="NAME=VALUE", help="A value of mlx.yaml.")
        ] = None,
        set_env: Annotated[Many, typer.Option(metavar="NAME=VALUE", help="An environment variable.")] = None,
    ) -> None:
        """Run one stage by itself, as dvc.yaml says. `mlx run` and `dvc repro` do this for you.

        Example: mlx exec prepare --call churn.data:clean --bind raw=data/raw/c.csv --out c=c.parquet
        """
        from mlxkit.errors import UsageError
        from mlxkit.pipeline.command import Command, parse_context, parse_env, parse_pairs, parse_read
        from mlxkit.pipeline.execute import execute, prints_aside

        if kind not in ("stage", "train", "evaluate"):
            raise UsageError(f"there is no kind '{kind}'", hint="use stage, train or evaluate")
        if (call is None) == (not cmd) and kind != "evaluate":
            raise UsageError("a stage needs one of --call and --cmd", hint="run `mlx check --fix`")
        os.chdir(session.root)
        asked = Command(
            stage=stage,
            kind=cast("Kind", kind),
            call=call,
            cmd="\n".join(cmd) if cmd else None,
            bind=parse_pairs("--bind", bind or []),
            out=parse_pairs("--out", out or []),
            params=tuple(params or ()),
            context=parse_context(with_ or []),
            package=package,
            env=parse_env(set_env or []),
            read=parse_read(read or []),
        )
        with prints_aside():
            execute(asked, session.root)
        session.output.answer({"stage": stage}, list)
