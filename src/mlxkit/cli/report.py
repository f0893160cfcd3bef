"""`mlx report`: the model in the workspace, for who is to merge it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxkit.cli.options import Env, Session, command
from mlxkit.errors import UsageError

if TYPE_CHECKING:
    from mlxkit.registry.report import ModelReport, Told


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def report(
        session: Session,
        markdown: Annotated[
            bool, typer.Option("--markdown", help="Print Markdown, as it is without --json.")
        ] = False,
        output: Annotated[
            Path | None, typer.Option("--output", "-o", metavar="FILE.md", help="Write it to a file.")
        ] = None,
        comment: Annotated[
            bool,
            typer.Option("--comment", help="Write it on this job's pull request, as one comment."),
        ] = False,
        pull_request: Annotated[
            str | None,
            typer.Option(
                metavar="BRANCH", help="Open a pull request from the branch, or bring its text up to date."
            ),
        ] = None,
        base: Annotated[
            str, typer.Option(metavar="BRANCH", help="Where that pull request is to be merged.")
        ] = "main",
        gates: Annotated[bool, typer.Option("--gates/--no-gates", help="Ask the gates too.")] = True,
        env: Env = None,
    ) -> None:
        """Show the model here beside the champion, and what gates say.

        In a job of GitHub Actions or GitLab CI it can be written on the pull request. A job for somebody
        else's fork has no right to that: there it stands in the job's summary and log alone.

        Example: mlx report --markdown --env production
        """
        from mlxkit.project.load import load
        from mlxkit.registry.report import post_comment, post_request
        from mlxkit.registry.report import report as report_on
        from mlxkit.registry.report_markdown import markdown_of

        del markdown
        if comment and pull_request is not None:
            raise UsageError("--comment and --pull-request exclude each other")
        found = report_on(load(session.root), environment=env, gates=gates)
        text = markdown_of(found)
        told = post_comment(found, text) if comment else None
        if pull_request is not None:
            told = post_request(found, text, branch=pull_request, base=base)
        _answer(session, found, text, output, told)
        if comment and told is not None and told.posted is None:
            session.output.warn("a fork's job may not comment on the pull request: here is the report")


def _answer(session: Session, found: ModelReport, text: str, output: Path | None, told: Told | None) -> None:
    """Print the report, or where it was written; where that failed, the report is not lost."""
    from mlxkit.project.files import write_report

    if output is not None:
        write_report(output, text)
    posted, problem = (told.posted, told.problem) if told is not None else (None, None)
    document = found.to_json() | {
        "report": str(output) if output is not None else None,
        "url": posted.url if posted is not None else None,
        "action": posted.action if posted is not None else None,
    }
    if posted is not None:
        lines = [f"{posted.action} {posted.url}"]
    else:
        lines = text.splitlines() if output is None else [f"report: {output}"]
    outputs = {"run_id": found.model.run_id or "", "url": posted.url if posted is not None else ""}
    session.output.answer(document, lambda: lines, error=problem, outputs=outputs, markdown=lambda: text)
    if problem is not None:
        raise problem
