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
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Environment, Project
    from mlxkit.registry.promotion import Promotion


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
    case = Case(project, environment, store, run, version.model_id, before)
    if not approve:
        approval.settle(store, version, request, rejected_by=approval.approver(by), reason=reason)
        note = f"version {version.version} was rejected; '{environment.name}' stays as it is"
        return case.outcome(None, note=note)
    if before is not None and before.model_id == version.model_id:
        # Whoever agreed was killed before the request was ended, or the alias was moved by hand.
        approval.settle(store, version, request)
        note = f"version {before.version} is the champion of '{environment.name}' already"
        return case.outcome(before, note=note)
    approval.check_approver(environment, request, by)
    check_predecessor(project, environment, store, run, version.model_id)
    if (before and before.version) != request.before:
        raise Refused(
            f"the champion of '{environment.name}' changed since version {version.version} was judged",
            context=[f"it was {request.before or 'none'}, and is {before.version if before else 'none'} now"],
            hint=f"run `mlx promote --to {environment.name} --run {run.id}` again",
        )
    said = "; ".join(filter(None, [request.reason, reason]))
    wanted = Move(
        environment,
        "promoted",
        version,
        before,
        run,
        request.by,
        reason=said,
        gates=request.gates,
        approved_by=(approval.approver(by),),
    )
    moved = move(project, store, wanted)
    approval.settle(store, version, request)
    return replace(case.outcome(version), record=moved.record, hints=tuple(moved.notes))
