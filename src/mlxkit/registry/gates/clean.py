"""Does a model predict where nothing is installed but what it says that it needs?"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.adapters import clean_load
from mlxkit.errors import DataError, ToolError
from mlxkit.pipeline.lock import held
from mlxkit.registry.gates.apart import run_apart
from mlxkit.registry.gates.verdict import GateVerdict

if TYPE_CHECKING:
    from mlxkit.project.gates import LoadsGate
    from mlxkit.registry.gates.trial import Trial

FOLDER = "environments"
"""Below `.mlx`: environments by the hash of what is in them."""
_REQUIREMENTS, _COMPLETE = "requirements.txt", "complete"
_ROWS, _KEPT = 5, 2
_OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX")


@dataclass(frozen=True)
class _Deadline:
    """What is left of the time that the gate has."""

    seconds: float
    until: float

    @property
    def left(self) -> float:
        return max(self.until - time.monotonic(), 0.1)


def judge_loads(gate: LoadsGate, trial: Trial) -> GateVerdict:
    """Build an environment of the model's requirements, or take that of an earlier time, and predict in it.

    Raises:
        DataError: the model records no requirements, or there are no evaluation rows.
        ToolError: the time is over.
    """
    directory, inputs = trial.challenger.directory, trial.inputs.head(_ROWS)
    requirements = directory / _REQUIREMENTS
    if not requirements.is_file():
        raise DataError("the model records no requirements", context=[str(requirements)])
    deadline = _Deadline(gate.timeout, time.monotonic() + gate.timeout)
    environment = trial.project.state_dir / FOLDER / _name(requirements)
    try:
        # No other promotion in this project may remove it, or build the same one, meanwhile.
        busy = ToolError("another promotion builds an environment")
        with held(environment.parent.with_suffix(".lock"), until=deadline.until, refusal=busy):
            problem = _built(environment, requirements, deadline) or _tried(
                environment, directory, inputs, deadline
            )
            _forget_others(environment)
    except ToolError as error:
        raise ToolError(f"it took longer than {gate.timeout:g} s, the limit of the gate") from error
    if problem:
        return GateVerdict(str(gate), False, None, None, problem)
    reason = f"it predicts {len(inputs)} rows in a new environment of its {_REQUIREMENTS}"
    return GateVerdict(str(gate), True, None, None, reason)


def _name(requirements: Path) -> str:
    """Name an environment by all that decides what is in it."""
    parts = (requirements.read_bytes(), platform.python_version().encode(), platform.platform().encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _built(environment: Path, requirements: Path, deadline: _Deadline) -> str:
    """Build the environment, unless a complete one is there; return what is wrong, or nothing."""
    if (environment / _COMPLETE).is_file():
        (environment / _COMPLETE).touch()
        return ""
    shutil.rmtree(environment, ignore_errors=True)
    environment.parent.mkdir(parents=True, exist_ok=True)
    python = str(environment / "bin/python")
    uv = shutil.which("uv")
    if uv is not None:
        steps = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(environment)],
            [uv, "pip", "install", "--quiet", "--python", python, "-r", str(requirements)],
        ]
    else:
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)]
        steps = [[sys.executable, "-m", "venv", str(environment)], [python, *install]]
    for step in steps:
        said = run_apart(step, seconds=deadline.left, env=_clean_variables())
        if said:
            tool = "uv" if uv is not None else "pip"
            return f"its requirements cannot be installed: {tool} says {_told(said)}"
    (environment / _COMPLETE).touch()
    return ""


def _tried(environment: Path, directory: Path, inputs: object, deadline: _Deadline) -> str:
    with tempfile.TemporaryDirectory(prefix="mlx-clean-") as folder:
        rows = Path(folder, "rows.pkl")
        inputs.to_pickle(rows)  # type: ignore[attr-defined]
        # Isolated: neither mlx nor what this process sees is there to be imported.
        command = [
            str(environment / "bin/python"),
            "-I",
            "-B",
            clean_load.__file__,
            str(directory.resolve()),
            str(rows),
        ]
        said = run_apart(command, seconds=deadline.left, env=_clean_variables(), cwd=Path(folder))
    return f"it does not load and predict in a new environment: {said[-1]}" if said else ""


def _clean_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _OURS}


def _told(said: list[str]) -> str:
    """Return what a tool says is wrong: its last line that calls itself an error, else its last three."""
    marked = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")]
    return marked[-1] if marked else " ".join(said[-3:])


def _forget_others(environment: Path) -> None:
    """Keep the environments that were used last; each takes about a gigabyte."""
    others = [path for path in environment.parent.iterdir() if path != environment and path.is_dir()]
    used = {
        path: (path / _COMPLETE).stat().st_mtime if (path / _COMPLETE).is_file() else 0.0 for path in others
    }
    for path in sorted(others, key=lambda path: used[path])[: max(0, len(others) - _KEPT + 1)]:
        shutil.rmtree(path, ignore_errors=True)
