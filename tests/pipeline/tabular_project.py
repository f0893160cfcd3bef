"""A generated project with a model, and the few real runs in it that tests share: each takes many seconds."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

LIVE = """\
    import mlflow

    mlflow.sklearn.autolog()
    mlflow.log_metric("live", 0.5, step=1)
    mlflow.log_metric("live", 0.25, step=2)
"""
AT_THE_END = """\
        pipeline.fit(train[FEATURES], train[target])
    import subprocess

    subprocess.run("[ ! -e at_the_end.sh ] || . ./at_the_end.sh", shell=True)
    return pipeline
"""
FIT = "    pipeline = make_model"
COST = '''\
"""What errors cost."""


def cost(model, test, target: str):
    return {"cost": float((model.predict(test) - test[target]).clip(0).mean())}
'''


@dataclass(frozen=True)
class Answer:
    """What a command answered, and the state that it left."""

    code: int
    document: Any
    err: str
    model_hash: str
    record: dict[str, str]

    @property
    def stages(self) -> dict[str, str]:
        """Map stage to status."""
        return {stage["name"]: stage["status"] for stage in self.document["stages"]}

    @property
    def run_id(self) -> str:
        """The MLflow run of the model in the workspace."""
        return str(self.document["run_id"])


@dataclass(frozen=True)
class TabularProject:
    """A project that `mlx init` made, with live values and autologging in its train function."""

    root: Path
    commit: str

    def mlx(self, *arguments: str, env: dict[str, str] | None = None) -> Answer:
        """Run a command as a user does."""
        done = subprocess.run(
            ["mlx", *arguments, "--json"],
            cwd=self.root,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        lock = yaml.safe_load((self.root / "dvc.lock").read_text())["stages"]
        outputs = {out["path"]: out["md5"] for out in lock["train"]["outs"]} if "train" in lock else {}
        record = self.root / "models/patients.run.json"
        return Answer(
            done.returncode,
            json.loads(done.stdout),
            done.stderr,
            outputs.get("models/patients", ""),
            json.loads(record.read_text()) if record.exists() else {},
        )

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that a file holds once."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")

    @property
    def store(self) -> Any:
        """The project's MLflow store, through MLflow's own client."""
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=f"sqlite:///{self.root}/mlflow.db")

    def models_of(self, run_id: str) -> list[Any]:
        """The models that a run lists. MLflow keeps the id of a deleted one, such as autologging's own."""
        from mlflow.exceptions import MlflowException

        models = []
        for output in self.store.get_run(run_id).outputs.model_outputs:
            with contextlib.suppress(MlflowException):
                models.append(self.store.get_logged_model(output.model_id))
        return models

    def hash_of(self, path: str) -> str:
        """The hash that dvc.lock records for a path."""
        lock = yaml.safe_load((self.root / "dvc.lock").read_text())["stages"]
        entries = [entry for stage in lock.values() for entry in (*stage["deps"], *stage["outs"])]
        return str(next(entry["md5"] for entry in entries if entry["path"] == path))


def make_trainable(folder: Path) -> TabularProject:
    """Make one whose training, at its end, runs `at_the_end.sh`, where there is such a file."""
    project = make(folder)
    fit = "        return pipeline.fit(train[FEATURES], train[target])\n"
    project.edit("src/patients/models/train_model.py", fit, AT_THE_END)
    return project


def make(folder: Path, *, live: bool = True) -> TabularProject:
    """Let `mlx init` make the project, without a run yet; `live` lets its training log values itself."""
    init = ["mlx", "init", "patients", "--task", "regression", "--no-git-hooks"]
    subprocess.run(init, cwd=folder, check=True, capture_output=True)
    root = folder / "patients"
    _settle(root / "params.yaml")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True)
    project = TabularProject(root, head.stdout.strip())
    if live:
        project.edit("src/patients/models/train_model.py", FIT, f"{LIVE}{FIT}")
    return project


def _settle(params: Path) -> None:
    """Leave one candidate, so that every change of the parameters changes the model."""
    text = params.read_text(encoding="utf-8")
    for old, new in (
        ("candidates: [linear, trees]", "candidates: [trees]"),
        ("max_iter: 300", "max_iter: 100"),
    ):
        assert text.count(old) == 1, f"{params} holds {old!r} {text.count(old)} times"
        text = text.replace(old, new)
    params.write_text(text, encoding="utf-8")
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    command = ["git", *author, "commit", "-qam", "trees only"]
    subprocess.run(command, cwd=params.parent, check=True, capture_output=True)
