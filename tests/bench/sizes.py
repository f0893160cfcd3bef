"""What do `mlx init` and the first `mlx run` cost on a file of 7,000, 100,000 and 1,000,000 rows?

    python tests/bench/sizes.py --rows 7000 --rows 100000 --rows 1000000

Each file has 20 columns (numbers, categories, dates, yes and no, with gaps), one of them a class to predict.
Prints the wall time of each part, how much of a run was the fitting of models, and the most memory that all
its processes held together. Run it on a machine with nothing else to do; every process starts anew.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FITTING = ("choose", "train")
COLD = {"MLX_WARM": "0", "DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


@dataclass(frozen=True)
class Done:
    """A command that ended well: what it printed, seconds that it took, bytes that it held at most."""

    printed: dict[str, Any]
    seconds: float
    memory: int


def write_table(path: Path, rows: int) -> None:
    """Write a CSV file with 19 columns to learn from and a class that some of them tell."""
    draw = np.random.default_rng(rows)
    numbers = draw.normal(size=(rows, 10))
    plan = draw.choice(["basic", "plus", "pro"], rows, p=[0.5, 0.3, 0.2])
    region = draw.choice([f"region {n}" for n in range(40)], rows)
    risk = numbers[:, 0] + np.sin(2 * numbers[:, 1]) + numbers[:, 2] * numbers[:, 3] + (plan == "basic")
    table = pd.DataFrame({f"measure_{n}": numbers[:, n].round(4) for n in range(10)})
    table["plan"], table["region"] = plan, region
    table["joined"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 1800, rows), unit="D")
    table["visits"] = draw.poisson(3, rows)
    table["amount"] = draw.lognormal(3, 1, rows).round(2)
    table["age"] = draw.integers(18, 90, rows)
    for name in ("newsletter", "app", "support"):
        table[name] = draw.choice(["yes", "no"], rows)
    table["left"] = np.where(draw.logistic(size=rows) < risk - 1, "yes", "no")
    table.loc[draw.random(rows) < 0.05, "measure_0"] = np.nan
    table.loc[draw.random(rows) < 0.05, "region"] = None
    table.to_csv(path, index=False)


def measured(command: list[str], folder: Path) -> Done:
    """Run a command that prints JSON.

    Raises:
        SystemExit: it failed.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*command, "--json"],
            cwd=folder,
            env={**os.environ, **COLD},
            stdout=printed,
            stderr=errors,
        )
        most = [0]
        watcher = threading.Thread(target=_watch, args=(process, most))
        watcher.start()
        process.wait()
        took = time.perf_counter() - started
        watcher.join()
        printed.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)} failed in {folder}:\n{errors.read()[-3000:]}")
        return Done(json.load(printed), took, most[0])


def _watch(process: subprocess.Popen[bytes], most: list[int]) -> None:
    while process.poll() is None:
        most[0] = max(most[0], _held(process.pid))
        time.sleep(0.2)


def _held(root: int) -> int:
    """Add up the proportional memory of a process and all below it, bytes."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(_proportional(pid) for pid in family)


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def line_of(rows: int, scratch: Path) -> dict[str, str]:
    """Build a project from so many rows, run it, and return a line of the table: title -> cell."""
    path = scratch / "rows.csv"
    write_table(path, rows)
    begun = measured(["mlx", "init", "people", "--data", str(path), "--target", "left"], scratch)
    ran = measured(["mlx", "run"], scratch / "people")
    parts = {stage["name"]: stage["seconds"] for stage in ran.printed["stages"]}
    fitting = sum(parts.get(name, 0.0) for name in FITTING)
    report = (scratch / "people" / "reports" / "evaluation.html").stat().st_size
    return {
        "rows": f"{rows:,}",
        "file": f"{path.stat().st_size / 1e6:.0f} MB",
        "init": f"{begun.seconds:.1f} s",
        "its memory": f"{begun.memory / 1e9:.1f} GB",
        "run": f"{ran.seconds:.1f} s",
        "memory": f"{ran.memory / 1e9:.1f} GB",
        **{name: f"{seconds:.1f} s" for name, seconds in parts.items()},
        "fitting": f"{fitting / ran.seconds:.0%}",
        "report": f"{report / 1000:.0f} KB",
    }


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, action="append", required=True)
    titled = False
    for rows in parser.parse_args().rows:
        with tempfile.TemporaryDirectory(prefix="mlx-sizes-") as scratch:
            line = line_of(rows, Path(scratch))
        if not titled:
            sys.stdout.write(f"| {' | '.join(line)} |\n|{'---:|' * len(line)}\n")
            titled = True
        sys.stdout.write(f"| {' | '.join(line.values())} |\n")


if __name__ == "__main__":
    main()
