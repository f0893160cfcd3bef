"""What mlx itself takes in a CI job with nothing to do, once the environment stands.

    python tests/bench/ci.py [--rounds N]

Makes a project from starter data, runs, promotes and pushes it, and then plays jobs on fresh clones: checks
of `ci.yml`, the training of `train.yml` with nothing new, the promotion of `promote.yml` of what is champion
already. Each command is timed on its own, as a process; the data comes from a folder as DVC remote.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

JOBS = {
    "check": ("mlx check", "mlx status --check"),
    "train": ("mlx check", "mlx run"),
    "promote": ("mlx status --check", "mlx run", "mlx promote --to staging", "mlx history --env staging"),
    "report": ("mlx run", "mlx report --env staging"),
    "drift": ("mlx drift --data data/external/new_rows.csv --env staging",),
}


def shell(command: str, folder: Path) -> float:
    """Run a command that must succeed, and return what it took, seconds."""
    environment = {**os.environ, "CI": "true", "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "user.name"}
    environment |= {
        "GIT_CONFIG_VALUE_0": "bench",
        "GIT_CONFIG_KEY_1": "user.email",
        "GIT_CONFIG_VALUE_1": "b@b",
    }
    started = time.perf_counter()
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{command} failed:\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - started


def prepare(folder: Path) -> None:
    """Make what people have pushed: a git repository and a DVC remote, with a model in staging."""
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/store/mlflow.db"
    (folder / "store").mkdir()
    shell("mlx init cells --task classification && git init -q --bare origin.git", folder)
    root = folder / "cells"
    shell(f"dvc remote add --default store '{folder}/remote' && git commit -qam remote", root)
    shell("mlx run && dvc push", root)
    shell(f"git add -A && git commit -qm model && git push -q '{folder}/origin.git' HEAD:main", root)
    shell(f"git remote add origin '{folder}/origin.git' && git fetch -q origin", root)
    shell("mlx promote --to staging", root)


def job(folder: Path, commands: tuple[str, ...]) -> list[float]:
    """Clone, fetch what the job's cache would hold, and time each command."""
    clone = folder / "job"
    shutil.rmtree(clone, ignore_errors=True)
    shell(f"git clone -q -b main '{folder}/origin.git' job", folder)
    if commands[0].startswith("mlx drift"):
        shell("dvc pull data/external/new_rows.csv", clone)
    return [shell(command, clone) for command in commands]


def main() -> None:
    """Print the median of each command, and of each job."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="mlx-bench-") as name:
        folder = Path(name).resolve()
        prepare(folder)
        for title, commands in JOBS.items():
            seconds = [job(folder, commands) for _ in range(rounds)]
            whole = statistics.median(sum(each) for each in seconds)
            sys.stdout.write(f"{title}: {whole:.2f} s\n")
            for number, command in enumerate(commands):
                median = statistics.median(each[number] for each in seconds)
                sys.stdout.write(f"    {median:6.2f} s  {command}\n")


if __name__ == "__main__":
    main()
