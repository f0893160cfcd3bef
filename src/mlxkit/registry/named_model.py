"""One model of a project, as a store knows it: its run, its version, its files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mlxkit.adapters import mlflow_registry, mlflow_runs
from mlxkit.adapters.mlflow_tracking import RESTORED_FROM
from mlxkit.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from mlxkit.adapters.mlflow_registry import Version
    from mlxkit.adapters.mlflow_runs import Run
    from mlxkit.adapters.mlflow_store import Store


@dataclass(frozen=True)
class NamedModel:
    """One model of a project, found in a store.

    Attributes:
        run: that trained it; None when it was registered without one, or when that run is deleted.
        version: in the registry; None where it is not registered.
        in_workspace: whether it was asked for as the model in the workspace.
    """

    store: Store
    run: Run | None
    version: Version | None
    in_workspace: bool = False

    @property
    def run_id(self) -> str | None:
        """The id of the run that trained it, also of one that is deleted."""
        return self.run.id if self.run is not None else self.version.run_id if self.version else None

    @property
    def title(self) -> str:
        """What to call it in a sentence: `version 3 (@production)`, or `run 5893595c` without a version."""
        if self.version is None:
            name = f"run {(self.run_id or '')[:8]}"
        else:
            aliases = " ".join(f"@{alias}" for alias in self.version.aliases)
            name = f"version {self.version.version}" + (f" ({aliases})" if aliases else "")
        return f"{name}, in the workspace" if self.in_workspace else name

    @property
    def short(self) -> str:
        """The same in a heading: `version 3`, or `run 5893595c`."""
        return f"version {self.version.version}" if self.version else f"run {(self.run_id or '')[:8]}"

    @cached_property
    def model_id(self) -> str | None:
        """The id of the logged model; None when the run has none, or the version came from elsewhere."""
        if self.version is not None:
            return self.version.model_id
        return mlflow_runs.logged_model(self.store, self.run.id) if self.run is not None else None

    @cached_property
    def directory(self) -> Path:
        """The folder with the model's files.

        Raises:
            Refused: the run has no model.
            ToolError: the files are not where the store says.
        """
        if self.version is not None:
            return mlflow_registry.download(self.store, self.version)
        if self.model_id is None:
            status = "" if self.run is None else f"status: {self.run.status.lower()}"
            raise Refused(
                f"{self.short} has no model",
                context=[line for line in (f"run: {self.run_id}", status) if line],
                hint="run `mlx runs` for other runs",
            )
        return mlflow_registry.download_model(self.store, self.model_id)

    @property
    def run_ids(self) -> frozenset[str]:
        """The ids of that run: here, and in the store that it was carried or restored from."""
        known = [self.run_id, self.run.tags.get(RESTORED_FROM) if self.run is not None else None]
        return frozenset(run_id for run_id in known if run_id)

    def is_same(self, other: NamedModel) -> bool:
        """Whether both names mean one model, in whatever stores."""
        if self.run_ids or other.run_ids:
            return bool(self.run_ids & other.run_ids)
        return (self.store, self.version) == (other.store, other.version)
