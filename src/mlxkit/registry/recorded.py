"""What the run of a model keeps of its own day: mlx.yaml, dvc.lock, and what its evaluation found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from mlxkit.adapters import mlflow_run_files, mlflow_runs
from mlxkit.pipeline.lockfile import LOCK_FILE, parse_lock
from mlxkit.pipeline.record_job import MODEL_HASH
from mlxkit.project.models import CONFIG_FILE, EVALUATION_FILE
from mlxkit.project.yaml12 import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.evaluation.facts import Evaluation
    from mlxkit.pipeline.lockfile import Locked
    from mlxkit.project.models import Project
    from mlxkit.registry.named_model import NamedModel

_SAME_MODEL = 20


def recorded_config(named: NamedModel) -> Mapping[str, Any]:
    """Return the mlx.yaml that a model was trained with, as plain values; {} where its run has none."""
    try:
        found = load(_text(named, CONFIG_FILE) or "")
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def recorded_lock(named: NamedModel) -> dict[str, Locked] | None:
    """Return the dvc.lock that a model's run ended with; None where the run has none that can be read."""
    return _locked(_text(named, LOCK_FILE))


def lock_of(store: Store, run_id: str) -> dict[str, Locked] | None:
    """Return the dvc.lock that a run ended with; None where it has none that can be read."""
    return _locked(mlflow_run_files.text_of(store, run_id, LOCK_FILE))


def _locked(text: str | None) -> dict[str, Locked] | None:
    if text is None:
        return None
    try:
        return parse_lock(text)
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return None


def recorded_evaluation(project: Project, named: NamedModel) -> Evaluation | None:
    """Return what the evaluation of a model found, without scoring it again; None where no run kept it.

    A training that made the same model once more is not evaluated again: another run of it will do.
    """
    if named.run is None:
        return None
    runs = [named.run.id]
    digest = named.run.tags.get(MODEL_HASH)
    if digest:
        same = mlflow_runs.find_runs(named.store, project.name, limit=_SAME_MODEL, tags={MODEL_HASH: digest})
        runs += [run.id for run in same if run.id != named.run.id]
    return next((found for run_id in runs if (found := _evaluation(project, named, run_id))), None)


def _evaluation(project: Project, named: NamedModel, run_id: str) -> Evaluation | None:
    from mlxkit.evaluation.facts_json import read_evaluation

    stage = project.evaluate_stage
    path = stage.evaluation_path if stage is not None and stage.evaluation_path else EVALUATION_FILE
    text = mlflow_run_files.text_of(named.store, run_id, path.rpartition("/")[2])
    if text is None:
        return None
    try:
        return read_evaluation(text)
    except ValueError:
        return None


def _text(named: NamedModel, name: str) -> str | None:
    if named.run is None:
        return None
    return mlflow_run_files.text_of(named.store, named.run.id, name)
