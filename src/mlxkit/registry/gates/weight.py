"""What a model takes: room on the disk, and memory while it predicts."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.errors import ToolError
from mlxkit.registry.gates.apart import run_apart
from mlxkit.registry.gates.verdict import GateVerdict

if TYPE_CHECKING:
    from mlxkit.project.gates import MemoryGate, SizeGate
    from mlxkit.registry.gates.trial import Trial

_UNITS = ("B", "kB", "MB", "GB", "TB")
_SECONDS = 1800.0


def judge_size(gate: SizeGate, trial: Trial) -> GateVerdict:
    """Judge the size of all files of the model."""
    files = [path for path in trial.challenger.directory.rglob("*") if path.is_file()]
    value = sum(path.stat().st_size for path in files)
    return _within(gate, value, "the model takes", f"in {len(files)} files")


def judge_memory(gate: MemoryGate, trial: Trial) -> GateVerdict:
    """Judge the peak memory of a new process that loads the model and predicts all evaluation rows at once.

    Interpreter and libraries count, as they do in a container.

    Raises:
        DataError: there are no evaluation rows.
        ToolError: the process failed.
    """
    inputs = trial.inputs
    with tempfile.TemporaryDirectory(prefix="mlx-memory-") as folder:
        rows, answer = Path(folder, "rows.pkl"), Path(folder, "peak.json")
        inputs.to_pickle(rows)
        directory = str(trial.challenger.directory.resolve())
        command = [
            sys.executable,
            "-m",
            "mlxkit.registry.gates.memory_probe",
            directory,
            str(rows),
            str(answer),
        ]
        # It imports what this process does: a model's own modules need not be installed.
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        said = run_apart(command, seconds=_SECONDS, env=env)
        if not answer.is_file():
            raise ToolError("the process that measures memory failed", context=said[-1:])
        value = int(json.loads(answer.read_text(encoding="utf-8"))["peak"])
    return _within(gate, value, "loading it and predicting", f"{len(inputs):,} rows takes", first=False)


def bytes_text(value: float) -> str:
    """Return a size in decimal units, as disks have them."""
    place = 0
    while value >= 1000 and place < len(_UNITS) - 1:
        value, place = value / 1000, place + 1
    return f"{value:.0f} {_UNITS[place]}" if place == 0 else f"{value:.3g} {_UNITS[place]}"


def _within(
    gate: SizeGate | MemoryGate, value: int, before: str, after: str, *, first: bool = True
) -> GateVerdict:
    passed = value <= gate.limit
    text = f"{before} {bytes_text(value)} {after}" if first else f"{before} {after} {bytes_text(value)}"
    return GateVerdict(str(gate), passed, value, gate.limit, f"{text}, at most {gate.text} is allowed")
