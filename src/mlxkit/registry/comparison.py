"""What a comparison of two registered or recorded models found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mlxkit.report.words import signed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.adapters.git_commits import FileChange
    from mlxkit.evaluation.facts import Estimate, Importance
    from mlxkit.evaluation.facts_of_pairs import MetricPair, Paired
    from mlxkit.evaluation.training_rows import Overlap
    from mlxkit.registry.named_model import NamedModel


@dataclass(frozen=True)
class Side:
    """One of the two models.

    Attributes:
        task, target: what it predicts, as its run recorded it; None where that is not known.
        columns: what it takes; () where its signature names none.
        problem: why it was not scored on the evaluation rows; None when it was.
        known: how many of those rows it was trained on; None where it does not tell.
        recorded: metrics that its own run recorded, with intervals where that kept them.
        importance: of its columns on the evaluation rows, the largest first.
    """

    named: NamedModel
    task: str | None
    target: str | None
    columns: tuple[str, ...]
    problem: str | None = None
    known: Overlap | None = None
    recorded: Mapping[str, Estimate] = field(default_factory=dict)
    importance: tuple[Importance, ...] = ()

    @property
    def title(self) -> str:
        """What to call it in a sentence."""
        return self.named.title

    @property
    def short(self) -> str:
        """What to call it in a heading."""
        return self.named.short

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        run, version = self.named.run, self.named.version
        return {
            "model": self.title,
            "version": version.version if version else None,
            "aliases": list(version.aliases) if version else [],
            "run_id": self.named.run_id,
            "started": run.started.isoformat() if run else None,
            "commit": run.commit if run else None,
            "dirty": run.dirty if run else None,
            "in_workspace": self.named.in_workspace,
            "task": self.task,
            "target": self.target,
            "problem": self.problem,
            "trained_on": self.known.share if self.known else None,
            "recorded": {name: estimate.value for name, estimate in self.recorded.items()},
        }


@dataclass(frozen=True)
class Change:
    """A value that differs: of a parameter, or the hash of an input; None where one model has none."""

    name: str
    first: str | None
    second: str | None


@dataclass(frozen=True)
class CodeChange:
    """What differs between the commits of two models.

    Attributes:
        files: None when this repository does not have both commits.
        command: shows all of it; None without two commits.
    """

    first: str | None
    second: str | None
    files: tuple[FileChange, ...] | None
    command: str | None

    @property
    def same(self) -> bool:
        """Whether both were trained at one commit."""
        return self.first is not None and self.first == self.second


@dataclass(frozen=True)
class ModelComparison:
    """Two models side by side; `gain` and verdicts are of the second over the first.

    Attributes:
        same: whether both names mean one model.
        rows: path of the evaluation rows; None where the project has none.
        paired: what both do on those rows; None where they could not both be scored.
        own: metrics of the project's own function.
        measured: the metric whose loss importance is.
        notes: what a reader must know, most important first.
    """

    first: Side
    second: Side
    same: bool
    rows: str | None
    paired: Paired | None
    own: tuple[MetricPair, ...]
    params: tuple[Change, ...]
    params_alike: int
    inputs: tuple[Change, ...]
    inputs_alike: int
    code: CodeChange
    measured: str | None
    notes: tuple[str, ...]

    @property
    def metrics(self) -> tuple[MetricPair, ...]:
        """Every metric that was measured on the same rows."""
        return (*(self.paired.metrics if self.paired else ()), *self.own)

    def to_json(self) -> dict[str, Any]:
        """Return the document of `mlx compare --json`."""
        paired = self.paired
        return {
            "first": self.first.to_json(),
            "second": self.second.to_json(),
            "same": self.same,
            "rows": {
                "path": self.rows,
                "rows": paired.rows if paired else None,
                "labelled": paired.labelled if paired else None,
                "resamples": paired.method.resamples if paired else None,
            },
            "headline": paired.headline if paired else None,
            "metrics": [_metric(pair) for pair in self.metrics],
            "groups": [
                {"column": group.column, "value": group.value, "rows": group.rows}
                | (_metric(group.pair) if group.pair else {"metric": None})
                for group in (paired.groups if paired else ())
            ],
            "disagreement": asdict(paired.disagreement) if paired else None,
            "params": [asdict(change) for change in self.params],
            "inputs": [asdict(change) for change in self.inputs],
            "code": {
                "first": self.code.first,
                "second": self.code.second,
                "files": None if self.code.files is None else [asdict(change) for change in self.code.files],
                "command": self.code.command,
            },
            "importance": {"metric": self.measured, "columns": self._importance()},
            "notes": list(self.notes),
        }

    def _importance(self) -> list[dict[str, Any]]:
        return [
            {"column": column, "first": first, "second": second}
            for column, first, second in importance_of(self)
        ]


def importance_of(found: ModelComparison) -> list[tuple[str, float | None, float | None]]:
    """Return each column with its loss in both models, the largest of either first."""
    first = {i.column: i.loss for i in found.first.importance}
    second = {i.column: i.loss for i in found.second.importance}
    columns = dict.fromkeys([*first, *second])
    return sorted(
        ((column, first.get(column), second.get(column)) for column in columns),
        key=lambda entry: -max(value for value in entry[1:] if value is not None),
    )


def loss_text(value: float) -> str:
    """Write what a metric loses when a column is shuffled; next to nothing is nothing."""
    return "0" if abs(value) < 0.0005 else signed(value)


def _metric(pair: MetricPair) -> dict[str, Any]:
    return {
        "metric": pair.name,
        "direction": pair.direction,
        "first": _estimate(pair.first),
        "second": _estimate(pair.second),
        "difference": _estimate(pair.gain),
        "verdict": pair.verdict,
    }


def _estimate(found: Estimate | None) -> dict[str, Any] | None:
    if found is None:
        return None
    bounds = None if found.lower is None or found.upper is None else [found.lower, found.upper]
    return {"value": found.value, "interval": bounds}
