"""The comparison with the champion, in a process of its own: both models are the user's code."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.errors import MlxError
from mlxkit.evaluation.facts import ChampionFacts
from mlxkit.evaluation.facts_json import read_evaluation, write_fact
from mlxkit.pipeline.evaluation_report import CHAMPION_FILE, champion_document, draw
from mlxkit.project.files import write_atomically
from mlxkit.project.load import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.evaluation.facts import ChampionMetric
    from mlxkit.project.models import Project


def compare_with_champion(request: Mapping[str, Any]) -> dict[str, Any]:
    """Score the champion on the test rows, and draw the report with it; returns what it did.

    `request` holds the project's `root`, the `environment`, the champion's `version` and `run_id`, the
    `directory` of its files or the `problem` why it is not here, and `run_id` of the model itself as `ours`.
    """
    project = load(Path(request["root"]))
    stage = project.evaluate_stage
    assert stage is not None
    assert stage.evaluation_path is not None
    facts = project.root / stage.evaluation_path
    content = facts.read_bytes()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    champion = _champion(project, request, digest)
    with suppress(OSError):
        write_atomically(project.state_dir / CHAMPION_FILE, write_fact(champion).encode())
        draw(read_evaluation(content.decode()), facts, name=project.name, digest=digest, champion=champion)
    return champion_document(champion)


def _champion(project: Project, request: Mapping[str, Any], digest: str) -> ChampionFacts:
    environment, version = request["environment"], request["version"]
    same = request["run_id"] is not None and request["run_id"] == request["ours"]
    if same:
        return ChampionFacts(digest, environment, version, same=True)
    if request.get("problem"):
        return ChampionFacts(digest, environment, version, problem=request["problem"])
    os.chdir(project.root)
    try:
        metrics, seen = _compared(project, Path(request["directory"]))
    except MlxError as error:
        return ChampionFacts(digest, environment, version, problem=error.message)
    except Exception as error:  # the champion is the user's code, of another day
        return ChampionFacts(digest, environment, version, problem=f"{type(error).__name__}: {error}")
    return ChampionFacts(digest, environment, version, metrics=metrics, seen=seen)


def _compared(project: Project, directory: Path) -> tuple[tuple[ChampionMetric, ...], float | None]:
    from mlxkit.adapters.mlflow_model import load_model, model_columns
    from mlxkit.evaluation.against import against
    from mlxkit.evaluation.clusters import clusters_of
    from mlxkit.evaluation.predictions import predict
    from mlxkit.evaluation.training_rows import TRAINING_ROWS_FILE, TrainingRows, overlap
    from mlxkit.pipeline.formats import load_table

    rows = load_table(project.root / str(project.evaluation_rows_path))
    ours_at = project.root / str(project.model_path)
    ours, theirs = (
        predict(load_model(at), rows, project.task, target=project.target, columns=model_columns(at) or None)
        for at in (ours_at, directory)
    )
    metrics = against(
        project.task,
        rows[project.target],
        ours,
        theirs,
        positive=project.positive,
        clusters=clusters_of(rows, project.key),
    )
    seen = None
    fingerprint = directory / TRAINING_ROWS_FILE
    if fingerprint.is_file():
        known = overlap(TrainingRows.from_json(fingerprint.read_bytes()), rows)
        seen = None if known is None else known.share
    return metrics, seen
