"""What somebody decides about a promotion that waits for approval."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry, mlflow_runs
from mlxkit.errors import Refused, UsageError
from mlxkit.registry import approval
from mlxkit.registry.case import Case
from mlxkit.registry.move import Move, move
from mlxkit.registry.stores import check_predecessor

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Environment, Project
    from mlxkit.registry.move import Moved
    from mlxkit.registry.promotion import Promotion
    from mlxkit.registry.records import PromotionRecord


def decide(
    project: Project,
    environment: Environment,
    store: Store,
    *,
    by: str,
    approve: bool,
    run_id: str | None = None,
    reason: str = "",
) -> Promotion | None:
    """Approve or reject what waits for an environment; None where nothing does.

    Raises:
        Refused: this person may not approve it, or the environment changed since it was asked for.
        UsageError: more than one waits.
    """
    found = approval.find_request(project, store, environment, run_id)
    if found is None:
        return None
    version, request = found
    run = mlflow_runs.get_run(store, request.run_id) if request.run_id else None
    if run is None or version.model_id is None:
        raise UsageError(f"the store does not know the run of version {version.version} any more")
    before = mlflow_registry.champion(store, project.name, environment.name)
    case = Case(project, environment, store, store, run, version.model_id, before)
    if not approve:
        approval.settle(store, version, request, rejected_by=approval.approver(by), reason=reason)
        note = f"version {version.version} was rejected; '{environment.name}' stays as it is"
        return case.outcome(None, note=note)
    if before is not None and before.version == version.version:
        # An approval that was killed once the alias had moved, or somebody gave it the version by hand.
        approval.settle(store, version, request)
        return case.outcome(
            before, note=f"version {before.version} is the champion of '{environment.name}' already"
        )
    approval.check_approver(environment, request, by)
    moved = _moved(case, version, request, by=by, reason=reason)
    approval.settle(store, version, request)
    return replace(case.outcome(version), record=moved.record, hints=tuple(moved.notes))


def _moved(case: Case, version: Version, request: PromotionRecord, *, by: str, reason: str) -> Moved:
    """Give the environment what was asked for, now that somebody agrees.

    Raises:
        Refused: the environment, or the one before it, changed since it was asked for.
    """
    project, environment, store = case.project, case.environment, case.store
    check_predecessor(project, environment, store, case.run, case.model_id)
    now = case.before.version if case.before else None
    if now != request.before:
        raise Refused(
            f"the champion of '{environment.name}' changed since version {version.version} was judged",
            context=[f"it was {request.before or 'none'}, and is {now or 'none'} now"],
            hint=f"run `mlx promote --to {environment.name} --run {case.run.id}` again",
        )
    wanted = Move(
        environment,
        "promoted",
        version,
        case.before,
        case.run,
        request.by,
        reason="; ".join(filter(None, [request.reason, reason])),
        gates=request.gates,
        approved_by=(approval.approver(by),),
    )
    return move(project, store, wanted)
