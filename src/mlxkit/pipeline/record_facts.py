"""What a run is opened with in MLflow: parameters, tags, the data that it reads, the project's own texts."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import git
from mlxkit.pipeline.evaluation_report import report_files
from mlxkit.pipeline.graph import select
from mlxkit.pipeline.lockfile import LOCK_FILE
from mlxkit.project.files import read_mapping
from mlxkit.project.flow import producers
from mlxkit.project.models import CONFIG_FILE, PARAMS_FILE
from mlxkit.project.params import read_params
from mlxkit.project.variables import mask
from mlxkit.targets.box.machine import library_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mlxkit.adapters.git import GitState
    from mlxkit.pipeline.lockfile import Locked
    from mlxkit.pipeline.run_result import StageResult
    from mlxkit.pipeline.staleness import Staleness
    from mlxkit.project.models import Environment, Project

_MOST_FINDINGS = 50
TARGET = "mlx.target"
"""Tag of a run: name of the machine that it was trained on."""


def facts_of(
    project: Project,
    environment: Environment,
    state: GitState,
    hashes: Mapping[str, str | None],
    staleness: Staleness,
) -> dict[str, Any]:
    """Return all that a run is opened with but its files; `hashes` are those of what the training reads."""
    words, numbers = findings_of(project)
    return {
        "params": params_of(project, staleness.locked, words),
        "findings": numbers,
        "tags": tags_of(project, environment, state),
        "datasets": datasets_of(project, hashes, staleness.hash_of),
    }


def texts_of(root: Path, state: GitState) -> dict[str, str]:
    """Return the project's files and its uncommitted changes, by the name of the artifact."""
    files = [root / name for name in (CONFIG_FILE, PARAMS_FILE) if (root / name).is_file()]
    texts = {file.name: file.read_bytes().decode("utf-8", "replace") for file in files}
    diff = mask(git.diff(root, state), root)
    return {**texts, "uncommitted.patch": diff} if diff else texts


def params_of(
    project: Project, locked: Mapping[str, Locked], findings: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the parameters of every stage that has any; the rest of params.yaml changes nothing.

    `findings` stand beside them, and in the group of the same name where there is one. Of stages that the
    training reads from, those in dvc.lock count: params.yaml may have been edited since.
    """
    used = {group for stage in project.stages.values() for group in stage.params}
    params = {group: value for group, value in read_params(project.root).items() if group in used}
    train = project.train_stage
    if train is not None:
        before = [locked[name] for name in select(project.stages, [train.name]) if name in locked]
        made = {group: value for stage in before for group, value in stage.params.items()}
        params |= {group: made[group] for group in used & made.keys() - set(train.params)}
    for name, words in findings.items():
        group = params.get(name, {})
        params[name] = {**words, **group} if isinstance(group, dict) else group
    return params


def findings_of(project: Project) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what earlier stages found out for the training, as JSON: by input, words and numbers apart.

    A file that is not there, holds no mapping or more than a few values counts as empty.
    """
    train = project.train_stage
    made = producers(project.stages)
    words: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    for name, path in (train.inputs if train is not None else {}).items():
        if path in made and path.endswith(".json"):
            found = read_mapping(project.root / path)
            if _count(found) <= _MOST_FINDINGS:
                words[name] = {key: value for key, value in found.items() if not _is_measured(value)}
                numbers[name] = {key: value for key, value in found.items() if _is_measured(value)}
    return _without_empty(words), _without_empty(numbers)


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _count(value: object) -> int:
    return sum(map(_count, value.values())) if isinstance(value, dict) else 1


def _is_measured(value: object) -> bool:
    """Whether a value is a number or holds nothing but numbers, at any depth."""
    if isinstance(value, dict):
        return bool(value) and all(map(_is_measured, value.values()))
    return isinstance(value, int | float) and not isinstance(value, bool)


def tags_of(project: Project, environment: Environment, state: GitState) -> dict[str, str]:
    """Return what tells where a run came from: code, environment, libraries, machine, command."""
    tags = {
        "mlflow.source.git.commit": state.commit or "",
        "mlflow.source.git.branch": state.branch or "",
        "mlx.dirty": str(state.dirty).lower(),
        "mlx.changed_files": ", ".join(state.changed[:50]),
        "mlx.environment": environment.name,
        TARGET: "local",
        "mlx.python": platform.python_version(),
        "mlx.platform": platform.platform(),
        "mlx.versions": json.dumps(library_versions(), sort_keys=True),
        "mlx.config_digest": hashlib.sha256((project.root / CONFIG_FILE).read_bytes()).hexdigest(),
        "mlx.command": " ".join(["mlx", *sys.argv[1:]]),
    }
    return {name: value for name, value in tags.items() if value}


def ending_of(
    project: Project,
    staleness: Staleness,
    results: Mapping[str, StageResult],
    metrics: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what a run's record gets when it ends, beside the model."""
    lock = project.root / LOCK_FILE
    return {
        "metrics": dict(metrics),
        "evaluated_on": _evaluation_data(project, staleness) if metrics else None,
        "artifacts": [str(lock)] if lock.is_file() else [],
        "reports": [str(path) for path in report_files(project)] if metrics else [],
        "stages": {
            result.name: {"seconds": round(result.seconds, 3), "max_memory": result.max_memory}
            for result in results.values()
            if result.status == "ran"
        },
    }


def _evaluation_data(project: Project, staleness: Staleness) -> str | None:
    """Return the hash of the rows that models are scored on; None where nobody knows it."""
    stage, path = project.evaluate_stage, project.evaluation_rows_path
    return None if stage is None or path is None else staleness.dependency_hashes(stage.name).get(path)


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


def tags_of_machine(machine: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a run that was trained on another machine, from what that said of itself."""
    cards = machine.get("gpus") or []
    found = {
        TARGET: machine.get("target"),
        "mlx.job": machine.get("job"),
        "mlx.train_host": machine.get("host"),
        "mlx.platform": machine.get("system"),
        "mlx.python": machine.get("python"),
        "mlx.versions": json.dumps(machine["versions"], sort_keys=True) if machine.get("versions") else None,
        "mlx.gpu": ", ".join(card["name"] for card in cards),
        "mlx.gpu_driver": cards[0]["driver"] if cards else None,
    }
    return {key: value for key, value in found.items() if value}
