"""Which stage makes a path, and which stages read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.project.models import Stage


def depends_on(stage: Stage, producers: Mapping[str, str]) -> set[str]:
    """Return the stages whose outputs a stage reads; `producers` maps output path to stage name."""
    found = {
        producer
        for path in (*stage.inputs.values(), *stage.code)
        for output, producer in producers.items()
        if inside(path, output) or inside(output, path)
    }
    return found - {stage.name}


def producers(stages: Mapping[str, Stage]) -> dict[str, str]:
    """Map each output path to the stage that makes it."""
    return {path: stage.name for stage in stages.values() for path in stage.outputs.values()}


def inside(path: str, folder: str) -> bool:
    """Whether a path is the folder itself or lies in it; both are relative POSIX paths."""
    return path == folder or path.startswith(f"{folder}/")
