"""What a run keeps beside its values: the data that it read, and its files."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.mlflow_errors import error_code
from mlxkit.adapters.mlflow_registry import local_path
from mlxkit.adapters.mlflow_store import connect, talking
from mlxkit.adapters.mlflow_tracking import DatasetInput

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_store import Store

_CONTEXT = "mlflow.data.context"


def data_inputs(store: Store, run_id: str) -> tuple[DatasetInput, ...]:
    """Return the data that a run read, as it was recorded when the run was opened."""
    with talking(store, f"read the data inputs of the run '{run_id}' from MLflow"):
        inputs = connect(store).get_run(run_id).inputs
    return tuple(map(_dataset, inputs.dataset_inputs)) if inputs is not None else ()


def text_of(store: Store, run_id: str, name: str) -> str | None:
    """Return the text of a file that a run keeps; None when it has none of that name."""
    with talking(store, f"read '{name}' of the run '{run_id}' from MLflow"):
        from mlflow.exceptions import MlflowException

        client = connect(store)
        folder = local_path(str(client.get_run(run_id).info.artifact_uri))
        if folder is not None:
            return _read(folder / name)
        # A client may neither list nor fetch what is not there; the listing costs one question.
        if name not in {entry.path for entry in client.list_artifacts(run_id)}:
            return None
        with tempfile.TemporaryDirectory(prefix="mlx-run-") as scratch:
            try:
                return _read(Path(client.download_artifacts(run_id, name, scratch)))
            except MlflowException as error:
                if error_code(error) != "RESOURCE_DOES_NOT_EXIST":
                    raise
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _dataset(entry: Any) -> DatasetInput:
    dataset = entry.dataset
    context = next((tag.value for tag in entry.tags if tag.key == _CONTEXT), "training")
    size = _json(dataset.profile).get("bytes")
    return DatasetInput(
        name=dataset.name,
        path=str(_json(dataset.source).get("uri") or dataset.name),
        digest=dataset.digest,
        size=size if isinstance(size, int) else None,
        context=context,
    )


def _json(text: str | None) -> dict[str, Any]:
    """Read an object; what somebody else logged in another form counts as empty."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
