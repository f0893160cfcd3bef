"""The order of stages, from who makes what and who reads it."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from mlxkit.errors import UsageError
from mlxkit.project.flow import depends_on, producers
from mlxkit.project.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlxkit.project.models import Stage


def upstream(stages: Mapping[str, Stage]) -> dict[str, set[str]]:
    """Map each stage to the stages that it reads from."""
    made_by = producers(stages)
    return {name: depends_on(stage, made_by) for name, stage in stages.items()}


def select(stages: Mapping[str, Stage], targets: Sequence[str]) -> list[str]:
    """Order the stages needed for the targets, all of them without targets.

    Stages that could run at the same time keep their order in mlx.yaml.

    Raises:
        UsageError: a target is no stage.
    """
    for target in targets:
        if target not in stages:
            options = list(stages)
            raise UsageError(
                f"there is no stage '{target}'{did_you_mean(target, options)}",
                context=[f"mlx.yaml has {', '.join(options)}"],
                hint="run `mlx status`",
            )
    above = upstream(stages)
    wanted: set[str] = set()
    pending = list(targets or stages)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending.extend(above[name])
    position = {name: i for i, name in enumerate(stages)}
    sorter = TopologicalSorter({name: above[name] for name in wanted})
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=position.__getitem__)
        order += ready
        sorter.done(*ready)
    return order
