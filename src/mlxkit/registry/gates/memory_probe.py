"""A process of its own: load a model, predict rows, write the peak of the memory that this took."""

from __future__ import annotations

import json
import pickle
import resource
import sys
from pathlib import Path

from mlxkit.adapters.mlflow_model import load_model


def peak() -> int:
    """Return the peak of this process's resident memory, in bytes.

    Linux's `ru_maxrss` starts with that of the process which started this one; `VmHWM` does not.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main(directory: str, rows: str, answer: str) -> None:
    """Measure; the answer goes to a file, because a model may print."""
    model = load_model(Path(directory))
    model.predict(pickle.loads(Path(rows).read_bytes()))
    Path(answer).write_text(json.dumps({"peak": peak()}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
