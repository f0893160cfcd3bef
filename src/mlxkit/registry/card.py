"""`mlx card`: a model card, from what people wrote in mlx.yaml and what the model's run kept.

Its parts are those of M. Mitchell and others, Model Cards for Model Reporting (FAT* 2019).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import mlflow_run_files
from mlxkit.adapters.mlflow_model import model_columns, read_mlmodel
from mlxkit.errors import MlxError, ToolError
from mlxkit.evaluation.training_rows import TRAINING_ROWS_FILE
from mlxkit.pipeline.record_job import MODEL_HASH
from mlxkit.registry.lineage import Lineage, lineage
from mlxkit.registry.recorded import recorded_config, recorded_evaluation, recorded_lock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlxkit.adapters.mlflow_tracking import DatasetInput
    from mlxkit.evaluation.facts import Evaluation
    from mlxkit.evaluation.profile import Profile
    from mlxkit.project.models import Card, Project
    from mlxkit.registry.named_model import NamedModel


@dataclass(frozen=True)
class Files:
    """What lies in the model's own folder; None is what it does not tell.

    Attributes:
        rows: how many rows it was trained on.
        size: of its files, in bytes.
    """

    columns: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    size: int | None = None
    rows: int | None = None
    profile: Profile | None = None
    problem: str | None = None


@dataclass(frozen=True)
class ModelCard:
    """Everything that a card says; None and () are what nobody knows.

    Attributes:
        said: what people wrote.
        missing: keys of `card:` that they have not written yet.
        evaluation: what the evaluation of this model found.
        evaluated_on: path and hash of the rows of that evaluation.
        inputs: what the training read.
    """

    project: str
    task: str
    target: str
    named: NamedModel
    said: Card
    missing: tuple[str, ...]
    lineage: Lineage
    evaluation: Evaluation | None
    evaluated_on: tuple[tuple[str, str], ...]
    inputs: tuple[DatasetInput, ...]
    files: Files
    max_drift_share: float

    def to_json(self) -> dict[str, Any]:
        """Return the document of `mlx card --json`, without the texts."""
        traced = self.lineage.to_json()
        found, profile = self.evaluation, self.files.profile
        return {
            "project": self.project,
            "model": self.named.title,
            "version": traced["version"],
            "aliases": traced["aliases"],
            "task": self.task,
            "target": self.target,
            "card": asdict(self.said),
            "missing": list(self.missing),
            "metrics": {m.name: asdict(m.model) for m in found.metrics} if found else {},
            "groups": [asdict(protected) for protected in found.protected] if found else [],
            "calibration_error": found.classification.calibration_error
            if found is not None and found.classification is not None
            else None,
            "evaluation_rows": found.rows if found else None,
            "evaluation_data": [{"path": path, "hash": digest} for path, digest in self.evaluated_on],
            "training_rows": self.files.rows,
            "training_data": [asdict(dataset) for dataset in self.inputs],
            "drift_reference": {"rows": profile.rows, "columns": len(profile.inputs)} if profile else None,
            "lineage": traced,
        }


def missing_fields(project: Project) -> list[str]:
    """Return the keys of `card:` in mlx.yaml that nobody has written yet."""
    return [name for name, text in asdict(project.card).items() if not text]


def card_of(project: Project, named: NamedModel) -> ModelCard:
    """Put the card of a model together; nothing is scored again."""
    config = recorded_config(named)
    found = recorded_evaluation(project, named)
    inputs = () if named.run is None else mlflow_run_files.data_inputs(named.store, named.run.id)
    return ModelCard(
        project=project.name,
        task=str(config.get("task") or project.task),
        target=str(config.get("target") or project.target),
        named=named,
        said=project.card,
        missing=tuple(missing_fields(project)),
        lineage=lineage(project, named),
        evaluation=found,
        evaluated_on=_evaluated_on(config, named) if found is not None else (),
        inputs=inputs,
        files=_files(named),
        max_drift_share=project.drift.max_share,
    )


def _evaluated_on(config: Mapping[str, Any], named: NamedModel) -> tuple[tuple[str, str], ...]:
    """Return what the stage that evaluated this very model read beside it."""
    lock = recorded_lock(named) or {}
    digest = named.run.tags.get(MODEL_HASH) if named.run is not None else None
    stages = config.get("stages")
    kinds = {
        name: stage.get("kind") if isinstance(stage, dict) else None
        for name, stage in (stages.items() if isinstance(stages, dict) else ())
    }
    for name, locked in lock.items():
        evaluates = name == "evaluate" or kinds.get(name) == "evaluate"
        if evaluates and digest and digest in locked.deps.values():
            return tuple(
                (path, found)
                for path, found in locked.deps.items()
                if found != digest and not path.endswith(".py")
            )
    return ()


def _files(named: NamedModel) -> Files:
    try:
        directory = named.directory
        described = read_mlmodel(directory)
    except ToolError as error:
        return Files(problem=error.message)
    size = described.get("model_size_bytes")
    return Files(
        columns=model_columns(directory),
        kinds=tuple(sorted(described.get("flavors", {}))),
        size=size if isinstance(size, int) else None,
        rows=_training_rows(directory),
        profile=_profile(directory),
    )


def _training_rows(directory: Path) -> int | None:
    try:
        rows = json.loads((directory / TRAINING_ROWS_FILE).read_bytes())["rows"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return rows if isinstance(rows, int) else None


def _profile(directory: Path) -> Profile | None:
    from mlxkit.evaluation.profile import read_profile

    try:
        return read_profile(directory)
    except MlxError:
        return None
