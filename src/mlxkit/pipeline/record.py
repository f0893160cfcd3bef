"""The MLflow record of a run: opened before training, so that live values join it, then completed.

MLflow is slow to import, so all of it happens in jobs of the target, beside the stages. What was recorded
last stands in `.mlx/recorded.json`; while it matches the workspace, a run with nothing to do asks nobody.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import git, mlflow_store
from mlxkit.errors import MlxError, ToolError
from mlxkit.pipeline.lockfile import LOCK_FILE
from mlxkit.project.environments import tracking_uri
from mlxkit.project.files import write_atomically
from mlxkit.project.models import CONFIG_FILE, PARAMS_FILE, Environment, Project
from mlxkit.project.params import read_params
from mlxkit.project.variables import mask
from mlxkit.targets.base import Job, Target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlxkit.pipeline.run_result import StageResult
    from mlxkit.pipeline.staleness import Staleness

_LIBRARIES = ("mlxkit", "dvc", "mlflow", "numpy", "pandas", "scikit-learn", "xgboost", "lightgbm", "torch")


class Recorder:
    """Keeps the record of one pipeline run.

    Attributes:
        run_id: the MLflow run of the training, None when there was none.
        recorded: whether anything was written to the store.
    """

    def __init__(
        self, project: Project, environment: Environment, state: git.GitState, target: Target
    ) -> None:
        self._project, self._environment, self._git, self._target = project, environment, state, target
        self._marker = project.state_dir / "recorded.json"
        self.run_id: str | None = None
        self.recorded = False

    @property
    def store(self) -> mlflow_store.Store:
        """The store of the environment, which nothing has been asked yet."""
        return mlflow_store.resolve(self._project.root, tracking_uri(self._project, self._environment))

    def open(self, hashes: Mapping[str, str | None]) -> dict[str, str]:
        """Create the run of a training that is about to begin; returns the variables for its process.

        `hashes` are those of everything that the train stage reads.
        """
        if self.run_id is None:
            answer = self._ask(
                "open", {"params": self._params(), "tags": self._tags(), "datasets": self._datasets(hashes)}
            )
            self.run_id = answer["run_id"]
        return self._variables(self.run_id or "")

    def close(
        self,
        results: Mapping[str, StageResult],
        staleness: Staleness,
        metrics: Mapping[str, Any],
        trained: bool,
        error: MlxError | None,
    ) -> str | None:
        """Complete the record; returns the run of the model in the workspace, None where there is none.

        Raises:
            ToolError: the store cannot be reached. The outputs are safe, and the next run records them.
        """
        seconds = {r.name: round(r.seconds, 3) for r in results.values() if r.status == "ran"}
        request = {
            "metrics": dict(metrics),
            "artifacts": self._artifacts(),
            "seconds": seconds,
            "model_hash": self._output_hash(staleness, self._project.model_path),
            "diff": mask(git.diff(self._project.root, self._git), self._project.root),
        }
        if self.run_id is not None and not trained:
            status = "KILLED" if error is not None and error.kind == "interrupted" else "FAILED"
            self._ask("close", {**request, "run_id": self.run_id, "status": status, "model": None})
            return None
        if not trained:
            return None
        key = self._key(staleness, evaluated=bool(metrics))
        marker = _read_json(self._marker)
        gone = self.store.database is not None and not self.store.database.exists()
        if self.run_id is None and marker.get("key") == key and not gone:
            return str(marker["run_id"])
        if self.run_id is not None:
            self._ask(
                "close",
                {**request, "run_id": self.run_id, "status": "FINISHED", "model": self._project.model_path},
            )
        else:
            self.run_id = self._complete(request, staleness)
        write_atomically(self._marker, json.dumps({"key": key, "run_id": self.run_id}).encode())
        return self.run_id

    def _complete(self, request: Mapping[str, Any], staleness: Staleness) -> str:
        """Record a model that this run did not train: from the run cache, a colleague, or `dvc repro`."""
        train = self._project.train_stage
        assert train is not None
        known = _read_json(self._project.root / (self._project.run_record_path or ""))
        answer = self._ask(
            "complete",
            {
                **request,
                "run_id": known.get("run_id", ""),
                "model": self._project.model_path,
                "params": self._params(),
                "tags": self._tags(),
                "datasets": self._datasets(staleness.dependency_hashes(train.name)),
            },
        )
        return str(answer["run_id"])

    def _ask(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do one step in a job of the target."""
        arguments = {
            **request,
            "action": action,
            "root": str(self._project.root),
            "experiment": self._project.name,
            "tracking": tracking_uri(self._project, self._environment),
        }
        log = self._project.state_dir / "logs" / f"record-{action}.log"
        running = self._target.start(
            Job(
                f"record-{action}",
                log,
                call="mlxkit.pipeline.record_job:record",
                arguments=arguments,
                timeout=600,
            )
        )
        while not (done := self._target.wait([running], seconds=1.0)):
            pass
        outcome = done[0][1]
        if not outcome.succeeded or outcome.result is None:
            raise ToolError(
                "the run could not be recorded in MLflow", context=[f"log: {log}"], hint="run `mlx run` again"
            )
        if "error" in outcome.result:
            error = outcome.result["error"]
            raise ToolError(error["message"], context=error["context"], hint=error["hint"])
        self.recorded = True
        return dict(outcome.result)

    def _variables(self, run_id: str) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": self.store.uri,
            "MLFLOW_EXPERIMENT_NAME": self._project.name,
            "MLFLOW_RUN_ID": run_id,
        }

    def _params(self) -> dict[str, Any]:
        """Return the parameters of every stage that has any; the rest of params.yaml changes nothing."""
        used = {group for stage in self._project.stages.values() for group in stage.params}
        return {group: value for group, value in read_params(self._project.root).items() if group in used}

    def _tags(self) -> dict[str, str]:
        from importlib.metadata import PackageNotFoundError, version

        versions = {}
        for library in _LIBRARIES:
            try:
                versions[library] = version(library)
            except PackageNotFoundError:
                continue
        config = (self._project.root / CONFIG_FILE).read_bytes()
        tags = {
            "mlflow.source.git.commit": self._git.commit or "",
            "mlflow.source.git.branch": self._git.branch or "",
            "mlx.dirty": str(self._git.dirty).lower(),
            "mlx.changed_files": ", ".join(self._git.changed[:50]),
            "mlx.environment": self._environment.name,
            "mlx.target": "local",
            "mlx.python": platform.python_version(),
            "mlx.platform": platform.platform(),
            "mlx.versions": json.dumps(versions, sort_keys=True),
            "mlx.config_digest": hashlib.sha256(config).hexdigest(),
            "mlx.command": " ".join(["mlx", *sys.argv[1:]]),
        }
        return {name: value for name, value in tags.items() if value}

    def _datasets(self, hashes: Mapping[str, str | None]) -> list[dict[str, Any]]:
        """Describe each data input of the train stage, and the raw files that the pipeline began with."""
        made = {path for stage in self._project.stages.values() for path in stage.outputs.values()}
        raw = {
            path: name
            for stage in self._project.stages.values()
            for name, path in stage.inputs.items()
            if path not in made
        }
        train = self._project.train_stage
        names = {**raw, **({path: name for name, path in train.inputs.items()} if train else {})}
        datasets = []
        for path, name in names.items():
            digest = hashes.get(path) or self._raw_hash(path)
            full = self._project.root / path
            size = full.stat().st_size if full.is_file() else None
            context = "training" if train and path in train.inputs.values() else "raw"
            datasets.append(
                {"name": name, "path": path, "digest": digest or "", "size": size, "context": context}
            )
        return datasets

    def _raw_hash(self, path: str) -> str | None:
        from mlxkit.pipeline.hashing import Hasher

        return Hasher(self._project.root, self._project.state_dir / "memo.json").hash(path)

    def _artifacts(self) -> list[str]:
        names = (LOCK_FILE, CONFIG_FILE, PARAMS_FILE)
        return [str(self._project.root / name) for name in names if (self._project.root / name).is_file()]

    def _key(self, staleness: Staleness, *, evaluated: bool) -> str:
        """Return what identifies the model and its evaluation: their hashes in dvc.lock, and the store."""
        evaluate = self._project.evaluate_stage
        metrics = evaluate.metrics_path if evaluate is not None and evaluated else None
        paths = (self._project.model_path, self._project.run_record_path, metrics)
        return json.dumps([*(self._output_hash(staleness, path) for path in paths), self._store_name()])

    def _store_name(self) -> str:
        """Name the store; one below the project's root is the same one after the project was moved."""
        database, root = self.store.database, self._project.root.resolve()
        inside = database is not None and database.is_relative_to(root)
        return database.relative_to(root).as_posix() if database is not None and inside else str(self.store)

    def _output_hash(self, staleness: Staleness, path: str | None) -> str:
        found = (
            locked.outs[path or ""] for locked in staleness.locked.values() if (path or "") in locked.outs
        )
        return next(found, "") if path is not None else ""


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
