"""`mlx promote`: judge a model by the gates, and give it to an environment."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlxkit.cli.options import Env, Session, command
from mlxkit.errors import Exit, Refused, UsageError

if TYPE_CHECKING:
    from mlxkit.project.models import Project
    from mlxkit.registry.promotion import Promotion


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def promote(
        session: Session,
        to: Annotated[str | None, typer.Option(metavar="ENV", help="Environment to promote to.")] = None,
        run: Annotated[
            str | None, typer.Option(metavar="ID", help="Run whose model; else the workspace's.")
        ] = None,
        approve: Annotated[
            bool, typer.Option("--approve", help="Agree to what somebody else asked for.")
        ] = False,
        reject: Annotated[bool, typer.Option("--reject", help="Say no to it.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge, and register nothing.")] = False,
        reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the record.")] = "",
        write_golden: Annotated[
            Path | None,
            typer.Option(
                metavar="FILE",
                help="Promote nothing: write evaluation rows with the model's answers, for a `golden` gate.",
            ),
        ] = None,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; mlx asks nothing yet.")] = False,
        env: Env = None,
    ) -> int:
        """Register the model and move the alias, if all gates pass.

        Where mlx.yaml names approvers for the environment, it then waits for one of them, who runs the same
        command with --approve or --reject. Exits with 3 when a gate refuses, and while it waits.

        All gates are judged; an environment is built for `loads: clean` only if the others passed.

        Example: mlx promote --to staging
        """
        from mlxkit.project.load import load
        from mlxkit.registry.workspace import decide_in_workspace, promote_from_workspace

        del yes
        if to is not None and env is not None and to != env:
            raise UsageError("--to and --env name two environments", hint=f"run `mlx promote --to {to}`")
        if approve + reject + dry_run > 1:
            raise UsageError("--approve, --reject and --dry-run exclude each other")
        project = load(session.root)
        if write_golden is not None:
            _golden(session, project, write_golden, to=to or env, run=run)
            return Exit.OK
        if approve or reject:
            promotion = decide_in_workspace(project, to=to or env, approve=approve, run_id=run, reason=reason)
        else:
            promotion = promote_from_workspace(
                project, to=to or env, run_id=run, dry_run=dry_run, reason=reason
            )
        return _answer(session, project, promotion, dry_run=dry_run)


def _answer(session: Session, project: Project, promotion: Promotion, *, dry_run: bool) -> int:
    document = promotion.to_json() | ({"dry_run": True} if dry_run else {})
    outputs = {"promoted": str(promotion.promoted).lower(), "version": promotion.version or ""}
    error = None
    if not promotion.passed:
        error = Refused(_refusal(promotion), hint="run `mlx runs` for other models")
    elif promotion.pending is not None:
        error = _waiting(project, promotion)
    session.output.answer(
        document,
        lambda: _lines(session, project, promotion, dry_run),
        error=error,
        outputs=outputs,
        markdown=lambda: _markdown(promotion, dry_run),
    )
    for hint in promotion.hints:
        session.output.warn(hint)
    return Exit.OK if error is None else Exit.REFUSED


def _markdown(promotion: Promotion, dry_run: bool) -> str:
    from mlxkit.cli.step_summary import of_promotion

    return of_promotion(promotion, dry_run=dry_run)


def _golden(session: Session, project: Project, file: Path, *, to: str | None, run: str | None) -> None:
    from mlxkit.registry.write_golden import write_golden

    golden = write_golden(project, file, to=to, run_id=run)
    session.output.answer(
        asdict(golden),
        lambda: [
            f"wrote {golden.file}: {golden.rows} rows with the answers of run {golden.run_id[:8]}",
            f"next: add `- {{golden: {golden.file}}}` to the gates in mlx.yaml",
        ],
    )


def _waiting(project: Project, promotion: Promotion) -> Refused:
    """Say who has to agree, and how."""
    name = promotion.environment
    approvers = " or ".join(project.environments[name].approvers)
    return Refused(
        f"version {promotion.version} waits until {approvers} agrees",
        hint=f"let them run `mlx promote --to {name} --approve`, or `--reject`",
    )


def _refusal(promotion: Promotion) -> str:
    failed = sum(not gate.passed for gate in promotion.gates)
    return f"{failed} of {len(promotion.gates)} gates refused"


def _lines(session: Session, project: Project, promotion: Promotion, dry_run: bool) -> list[str]:
    out = session.output
    rows = [
        [gate.gate, out.style("passed", "green") if gate.passed else out.style("refused", "red"), gate.reason]
        for gate in promotion.gates
    ]
    lines = [*out.table(["gate", "verdict", "reason"], rows), ""] if rows else []
    name = f"{promotion.model}@{promotion.environment}"
    if promotion.note:
        return [*lines, promotion.note]
    if not promotion.passed:
        return [*lines, f"not promoted: {_refusal(promotion)}; {name} stays as it is"]
    if dry_run:
        return [*lines, f"would be promoted to {name}"]
    if promotion.pending is not None:
        waiting = _waiting(project, promotion)
        return [*lines, f"not promoted yet: {waiting.message}; {name} stays as it is", waiting.hint]
    before = f", after version {promotion.champion.version}" if promotion.champion else ", the first one"
    return [
        *lines,
        f"{out.style(name, 'bold')} is now version {promotion.version}{before}",
        f"load it{_where(project, promotion)}: mlflow.pyfunc.load_model('models:/{name}')",
    ]


def _where(project: Project, promotion: Promotion) -> str:
    """Say which store has the model, where that is one of the environment's own."""
    environment = project.environments[promotion.environment]
    named = {"MLFLOW_TRACKING_URI": environment.tracking, "MLFLOW_REGISTRY_URI": environment.registry}
    said = [f"{name}={uri}" for name, uri in named.items() if uri]
    return f" with {' '.join(said)}" if said else ""
