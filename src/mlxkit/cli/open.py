"""`mlx open`: the report of the last evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.cli.options import Session, command

if TYPE_CHECKING:
    import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app, "open")
    def open_(session: Session) -> None:
        """Show the report of the last evaluation in the browser.

        Where there is no screen, and in a pipe, its path is printed. Example: mlx open
        """
        from mlxkit.adapters.browser import open_page
        from mlxkit.pipeline.evaluation_report import show
        from mlxkit.project.load import load

        shown = show(load(session.root))
        opened = session.output.is_seen and open_page(shown.page)
        session.output.answer(
            {
                "report": str(shown.page),
                "markdown": str(shown.text),
                "facts": str(shown.facts),
                "drawn": shown.drawn,
                "opened": opened,
            },
            lambda: [f"opened {shown.page}" if opened else str(shown.page)],
        )
