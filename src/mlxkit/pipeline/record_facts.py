"""What a run is opened with in MLflow: parameters, tags, and the data that it reads."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from typing import TYPE_CHECKING, Any

from mlxkit.pipeline.graph import select
from mlxkit.project.models import CONFIG_FILE
from mlxkit.project.params import read_params

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlxkit.adapters.git import GitState
    from mlxkit.pipeline.lockfile import Locked
    from mlxkit.project.models import Environment, Project

_LIBRARIES = ("mlxkit", "dvc", "mlflow", "numpy", "pandas", "scikit-learn", "xgboost", "lightgbm", "torch")


def params_of(project: Project, locked: Mapping[str, Locked]) -> dict[str, Any]:
    """Return the parameters of every stage that has any; the rest of params.yaml changes nothing.

    Of stages that the training reads from, those in dvc.lock count: params.yaml may have been edited since.
    """
    used = {group for stage in project.stages.values() for group in stage.params}
    params = {group: value for group, value in read_params(project.root).items() if group in used}
    train = project.train_stage
    if train is not None:
        before = [locked[name] for name in select(project.stages, [train.name]) if name in locked]
        made = {group: value for stage in before for group, value in stage.params.items()}
        params |= {group: made[group] for group in used & made.keys() - set(train.params)}
    return params


def tags_of(project: Project, environment: Environment, state: GitState) -> dict[str, str]:
    """Return what tells where a run came from: code, environment, libraries, machine, command."""
    tags = {
        "mlflow.source.git.commit": state.commit or "",
        "mlflow.source.git.branch": state.branch or "",
        "mlx.dirty": str(state.dirty).lower(),
        "mlx.changed_files": ", ".join(state.changed[:50]),
        "mlx.environment": environment.name,
        "mlx.target": "local",
        "mlx.python": platform.python_version(),
        "mlx.platform": platform.platform(),
        "mlx.versions": json.dumps(_versions(), sort_keys=True),
        "mlx.config_digest": hashlib.sha256((project.root / CONFIG_FILE).read_bytes()).hexdigest(),
        "mlx.command": " ".join(["mlx", *sys.argv[1:]]),
    }
    return {name: value for name, value in tags.items() if value}


def datasets_of(
    project: Project, hashes: Mapping[str, str | None], hash_of: Callable[[str], str | None]
) -> list[dict[str, Any]]:
    """Describe each data input of the train stage, and the raw files that the pipeline began with.

    `hashes` are those of everything that the train stage reads, by path; `hash_of` tells the others.
    """
    made = {path for stage in project.stages.values() for path in stage.outputs.values()}
    raw = {
        path: name
        for stage in project.stages.values()
        for name, path in stage.inputs.items()
        if path not in made
    }
    train = project.train_stage
    names = {**raw, **({path: name for name, path in train.inputs.items()} if train else {})}
    datasets = []
    for path, name in names.items():
        full = project.root / path
        datasets.append(
            {
                "name": name,
                "path": path,
                "digest": hashes.get(path) or hash_of(path) or "",
                "size": full.stat().st_size if full.is_file() else None,
                "context": "training" if train and path in train.inputs.values() else "raw",
            }
        )
    return datasets


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions
