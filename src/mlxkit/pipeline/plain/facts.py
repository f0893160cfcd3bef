"""What the last run tells about model and evaluation, and no source does: kind, columns, labels, metrics."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.mlflow_model import model_columns, read_mlmodel
from mlxkit.errors import Refused
from mlxkit.evaluation.labels import LabelIndex, in_order
from mlxkit.pipeline.formats import load_table
from mlxkit.pipeline.model_stages import training_rows_path
from mlxkit.project.files import read_mapping
from mlxkit.project.metrics import metrics_of

if TYPE_CHECKING:
    from pathlib import Path

    from mlxkit.project.models import Project, Stage

_WRITERS = ("sklearn", "xgboost", "lightgbm", "pytorch")


@dataclass(frozen=True)
class ModelFacts:
    """A trained model.

    Attributes:
        writer: module of MLflow that stores it; `pyfunc` for a model of MLflow's own base class.
        reader: module of MLflow that loads it as it is scored.
        format: of a scikit-learn model: `skops` or `cloudpickle`.
        requirements: names of the libraries that it needs.
        remembers_columns: whether it takes other columns than all of the training rows but the target.
    """

    writer: str
    reader: str
    format: str | None
    requirements: tuple[str, ...]
    remembers_columns: bool

    @property
    def is_estimator(self) -> bool:
        """Whether the model itself predicts for a table of rows."""
        return self.reader != "pyfunc"

    @property
    def answers_with_numbers(self) -> bool:
        """Whether it is a booster or a network, which in a classification do not answer with labels."""
        return not self.is_estimator and self.writer != "pyfunc"


@dataclass(frozen=True)
class EvaluationFacts:
    """What the model was scored on.

    Attributes:
        positive: the label counted as positive, as the rows have it; None with other than two classes.
        metrics: names of the usual metrics that it has; those of the baseline beside them.
    """

    positive: Any
    metrics: tuple[str, ...]
    baseline: tuple[str, ...]


def model_facts(project: Project) -> ModelFacts:
    """Read what kind of model the last training made.

    Raises:
        Refused: it is not here.
    """
    directory = project.root / (project.model_path or "")
    tables = _training_rows(project)
    _need(project, directory / "MLmodel", *tables)
    flavors = read_mlmodel(directory)["flavors"]
    writer = next((name for name in _WRITERS if name in flavors), "pyfunc")
    booster = str(flavors.get(writer, {}).get("model_class", "")).endswith(".Booster")
    known = [name for path in tables for name in _load(project, path).columns if name != project.target]
    return ModelFacts(
        writer=writer,
        reader="pyfunc" if booster or writer in ("pytorch", "pyfunc") else writer,
        format=flavors["sklearn"].get("serialization_format") if writer == "sklearn" else None,
        requirements=_required(directory / "requirements.txt"),
        remembers_columns=list(model_columns(directory)) != known,
    )


def evaluation_facts(project: Project, stage: Stage) -> EvaluationFacts:
    """Read what the last evaluation found.

    Raises:
        Refused: it is not here.
    """
    rows_path, metrics_path = project.root / stage.inputs["test"], project.root / (stage.metrics_path or "")
    _need(project, rows_path, metrics_path)
    found = read_mapping(metrics_path)
    names = [metric.name for metric in metrics_of(project.task)]
    baseline = found.get("baseline")
    return EvaluationFacts(
        positive=_positive(project, rows_path) if project.task == "classification" else None,
        metrics=tuple(name for name in names if name in found),
        baseline=tuple(name for name in names if isinstance(baseline, dict) and name in baseline),
    )


def labelled_training_rows(project: Project) -> str | None:
    """Return the path of the training rows whose labels the baseline knows; None where they have none."""
    for path in _training_rows(project):
        if path.exists() and project.target in _load(project, path).columns:
            return path.relative_to(project.root).as_posix()
    return None


def _load(project: Project, path: Path) -> Any:
    return load_table(path, read=project.read_options(path.relative_to(project.root).as_posix()))


def _need(project: Project, *paths: Path) -> None:
    for path in paths:
        if not path.exists():
            shown = path.relative_to(project.root).as_posix()
            raise Refused(
                f"the scripts depend on what the last run made, and '{shown}' is not here",
                hint="run `mlx run` first",
            )


def _required(path: Path) -> tuple[str, ...]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return tuple(re.split(r"[=<>~!\[; ]", line, maxsplit=1)[0] for line in lines if line.strip())


def _positive(project: Project, *tables: Path) -> Any:
    known: set[Any] = set()
    for path in (*tables, *_training_rows(project)):
        known.update(_load(project, path)[project.target].dropna().unique().tolist())
    labels = in_order(known)
    if len(labels) > 2:
        return None
    index = LabelIndex(labels)
    found = index.find(project.positive) if project.positive is not None else None
    return labels[-1] if found is None else index.values[found]


def _training_rows(project: Project) -> list[Path]:
    path = training_rows_path(project.train_stage.inputs) if project.train_stage else None
    return [project.root / path] if path is not None else []
