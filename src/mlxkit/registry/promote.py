"""Promotion: judge a run's model by the gates, register it, let the environment's alias name it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry, mlflow_runs
from mlxkit.adapters.mlflow_tracking import EVALUATED_ON
from mlxkit.pipeline.execute import prints_aside
from mlxkit.registry import approval
from mlxkit.registry.candidate import find_candidate, model_of
from mlxkit.registry.case import Case
from mlxkit.registry.contest import Contender, Rows
from mlxkit.registry.gates.judge import judge
from mlxkit.registry.gates.trial import Champion, Trial
from mlxkit.registry.move import Move, move
from mlxkit.registry.provenance import check_provenance
from mlxkit.registry.recorded import lock_of
from mlxkit.registry.records import gates_text
from mlxkit.registry.stores import carry, check_predecessor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.pipeline.lockfile import Locked
    from mlxkit.project.models import Environment, Project
    from mlxkit.registry.gates.verdict import GateVerdict
    from mlxkit.registry.promotion import Evaluation, Promotion
    from mlxkit.registry.provenance import Provenance


def promote(
    project: Project,
    *,
    environment: Environment,
    store: Store,
    provenance: Provenance,
    evaluation: Evaluation,
    run_id: str | None = None,
    dry_run: bool = False,
    reason: str = "",
    approves: bool = False,
) -> Promotion:
    """Judge the model of a run (default: the workspace's), and give it to an environment if all gates pass.

    A gate that says no is a result. Nothing is registered unless all pass. Where the environment has
    approvers, the promotion waits for one of them; `approves` says that a GitHub environment let it pass.

    Raises:
        UsageError: the store does not know the run.
        Refused: there is nothing to promote, or this model may not come here, whatever its quality.
        DataError: the model does not predict the evaluation rows.
    """
    found = find_candidate(project, environment, store, run_id)
    model_id = model_of(found.store, found.run)
    before = mlflow_registry.champion(store, project.name, environment.name)
    case = Case(project, environment, store, found.store, found.run, model_id, before)
    check_provenance(project, environment, provenance)
    if before is not None and before.model_id == model_id and not dry_run:
        note = f"version {before.version} is the champion of '{environment.name}' already"
        return case.outcome(before, note=note)
    check_predecessor(project, environment, store, found.run, model_id)
    gates = _judged(case, evaluation)
    if dry_run or not all(gate.passed for gate in gates):
        return case.outcome(None, gates)
    case = _carried(case)
    wanted = _wanted(case, gates, provenance, reason)
    if not environment.approvers:
        return _crowned(case, wanted, gates)
    if approves and approval.on_github():
        return _crowned(case, replace(wanted, approved_by=(approval.approver(provenance.by),)), gates)
    request = approval.ask(store, wanted)
    return replace(case.outcome(None, gates), version=wanted.version.version, pending=request)


def _carried(case: Case) -> Case:
    """Bring the model to the environment's store, if it lies in that of the environment before."""
    if case.source.uri == case.store.uri:
        return case
    run = carry(case.project, case.run, case.source, case.store)
    return replace(case, run=run, model_id=model_of(case.store, run), source=case.store)


def _judged(case: Case, evaluation: Evaluation) -> tuple[GateVerdict, ...]:
    project, before = case.project, case.before
    rows = None
    if evaluation.rows is not None:
        rows = Rows(evaluation.rows(), evaluation.own_metrics, evaluation.data())
    directory = mlflow_registry.download_model(case.source, case.model_id)
    evaluated_on = case.run.tags.get(EVALUATED_ON, "")
    challenger = Contender.of(project, directory, case.run.metrics, rows, evaluated_on=evaluated_on)
    champion = None if before is None else _champion(case.store, before)

    def lock() -> Mapping[str, Locked] | None:
        return lock_of(case.source, case.run.id)

    trial = Trial(project, case.environment, challenger, rows, champion, lock)
    with prints_aside():
        return judge(project.gates_of(case.environment), trial)


def _champion(store: Store, version: Version) -> Champion:
    def recorded() -> tuple[Mapping[str, float], str]:
        run = mlflow_runs.get_run(store, version.run_id) if version.run_id else None
        return (run.metrics, run.tags.get(EVALUATED_ON, "")) if run else ({}, "")

    def fetch() -> Path:
        return mlflow_registry.download(store, version)

    return Champion(f"version {version.version}", fetch, recorded)


def _wanted(case: Case, gates: tuple[GateVerdict, ...], provenance: Provenance, reason: str) -> Move:
    """Register the model, and return the move that is wanted."""
    verdicts = tuple(asdict(gate) for gate in gates)
    tags = {
        # What is quickly seen of a version in MLflow's own pages; the records say it for good.
        "mlx.promoted_by": provenance.by,
        "mlx.commit": case.run.commit or "",
        "mlx.environment": case.environment.name,
        "mlx.gates": gates_text(verdicts),
        "mlx.champion_beaten": case.before.version if case.before else "",
    }
    version = mlflow_registry.register(
        case.store, case.project.name, run_id=case.run.id, model_id=case.model_id, tags=tags
    )
    return Move(
        case.environment,
        "promoted",
        version,
        case.before,
        case.run,
        provenance.by,
        reason=reason,
        gates=verdicts,
    )


def _crowned(case: Case, wanted: Move, gates: tuple[GateVerdict, ...]) -> Promotion:
    moved = move(case.project, case.store, wanted)
    return replace(case.outcome(wanted.version, gates), record=moved.record, hints=tuple(moved.notes))
