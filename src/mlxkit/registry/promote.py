"""Promotion: judge a run's model by the gates, register it, let the environment's alias name it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry, mlflow_runs
from mlxkit.errors import Refused, UsageError
from mlxkit.pipeline.execute import prints_aside
from mlxkit.pipeline.record_job import run_of_model
from mlxkit.pipeline.trained_run import trained_run
from mlxkit.project.environments import is_strict
from mlxkit.registry.contest import Contender, Rows
from mlxkit.registry.gates.judge import judge
from mlxkit.registry.gates.trial import Champion as ChampionModel
from mlxkit.registry.gates.trial import Trial
from mlxkit.registry.promotion import PROMOTION_TAG, Champion, Evaluation, Promotion, Provenance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_runs import Run
    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Environment, Project
    from mlxkit.registry.gates.verdict import GateVerdict


@dataclass(frozen=True)
class _Case:
    """One model before one environment; `before` is the environment's champion until now."""

    project: Project
    environment: Environment
    store: Store
    run: Run
    model_id: str
    before: Version | None

    def outcome(
        self, version: Version | None, gates: tuple[GateVerdict, ...] = (), note: str = ""
    ) -> Promotion:
        before = self.before
        return Promotion(
            promoted=version is not None,
            model=self.project.name,
            version=None if version is None else version.version,
            environment=self.environment.name,
            run_id=self.run.id,
            champion=None if before is None else Champion(before.version, before.run_id),
            gates=gates,
            note=note,
        )


def promote(
    project: Project,
    *,
    environment: Environment,
    store: Store,
    provenance: Provenance,
    evaluation: Evaluation,
    run_id: str | None = None,
    dry_run: bool = False,
) -> Promotion:
    """Judge the model of a run (default: the workspace's), and give it to an environment if all gates pass.

    A gate that says no is a result. Nothing is registered unless all pass.

    Raises:
        UsageError: the store does not know the run.
        Refused: there is nothing to promote, or this model may not come here, whatever its quality.
        DataError: the model does not predict the evaluation rows.
    """
    run = find_run_to_promote(project, environment, store, run_id)
    model_id = _model_of(store, run)
    before = mlflow_registry.champion(store, project.name, environment.name)
    case = _Case(project, environment, store, run, model_id, before)
    _check_provenance(case, provenance)
    if before is not None and before.model_id == model_id:
        note = f"version {before.version} is the champion of '{environment.name}' already"
        return case.outcome(before, note=note)
    _check_required(case)
    gates = _judged(case, evaluation)
    if dry_run or not all(gate.passed for gate in gates):
        return case.outcome(None, gates)
    return case.outcome(_crowned(case, gates, provenance), gates)


def find_run_to_promote(
    project: Project, environment: Environment, store: Store, run_id: str | None = None
) -> Run:
    """Return the run of that id or name, else the one that trained the workspace's model.

    Raises:
        UsageError: the store does not know the run.
        Refused: there is nothing to promote, or the run did not finish.
    """
    if run_id is not None:
        run = mlflow_runs.find_run(store, project.name, run_id)
    else:
        run = _workspace_run(project, environment, store)
    if run.status != "FINISHED":
        raise Refused(
            f"the run '{run.name}' did not finish, so its model is not promoted",
            context=[f"run: {run.id}", f"status: {run.status}"],
            hint="run `mlx run`",
        )
    return run


def _workspace_run(project: Project, environment: Environment, store: Store) -> Run:
    record = project.run_record_path
    if record is None:
        raise Refused(
            "there is nothing to promote", context=["mlx.yaml has no train stage"], hint="run `mlx check`"
        )
    run_id = trained_run(project)
    if run_id is None:
        raise Refused(
            "there is nothing to promote", context=[f"'{record}' names no run"], hint="run `mlx run`"
        )
    run = run_of_model(store, project.name, run_id)
    if run is None:
        raise UsageError(
            f"the store of '{environment.name}' does not know the run of this model",
            context=[f"run: {run_id}", f"store: {store}"],
            hint=f"run `mlx run --env {environment.name}`",
        )
    return run


def _model_of(store: Store, run: Run) -> str:
    model_id = mlflow_runs.logged_model(store, run.id)
    if model_id is None:
        raise Refused(
            f"the run '{run.name}' has no model",
            context=[f"run: {run.id}"],
            hint="run `mlx run --force train`",
        )
    return model_id


def _check_provenance(case: _Case, provenance: Provenance) -> None:
    if not is_strict(case.project, case.environment):
        return
    name = case.environment.name
    if provenance.dirty:
        raise Refused(
            f"'{name}' takes no model from uncommitted work",
            context=["the model's run was made with changes that are in no commit"],
            hint="run `git commit -a && mlx run --force`",
        )
    if provenance.commit is None:
        raise Refused(
            f"'{name}' takes only models that a commit holds",
            context=["this project has no commit"],
            hint="run `git init && git add --all && git commit -m 'Start'`, then `mlx run --force`",
        )
    if not provenance.locked:
        commit = provenance.commit[:12]
        raise Refused(
            f"'{name}' takes only models that the commit holds",
            context=[f"the dvc.lock of {commit} does not name this model"],
            hint="run `git add dvc.lock && git commit -m 'Train the model'`",
        )


def _check_required(case: _Case) -> None:
    required = case.environment.requires
    if required is None:
        return
    there = mlflow_registry.champion(case.store, case.project.name, required)
    if there is not None and there.model_id == case.model_id:
        return
    now = f"version {there.version}, which is another model" if there else "no version yet"
    raise Refused(
        f"'{case.environment.name}' takes only the model that '{required}' has now",
        context=[f"'{required}' has {now}"],
        hint=f"run `mlx promote --to {required}`",
    )


def _judged(case: _Case, evaluation: Evaluation) -> tuple[GateVerdict, ...]:
    project, before = case.project, case.before
    rows = None
    if evaluation.rows is not None:
        rows = Rows(evaluation.rows(), evaluation.own_metrics, evaluation.data())
    directory = mlflow_registry.download_model(case.store, case.model_id)
    challenger = Contender.of(project, directory, case.run.metrics, rows)
    champion = None if before is None else _champion(case.store, before)
    trial = Trial(project, case.environment, challenger, rows, champion)
    with prints_aside():
        return judge(project.gates_of(case.environment), trial)


def _champion(store: Store, version: Version) -> ChampionModel:
    def recorded() -> Mapping[str, float]:
        run = mlflow_runs.get_run(store, version.run_id) if version.run_id else None
        return run.metrics if run else {}

    def fetch() -> Path:
        return mlflow_registry.download(store, version)

    return ChampionModel(f"version {version.version}", fetch, recorded)


def _crowned(case: _Case, gates: tuple[GateVerdict, ...], provenance: Provenance) -> Version:
    """Register the model and move the alias last, so that a failure on the way leaves no half promotion."""
    name, environment = case.project.name, case.environment.name
    version = mlflow_registry.register(case.store, name, run_id=case.run.id, model_id=case.model_id)
    now = mlflow_registry.champion(case.store, name, environment)
    if (now and now.version) != (case.before and case.before.version):
        raise Refused(
            f"the champion of '{environment}' changed while this model was judged",
            hint=f"run `mlx promote --to {environment}`",
        )
    mlflow_registry.set_version_tags(case.store, version, _tags(case, gates, provenance))
    mlflow_registry.set_alias(case.store, name, environment, version.version)
    return version


def _tags(case: _Case, gates: tuple[GateVerdict, ...], provenance: Provenance) -> dict[str, str]:
    """Return the record of a promotion: tags of the latest one, and a tag that is never replaced."""
    environment = case.environment.name
    beaten = case.before.version if case.before else None
    verdicts = [asdict(gate) for gate in gates]
    record = {
        "by": provenance.by,
        "commit": case.run.commit,
        "environment": environment,
        "run_id": case.run.id,
        "champion": beaten,
        "gates": verdicts,
    }
    milliseconds = int(datetime.now(UTC).timestamp() * 1000)
    return {
        "mlx.promoted_by": provenance.by,
        "mlx.commit": case.run.commit or "",
        "mlx.environment": environment,
        "mlx.gates": json.dumps(verdicts),
        "mlx.champion_beaten": beaten or "",
        f"{PROMOTION_TAG}{environment}.{milliseconds}": json.dumps(record),
    }
