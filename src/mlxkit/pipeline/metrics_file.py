"""The metrics that the last evaluation left in the workspace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def read_metrics(path: Path) -> dict[str, Any]:
    """Read a metrics file; no file or no mapping means no metrics."""
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return metrics if isinstance(metrics, dict) else {}
