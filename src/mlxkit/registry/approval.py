"""A promotion that waits until somebody else agrees to it.

This is a record of who agreed, and no access control: who may write to the registry can move an alias. The
reviewers of a GitHub environment, or of a protected branch, are that.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry, mlflow_runs
from mlxkit.errors import Refused, UsageError
from mlxkit.registry.records import PromotionRecord, record_of, tag_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Environment, Project
    from mlxkit.registry.move import Move

PENDING_TAG, REJECTED_TAG = "mlx.pending.", "mlx.rejected."
ANYONE = "anyone"


def ask(store: Store, wanted: Move) -> PromotionRecord:
    """Write down what somebody wants, so that another person can agree to it; returns that."""
    run = wanted.run
    request = PromotionRecord(
        id=uuid.uuid4().hex,
        number=0,
        environment=wanted.environment.name,
        action=wanted.action,
        model=wanted.version.model,
        version=wanted.version.version,
        before=wanted.before.version if wanted.before else None,
        by=wanted.by,
        at=datetime.now(UTC),
        run_id=None if run is None else run.id,
        commit=None if run is None else run.commit,
        dirty=False if run is None else run.dirty,
        gates=wanted.gates,
        reason=wanted.reason,
    )
    mlflow_registry.set_version_tags(
        store, wanted.version, {_pending(request.environment): tag_text(request)}
    )
    return request


def requests_in(versions: Iterable[Version], environment: str) -> list[tuple[Version, PromotionRecord]]:
    """Return what waits for an environment, the oldest first."""
    found = []
    for version in versions:
        request = record_of(version.tags.get(_pending(environment), ""))
        if request is not None:
            found.append((version, request))
    return sorted(found, key=lambda pair: pair[1].at)


def rejected_in(versions: Iterable[Version], environment: str) -> list[PromotionRecord]:
    """Return what was rejected; `approved_by` names who did."""
    texts = (
        text
        for version in versions
        for key, text in version.tags.items()
        if key.startswith(f"{REJECTED_TAG}{environment}.")
    )
    return [record for text in texts if (record := record_of(text)) is not None]


def find_request(
    project: Project, store: Store, environment: Environment, run_id: str | None
) -> tuple[Version, PromotionRecord] | None:
    """Return what waits for an environment: the model of a run, else the only one; None where nothing does.

    Raises:
        UsageError: more than one waits, and none is named.
    """
    found = requests_in(mlflow_registry.versions(store, project.name), environment.name)
    if run_id is not None:
        run = mlflow_runs.find_run(store, project.name, run_id)
        found = [pair for pair in found if pair[0].run_id == run.id]
    if len(found) > 1:
        context = [f"version {version.version}, run {request.run_id}" for version, request in found]
        hint = f"name one: `mlx promote --to {environment.name} --approve --run {found[-1][1].run_id}`"
        raise UsageError("more than one promotion waits for approval", context=context, hint=hint)
    return found[0] if found else None


def check_approver(environment: Environment, request: PromotionRecord, by: str) -> None:
    """Refuse who may not agree to a promotion. On GitHub the environment's reviewers have agreed already.

    Raises:
        Refused: it is who asks for it, or somebody that mlx.yaml does not name.
    """
    if on_github():
        return
    names = " or ".join(environment.approvers)
    if by == request.by:
        raise Refused(
            f"'{by}' asked for this promotion, and somebody else must agree to it",
            context=[f"who may: {names}"],
            hint=f"let them run `mlx promote --to {environment.name} --approve`",
        )
    if by not in environment.approvers and ANYONE not in environment.approvers:
        raise Refused(
            f"'{by}' may not approve promotions to '{environment.name}'",
            context=[f"who may: {names}"],
            hint=f"correct `environments: {environment.name}: approvers` in mlx.yaml",
        )


def on_github() -> bool:
    """Whether this is a job on GitHub."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def approver(by: str) -> str:
    """Return who agrees, as it is recorded; on GitHub with the job in which the environment let it pass."""
    if not on_github():
        return by
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (os.environ.get(name, "") for name in names)
    return f"{by} on GitHub ({server}/{repository}/actions/runs/{run})"


def settle(
    store: Store,
    version: Version,
    request: PromotionRecord,
    *,
    rejected_by: str | None = None,
    reason: str = "",
) -> None:
    """Take a request away that was agreed to, or note who rejected it."""
    if rejected_by is not None:
        said = replace(request, approved_by=(rejected_by,), reason=reason, at=datetime.now(UTC))
        key = f"{REJECTED_TAG}{request.environment}.{request.id[:8]}"
        mlflow_registry.set_version_tags(store, version, {key: tag_text(said)})
    mlflow_registry.delete_version_tag(store, version, _pending(request.environment))


def _pending(environment: str) -> str:
    return f"{PENDING_TAG}{environment}"
