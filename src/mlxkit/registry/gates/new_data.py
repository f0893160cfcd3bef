"""No drift between the rows that a model was trained on and the newest data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.evaluation.drift import FEWEST_ROWS, check_drift
from mlxkit.evaluation.profile import read_profile
from mlxkit.pipeline.new_rows import compared_rows, new_rows
from mlxkit.registry.gates.verdict import GateVerdict, listed

if TYPE_CHECKING:
    from mlxkit.project.gates import DriftGate
    from mlxkit.registry.gates.trial import Trial


def judge_drift(gate: DriftGate, trial: Trial) -> GateVerdict:
    """Compare a file with this model's training rows, as `mlx drift` does with the champion's.

    Too few rows to tell are a refusal.

    Raises:
        DataError: the file cannot be used.
        ToolError: the model has no reference profile.
    """
    project, directory = trial.project, trial.challenger.directory
    file = project.root / gate.path
    rows = new_rows(project, file)
    profile = read_profile(directory)
    values = compared_rows(profile, directory, rows, file)
    limit = project.drift.max_share
    found = check_drift(values, profile, max_share=limit, time=project.time, written=rows)
    counted = [column for column in found.columns if column.counted]
    drifted = [column.column for column in counted if column.drifted]
    share = f"{len(drifted)} of {len(counted)} columns drifted"
    named = f" ({listed(drifted)})" if drifted else ""
    text = f"{share}{named} in {found.rows:,} rows, at most {limit:.0%} of them may"
    if found.verdict == "unknown":
        few = f"has {found.rows:,} rows, and it takes {FEWEST_ROWS} to tell"
        text = f"'{gate.path}' {few if found.rows < FEWEST_ROWS else 'has no column to compare'}"
    return GateVerdict(str(gate), found.verdict == "none", found.share, limit, text)
