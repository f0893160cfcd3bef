"""What must hold after a kill, at once and after the next run; each check returns what is wrong, in words."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import sys
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any

import processes
import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from subject import Subject

_READY = 2
"""How MLflow numbers the status of a model that is complete."""


def cache_is_sound(subject: Subject) -> list[str]:
    """Compare every object of the cache with the hash in its name, and what dvc.lock names with the cache.

    DVC hashes an object that it has not made read-only yet before it believes in it. Such a one may be
    half-made right after a kill, but not when dvc.lock names it.
    """
    wrong, objects = [], {}
    for folder in subject.cache.glob("??"):
        for path in folder.iterdir():
            if path.name.endswith(".tmp"):
                continue
            name = folder.name + path.name
            objects[name] = path
            content = path.read_bytes()
            if hashlib.md5(content).hexdigest() == name.removesuffix(".dir"):
                continue
            if stat.S_IMODE(path.stat().st_mode) == 0o444:
                wrong.append(f"the object {name} is damaged and protected")
            elif name in subject.locked().values():
                wrong.append(f"the object {name} is damaged and in dvc.lock")
    for path, digest in subject.locked().items():
        if path == "reports/metrics.json":
            continue
        if digest not in objects:
            wrong.append(f"dvc.lock names {path}, whose object {digest} is not in the cache")
        elif digest.endswith(".dir"):
            entries = json.loads(objects[digest].read_bytes())
            lacking = [entry["relpath"] for entry in entries if entry["md5"] not in objects]
            wrong += [f"{path} lacks the object of {name}" for name in lacking]
    return wrong


def lock_parses(subject: Subject) -> list[str]:
    """Read dvc.lock, dvc.yaml and the .dvc file as DVC would."""
    wrong = []
    for name in ("dvc.lock", "dvc.yaml", "data/raw/cells.csv.dvc"):
        path = subject.root / name
        try:
            if path.exists() and not isinstance(yaml.safe_load(path.read_text()), dict):
                wrong.append(f"{name} is cut")
        except yaml.YAMLError as error:
            wrong.append(f"{name} is damaged: {error}")
    return wrong


def ask_mlx(subject: Subject, log: Path, *arguments: str) -> list[str]:
    """Call an `mlx` command that must succeed."""
    command = processes.start_mlx(subject.root, log, arguments, lambda: None)
    if not command.wait(60):
        os.kill(command.pid, 9)
        return [f"mlx {' '.join(arguments)} does not end"]
    if command.code:
        return [f"mlx {' '.join(arguments)} ended with {command.code}: {command.said()}"]
    return []


def ask_dvc(subject: Subject, log: Path) -> list[str]:
    """Ask DVC itself whether all is in step, and what `dvc repro` would do."""

    def ask() -> None:
        from dvc.repo import Repo

        with warnings.catch_warnings(), Repo(".") as repo:
            warnings.simplefilter("ignore")
            found: dict[str, Any] = {"status": repo.status()}
            found["repro"] = [stage.addressing for stage in repo.reproduce(dry=True)]
        sys.stdout.write(f"\n{json.dumps(found)}\n")

    command = processes.start(subject.root, log, ask)
    if not command.wait(60):
        return ["DVC does not answer"]
    if command.code:
        return [f"DVC failed: {command.said()}"]
    found = json.loads(command.out.read_text().splitlines()[-1])
    return [f"dvc {name}: {json.dumps(found[name])}" for name in ("status", "repro") if found[name]]


def store_is_sound(subject: Subject) -> list[str]:
    """Look for runs that nobody ends, and for the one finished run of the model in the workspace."""
    run_id = json.loads((subject.root / "models/cells.run.json").read_text())["run_id"]
    with closing(sqlite3.connect(subject.root / "mlflow.db")) as store:
        running = [row[0] for row in store.execute("SELECT run_uuid FROM runs WHERE status = 'RUNNING'")]
        wrong = [f"the run {run} is still RUNNING" for run in running]
        of_model = store.execute(
            "SELECT run_uuid, status FROM runs WHERE run_uuid = ? OR run_uuid IN "
            "(SELECT run_uuid FROM tags WHERE key = 'mlx.restored_from' AND value = ?)",
            (run_id, run_id),
        ).fetchall()
        finished = [run for run, status in of_model if status == "FINISHED"]
        if len(finished) != 1:
            return [*wrong, f"the model has {len(finished)} finished runs: {of_model}"]
        models = store.execute(
            "SELECT m.model_id, m.status FROM inputs i JOIN logged_models m ON m.model_id = i.destination_id "
            "WHERE i.source_id = ? AND i.destination_type = 'MODEL_OUTPUT' AND m.lifecycle_stage = 'active'",
            finished,
        ).fetchall()
        if [status for _, status in models] != [_READY]:
            wrong.append(f"the run {finished[0]} lists the models {models}, not one that is ready")
        wrong += _leftovers(store, finished[0], {model for model, _ in models})
        tag = store.execute(
            "SELECT value FROM tags WHERE run_uuid = ? AND key = 'mlx.model_hash'", finished
        ).fetchone()
        if tag != (subject.locked()["models/cells"],):
            wrong.append(f"the run {finished[0]} has the model hash {tag}")
        recorded = dict(
            store.execute("SELECT key, value FROM latest_metrics WHERE run_uuid = ?", finished).fetchall()
        )
    metrics = {name: value for name, value in subject.metrics().items() if isinstance(value, float)}
    if any(recorded.get(name) != value for name, value in metrics.items()):
        wrong.append(f"the run {finished[0]} has other metrics than the workspace")
    return wrong


def _leftovers(store: sqlite3.Connection, run: str, listed: set[str]) -> list[str]:
    found = store.execute(
        "SELECT model_id, status FROM logged_models WHERE source_run_id = ? AND lifecycle_stage = 'active'",
        (run,),
    )
    return [f"the run {run} left a model of status {s}" for model, s in found if model not in listed]


def leftovers(subject: Subject) -> list[str]:
    """Return files that a run makes for a moment only, and that are still there; they harm nobody."""
    patterns = (".dvc.*.*", ".mlflow.db.*", "**/*.tmp", ".mlx/.*", "models/.*", "**/.cells.csv.dvc.*")
    return sorted(
        {str(path.relative_to(subject.root)) for pattern in patterns for path in subject.root.glob(pattern)}
    )
