"""The MLflow record of a run: opened before training, so that live values join it, then completed.

MLflow is slow, so all of it happens beside the stages. A store that does not answer stops no stage: the run
is kept in a store below `.mlx/unrecorded`, from where `mlx runs sync` carries it over. What was recorded last
stands in `.mlx/recorded.json`; while it matches the workspace, a run with nothing to do asks nobody.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import mlflow_store
from mlxkit.adapters.process import this_process
from mlxkit.errors import MlxError, ToolError
from mlxkit.pipeline.last_record import LastRecord
from mlxkit.pipeline.lockfile import output_hash
from mlxkit.pipeline.record_failure import kept_elsewhere, kept_nowhere
from mlxkit.pipeline.record_steps import Steps
from mlxkit.pipeline.trained_run import trained_run
from mlxkit.project.environments import registry_uri, sharing_store, tracking_uri

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlxkit.adapters.git import GitState
    from mlxkit.pipeline.run_result import StageResult
    from mlxkit.pipeline.staleness import Staleness
    from mlxkit.project.models import Environment, Project
    from mlxkit.targets.base import Target


class Recorder:
    """Keeps the record of one pipeline run. `target` does its steps, on this machine.

    Attributes:
        run_id: the MLflow run of the training, None when there was none.
    """

    def __init__(self, project: Project, environment: Environment, state: GitState, target: Target) -> None:
        self._project, self._environment, self._git = project, environment, state
        self._last = LastRecord(project)
        self._steps = Steps(target, project.state_dir / "logs")
        self._owner = this_process()
        self._prepared = self._model_asked = False
        self._opening: Mapping[str, Any] | None = None
        self._texts: Mapping[str, str] | None = None
        """The project's files and uncommitted changes when the training began: people go on editing."""
        self._told: list[Sequence[Any]] = []
        self._machine: dict[str, str] = {}
        self._left = False
        self._away: ToolError | None = None
        """Why the store is not used any more in this run."""
        self.run_id: str | None = None

    @property
    def recorded(self) -> bool:
        """Whether anything was written to a store."""
        return self._steps.recorded

    @property
    def store(self) -> mlflow_store.Store:
        """The store of the environment, which nothing has been asked yet."""
        return mlflow_store.resolve(self._project.root, tracking_uri(self._project, self._environment))

    def wait(self, seconds: float) -> None:
        """Let at most that much time go by, and go on with the next step when one has ended."""
        self._steps.wait(seconds)

    def prepare(self) -> None:
        """Begin to make the store ready for what will be recorded."""
        if not self._prepared:
            self._prepared = True
            self._ask("prepare", {})

    def open(
        self, hashes: Mapping[str, str | None], staleness: Staleness, *, target: str | None = None
    ) -> None:
        """Begin to create the run of a training; `hashes` are those of everything that it reads.

        `target` names the machine that it runs on, if not this one: then no process here owns the run.
        """
        if self.run_id is None:
            self.prepare()
            self._last.forget()  # a run that is killed from here on must be closed by the next one
            self._opening = self._facts(hashes, staleness)
            if target is not None:
                from mlxkit.pipeline.record_facts import TARGET

                tags = {**self._opening["tags"], TARGET: target}
                self._opening = {**self._opening, "tags": tags}
            self._ask("open", self._opening)
            self._texts = self._texts_now()

    def variables(self) -> dict[str, str] | None:
        """Return the variables for the process that trains, None while its run is being created."""
        if self.run_id is None:
            if not self._steps.knows("open"):
                return None
            try:
                self.run_id = str(self._steps.answer("open")["run_id"])
            except ToolError as error:
                if self._away is None:
                    self._away = error
                    self._ask("open", self._opening or {})
                    return None
                # Not even the store in the project can be written. The stage decides what is to become of it.
                self._opening = None
        request = self._request()
        store = mlflow_store.resolve(Path(request["store_root"]), request["tracking"])
        variables = {"MLFLOW_TRACKING_URI": store.uri, "MLFLOW_EXPERIMENT_NAME": self._project.name}
        return {**variables, **({"MLFLOW_RUN_ID": self.run_id} if self.run_id else {})}

    def saved(self) -> dict[str, Any]:
        """Return what another process needs to complete the record of a run that is open."""
        return {
            "run_id": self.run_id,
            "opening": self._opening,
            "texts": self._texts,
            "away": self._away is not None,
        }

    def resume(self, saved: Mapping[str, Any]) -> None:
        """Go on with the record of a run that another process opened."""
        self.prepare()
        self.run_id, self._opening, self._texts = saved["run_id"], saved["opening"], saved["texts"]
        if saved["away"]:
            self._away = ToolError("MLflow did not answer when the training began", hint="run `mlx doctor`")

    def tell(self, values: Sequence[Sequence[Any]]) -> None:
        """Record values that a training logs elsewhere while it does: key, value, milliseconds, step each.

        Values that are lost on the way are told again by `merge`.
        """
        self._told += values
        if self._told and self.run_id is not None and self._away is None and not self._steps.waits("live"):
            self._ask("live", {"run_id": self.run_id, "values": self._told})
            self._told = []

    def leave(self) -> None:
        """Leave the run open: its training goes on elsewhere, and another process completes the record."""
        self._left = True

    def merge(self, logged: Path, machine: Mapping[str, Any]) -> None:
        """Begin to record what a training logged elsewhere, from the store in a folder, and where it ran."""
        from mlxkit.pipeline.record_facts import tags_of_machine

        self._machine = tags_of_machine(machine)
        if self.run_id is not None and logged.is_dir():
            self._ask("merge", {"run_id": self.run_id, "logged": str(logged)})

    def log_model(self, staleness: Staleness) -> None:
        """Begin to log the model that was trained and committed, beside the next stage."""
        if self.run_id is not None and not self._model_asked:
            self._model_asked = True
            self._ask("log_model", {"run_id": self.run_id, **self._model(staleness)})

    def ask_champion(self) -> None:
        """Begin to look for the environment's champion, beside the stage that evaluates."""
        self._ask("champion", {"environment": self._environment.name})

    def champion(self) -> Mapping[str, Any] | None:
        """Return what was asked for: version, run and files of the champion; None where there is none."""
        try:
            found = self._steps.answer("champion")
        except ToolError:
            return None
        return found if found["version"] is not None else None

    def attach(self, files: Sequence[Path]) -> None:
        """Add files to the run that was recorded.

        Raises:
            ToolError: the store does not take them.
        """
        if self.run_id is not None and self._away is None:
            self._ask("attach", {"run_id": self.run_id, "reports": [str(path) for path in files]})
            self._steps.answer("attach")

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
            ToolError: the store does not take it. The outputs are safe, and so is the record.
        """
        if self._opening is not None:
            self._finish_opening()
        if self._left or (not trained and self.run_id is None):
            return self.run_id
        key = self._last.key(staleness.locked, self.store, evaluated=bool(metrics))
        known = self._last.run_of(key, self.store)
        if self.run_id is None and known is not None:
            return known
        from mlxkit.pipeline.record_facts import ending_of

        request = {
            **ending_of(self._project, staleness, results, metrics),
            "texts": self._texts_now() if self._texts is None else self._texts,
            "machine": self._machine,
            "status": "FINISHED" if trained else "KILLED" if _interrupted(error) else "FAILED",
        }
        try:
            if self.run_id is not None:
                self._close(request, staleness, trained)
            else:
                self.run_id = self._complete(request, staleness)
        except ToolError as refused:
            raise kept_nowhere(refused, trained=trained) from refused
        if self._away is not None:
            raise kept_elsewhere(self._away)
        if not trained:
            return None
        self._last.keep(key, self.run_id)
        return self.run_id

    def _finish_opening(self) -> None:
        """Wait for a run that is being created, though its training may not have begun: it must be closed."""
        while self.variables() is None:
            self.wait(1.0)

    def _close(self, request: Mapping[str, Any], staleness: Staleness, trained: bool) -> None:
        """Complete the run of this training where it was opened, else in the store that keeps it."""
        request = {**request, "run_id": self.run_id}
        elsewhere = self._away is not None
        try:
            if trained:
                self.log_model(staleness)
            logged = self._steps.answer("log_model") if trained else {}
            self._ask("close", {**request, **logged})
            self._steps.answer("close")
        except ToolError as error:
            if elsewhere:
                raise
            self._away = error
            model = self._model(staleness) if trained else {"model": None}
            self._ask("keep", {**request, **(self._opening or {}), **model})
            self._steps.answer("keep")

    def _complete(self, request: Mapping[str, Any], staleness: Staleness) -> str:
        """Record a model that this run did not train: from the run cache, a colleague, or `dvc repro`."""
        train = self._project.train_stage
        assert train is not None
        self._ask(
            "complete",
            {
                **request,
                "run_id": trained_run(self._project) or "",
                **self._facts(staleness.dependency_hashes(train.name), staleness),
                **self._model(staleness),
            },
        )
        return str(self._steps.answer("complete")["run_id"])

    def _ask(self, action: str, request: Mapping[str, Any]) -> None:
        self._steps.ask(action, {**request, **self._request()})

    def _request(self) -> dict[str, Any]:
        """Return where a step works: in the environment's store, or in the one that keeps what it refused."""
        root = self._project.root
        tracking = tracking_uri(self._project, self._environment)
        store = mlflow_store.unrecorded(root) if self._away is not None else None
        return {
            "root": str(root),
            "store_root": str(store.root if store else root),
            "tracking": store.uri if store else tracking,
            "registry": None if store else registry_uri(self._project, self._environment),
            "experiment": self._project.name,
            "owner": vars(self._owner),
            "environments": sharing_store(self._project, self._environment),
        }

    def _model(self, staleness: Staleness) -> dict[str, str]:
        path = self._project.model_path or ""
        model_hash = output_hash(staleness.locked, self._project.model_path)
        return {"model": str(self._project.root / path), "model_hash": model_hash}

    def _facts(self, hashes: Mapping[str, str | None], staleness: Staleness) -> dict[str, Any]:
        """Return what a run is opened with."""
        from mlxkit.pipeline.record_facts import facts_of

        return facts_of(self._project, self._environment, self._git, hashes, staleness)

    def _texts_now(self) -> dict[str, str]:
        from mlxkit.pipeline.record_facts import texts_of

        return texts_of(self._project.root, self._git)


def _interrupted(error: MlxError | None) -> bool:
    return error is not None and error.kind == "interrupted"
