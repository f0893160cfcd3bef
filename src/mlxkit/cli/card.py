"""`mlx card`: a model card, as Markdown and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlxkit.cli.options import Env, Model, Session, command


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def card(
        session: Session,
        model: Model = None,
        html: Annotated[
            Path | None, typer.Option("--html", metavar="FILE", help="Write it as one HTML page too.")
        ] = None,
        output: Annotated[
            Path | None, typer.Option("--output", "-o", metavar="FILE.md", help="Write it to a file instead.")
        ] = None,
        env: Env = None,
    ) -> None:
        """Write the model card: what it is for, how good, on which data.

        What only people know stands below `card:` in mlx.yaml. Example: mlx card @production --html card.html
        """
        from mlxkit.project.files import write_report
        from mlxkit.project.load import load
        from mlxkit.registry.card import card_of
        from mlxkit.registry.card_page import report_of
        from mlxkit.registry.references import find_model
        from mlxkit.registry.workspace import environment_of
        from mlxkit.report.markdown import render_markdown
        from mlxkit.report.page import render_page

        project = load(session.root)
        named = find_model(project, model, environment=environment_of(project, env))
        found = card_of(project, named)
        report = report_of(found)
        markdown = render_markdown(report)
        if output is not None:
            write_report(output, markdown)
        if html is not None:
            write_report(html, render_page(report))
        document = {
            **found.to_json(),
            "markdown": markdown,
            "output": None if output is None else str(output),
            "html": None if html is None else str(html),
        }
        if output is None and html is not None:
            session.output.note(f"wrote {html}")
        session.output.answer(
            document,
            lambda: (
                [f"wrote {path}" for path in (output, html) if path is not None]
                if output is not None
                else markdown.splitlines()
            ),
        )
