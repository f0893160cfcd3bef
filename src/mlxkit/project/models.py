"""What `mlx.yaml` says, as frozen dataclasses. Paths are POSIX strings relative to the project's root."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlxkit.project.gates import Gate

Task = Literal["classification", "regression"]
Kind = Literal["train", "evaluate", "stage"]
Direction = Literal["higher", "lower"]

CONFIG_FILE = "mlx.yaml"
PARAMS_FILE = "params.yaml"
METRICS_FILE = "reports/metrics.json"
EVALUATION_FILE = "reports/evaluation.json"
SCHEMA_VERSION = 1
CSV_SUFFIXES = (".csv", ".tsv")


@dataclass(frozen=True)
class Stage:
    """One node of the pipeline: a function (`call`), a command (`cmd`), or a built-in kind.

    Attributes:
        inputs: name -> path; the names of a `cmd` stage's inputs are the paths themselves.
        outputs: name -> path, as for inputs.
        uncached: paths of outputs that git keeps, and DVC's cache does not.
        params: top-level groups of params.yaml that the stage depends on.
        code: project files to depend on that import analysis cannot see.
        env: variables set for the stage; `${NAME}` is expanded only when the stage starts.
        timeout: seconds, or None for no limit.
        retries: how many more times a failed stage is tried.
        on: name of a target, or None for this machine.
        pool: Airflow's pool for its task, or None for the default one.
    """

    name: str
    kind: Kind
    call: str | None = None
    cmd: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    params: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    retries: int = 0
    on: str | None = None
    pool: str | None = None
    uncached: tuple[str, ...] = ()

    @property
    def metrics_path(self) -> str | None:
        """Path of the metrics file of an `evaluate` stage, which DVC reads but does not cache."""
        return self.outputs.get("metrics") if self.kind == "evaluate" else None

    @property
    def evaluation_path(self) -> str | None:
        """Path of what an `evaluate` stage found, in full, which the reports are drawn from."""
        return self.outputs.get("evaluation") if self.kind == "evaluate" else None

    @property
    def cached_outputs(self) -> tuple[str, ...]:
        """Paths of the outputs that DVC keeps in its cache."""
        others = (self.metrics_path, *self.uncached)
        return tuple(path for path in self.outputs.values() if path not in others)


def model_output(outputs: Mapping[str, str]) -> str | None:
    """Return the name of the train stage's output that is the model: `model`, else the first."""
    return "model" if "model" in outputs else next(iter(outputs), None)


@dataclass(frozen=True)
class Costs:
    """What one wrong row costs, in any unit: of a false alarm, and of a missed positive."""

    false_positive: float
    false_negative: float


@dataclass(frozen=True)
class DriftRules:
    """When `mlx drift` says drift.

    Attributes:
        max_share: the largest tolerated share of drifted columns, in [0, 1].
        values: `module:function` that makes values of rows before they are compared.
    """

    max_share: float = 0.3
    values: str | None = None


@dataclass(frozen=True)
class Schedule:
    """When what is exported to a scheduler runs, in the fields of cron; None is never.

    Attributes:
        train: the pipeline, and then the promotion.
        drift: the comparison of `new_rows`, a file, with what the champion was trained on.
    """

    train: str | None = None
    drift: str | None = None
    new_rows: str | None = None


@dataclass(frozen=True)
class Card:
    """What only people know of a model, for its card; None is what nobody has written yet."""

    owner: str | None = None
    contact: str | None = None
    license: str | None = None
    intended_use: str | None = None
    out_of_scope: str | None = None
    limitations: str | None = None
    ethical_considerations: str | None = None


@dataclass(frozen=True)
class Environment:
    """A place that models are promoted to; its name is the registry alias.

    Attributes:
        tracking: MLflow tracking URI; None means the store in the project's root.
        registry: MLflow registry URI; None means that of the tracking store.
        requires: environment whose current version alone may come here.
        branch: git branch that means this environment in CI.
        remote: DVC remote of its data; None means DVC's default.
        target: that the training runs on; None means what the stage says.
        approvers: one of them must agree to a promotion; `anyone` is whoever else.
        pushed: whether commit and data must be on their remotes, where there are any.
        gates: judged after the project's own.
    """

    name: str
    tracking: str | None = None
    requires: str | None = None
    branch: str | None = None
    remote: str | None = None
    target: str | None = None
    approvers: tuple[str, ...] = ()
    pushed: bool = True
    registry: str | None = None
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class RemoteTarget:
    """A machine reached over SSH.

    Attributes:
        path: folder for mlx there.
        python: version of the environment's interpreter, such as `3.11`; None for the one here.
        gpus: how many a stage gets for itself.
        env: variables for everything that mlx does there.
        setup: lines of shell before anything else.
        requirements: file with what the environment has; None for what is installed here.
    """

    name: str
    ssh: str
    path: str = "~/mlx"
    python: str | None = None
    gpus: int = 0
    env: Mapping[str, str] = field(default_factory=dict)
    setup: str | None = None
    requirements: str | None = None


@dataclass(frozen=True)
class Project:
    """One project: its root folder and everything its `mlx.yaml` says.

    Attributes:
        read: arguments of `pandas.read_csv` for CSV files that no stage makes.
        dvc: more that dvc.yaml says beside the stages.
    """

    root: Path
    name: str
    package: str
    task: Task
    target: str
    stages: Mapping[str, Stage]
    positive: str | int | float | bool | None = None
    key: str | None = None
    time: str | None = None
    protected: tuple[str, ...] = ()
    costs: Costs | None = None
    read: Mapping[str, Any] = field(default_factory=dict)
    gates: tuple[Gate, ...] = ()
    drift: DriftRules = field(default_factory=DriftRules)
    schedule: Schedule = field(default_factory=Schedule)
    card: Card = field(default_factory=Card)
    dvc: Mapping[str, Any] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)
    targets: Mapping[str, RemoteTarget] = field(default_factory=dict)

    def gates_of(self, environment: Environment) -> tuple[Gate, ...]:
        """Return the gates before an environment: the project's, and then its own."""
        return (*self.gates, *environment.gates)

    @cached_property
    def train_stage(self) -> Stage | None:
        """The one stage of kind `train`, if there is one."""
        return next((s for s in self.stages.values() if s.kind == "train"), None)

    @cached_property
    def evaluate_stage(self) -> Stage | None:
        """The first stage of kind `evaluate`, if there is one."""
        return next((s for s in self.stages.values() if s.kind == "evaluate"), None)

    def read_options(self, path: str) -> Mapping[str, Any]:
        """Return how a CSV file is read: as `read` says, unless a stage makes it."""
        made = any(path == output for stage in self.stages.values() for output in stage.outputs.values())
        is_csv = path.lower().removesuffix(".gz").endswith(CSV_SUFFIXES)
        return self.read if is_csv and not made else {}

    @property
    def model_path(self) -> str | None:
        """Path of the train stage's model directory, None without one."""
        outputs = self.train_stage.outputs if self.train_stage is not None else {}
        name = model_output(outputs)
        return outputs[name] if name is not None else None

    @property
    def run_record_path(self) -> str | None:
        """Path of the small file beside the model that names the run which trained it."""
        return None if self.model_path is None else f"{self.model_path}.run.json"

    @property
    def evaluation_rows_path(self) -> str | None:
        """Path of the rows that models are scored on: the evaluate stage's input `test`."""
        return None if self.evaluate_stage is None else self.evaluate_stage.inputs.get("test")

    @property
    def metric_files(self) -> tuple[str, ...]:
        """Files that a run rewrites although git has them."""
        paths = (path for s in self.stages.values() for path in (s.metrics_path, *s.uncached))
        return tuple(path for path in paths if path is not None)

    @property
    def state_dir(self) -> Path:
        """Where mlx keeps what it can lose: locks, memo, logs."""
        return self.root / ".mlx"
