"""The seven steps of continuous training, and which of them a stage belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlxkit.pipeline.graph import select, upstream
from mlxkit.project.flow import inside, producers
from mlxkit.project.gates import CheckedGate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.project.models import Project, Stage

StageStep = Literal["validate", "prepare", "train", "evaluate"]


@dataclass(frozen=True)
class Steps:
    """A project's stages as steps, in the order of the graph.

    Attributes:
        sources: paths that stages read and none makes.
        first: stages that read from no other, but for those of `validate`.
        edges: pairs of stages, of which the second reads from the first.
        last: stages that no other reads from.
    """

    sources: tuple[str, ...]
    stages: Mapping[StageStep, tuple[Stage, ...]]
    first: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    last: tuple[str, ...]


def steps_of(project: Project) -> Steps:
    """Sort the stages of a project into the steps."""
    above = upstream(project.stages)
    order = select(project.stages, ())
    step = {name: _step(project, name, above) for name in order}
    read = {maker for makers in above.values() for maker in makers}
    # The step `validate` comes before every other stage anyway.
    rest = [name for name in order if step[name] != "validate"]
    return Steps(
        sources=_sources(project),
        stages={
            key: tuple(project.stages[name] for name in order if step[name] == key)
            for key in ("validate", "prepare", "train", "evaluate")
        },
        first=tuple(name for name in rest if all(step[maker] == "validate" for maker in above[name])),
        edges=tuple(
            (maker, name)
            for name in rest
            for maker in order
            if maker in above[name] and step[maker] != "validate"
        ),
        last=tuple(name for name in rest if name not in read),
    )


def _step(project: Project, name: str, above: Mapping[str, set[str]]) -> StageStep:
    """Return the step of a stage: raw data is validated first, and what reads the model judges it."""
    stage, train = project.stages[name], project.train_stage
    environments = project.environments.values()
    gates = (*project.gates, *(gate for each in environments for gate in each.gates))
    checks = any(isinstance(gate, CheckedGate) and gate.stage == name for gate in gates)
    if stage.kind == "train":
        return "train"
    if stage.kind == "evaluate" or (train is not None and _reads_from(name, train.name, above)):
        return "evaluate"
    return "validate" if checks and not above[name] else "prepare"


def _reads_from(name: str, maker: str, above: Mapping[str, set[str]]) -> bool:
    return any(one == maker or _reads_from(one, maker, above) for one in above[name])


def _sources(project: Project) -> tuple[str, ...]:
    made = producers(project.stages)
    read = {path for stage in project.stages.values() for path in stage.inputs.values()}
    return tuple(
        sorted(path for path in read if not any(inside(path, one) or inside(one, path) for one in made))
    )
