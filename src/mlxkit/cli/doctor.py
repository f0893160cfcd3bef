"""`mlx doctor`: what the machine and the project lack, each with its remedy."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxkit.cli.options import Session, command
from mlxkit.errors import Exit

if TYPE_CHECKING:
    from mlxkit.output import Style
    from mlxkit.pipeline.diagnosis import Finding

_COLOURS: dict[str, Style] = {"ok": "green", "mended": "green", "warning": "yellow", "problem": "red"}


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def doctor(
        session: Session,
        fix: Annotated[bool, typer.Option("--fix", help="Mend what mlx can mend by itself.")] = False,
        on: Annotated[
            str | None, typer.Option(metavar="TARGET", help="Look at this machine of mlx.yaml instead.")
        ] = None,
    ) -> int:
        """Look for what machine or project lacks, and how to mend it.

        Works outside a project too. Exits with 3 when there is a problem. Example: mlx doctor --fix
        """
        from mlxkit.pipeline.diagnosis import diagnose

        findings = diagnose(Path.cwd(), fix=fix) if on is None else _of_target(session, on)
        healthy = all(finding.state != "problem" for finding in findings)
        document = {"healthy": healthy, "checks": [asdict(finding) for finding in findings]}
        session.output.answer(document, lambda: _lines(session, findings, healthy))
        return Exit.OK if healthy else Exit.REFUSED


def _of_target(session: Session, name: str) -> list[Finding]:
    from mlxkit.pipeline.away import check_target
    from mlxkit.pipeline.remote_diagnosis import diagnose_target
    from mlxkit.project.load import load

    project = load(session.root)
    check_target(project, name)
    return diagnose_target(project, name)


def _lines(session: Session, findings: list[Finding], healthy: bool) -> list[str]:
    out = session.output
    rows = [[f.name, out.style(f.state, _COLOURS[f.state]), f.text] for f in findings]
    lines = out.table(["check", "state", "found"], rows)
    remedies = [f"  {f.name}: {f.remedy}" for f in findings if f.remedy]
    verdict = "no problems" if healthy else "there are problems"
    return [*lines, "", verdict, *(["", "remedies:", *remedies] if remedies else [])]
