"""`NAME.run.json` beside a model: the MLflow run that trained it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.project.files import read_mapping

if TYPE_CHECKING:
    from mlxkit.project.models import Project


def name_run(model: str, run_id: str | None) -> None:
    """Write down the run of a new model; without one, its record differs from that of any other training."""
    import uuid

    record = {"run_id": run_id or f"unrecorded-{uuid.uuid4().hex}"}
    Path(f"{model}.run.json").write_text(json.dumps(record) + "\n", encoding="utf-8")


def trained_run(project: Project) -> str | None:
    """Return the run that trained the model in the workspace, None where none is named."""
    named = read_mapping(project.root / (project.run_record_path or "")).get("run_id")
    return None if named is None else str(named)
