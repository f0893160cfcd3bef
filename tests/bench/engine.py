"""How fast is `mlx run` beside `dvc repro` on the same pipeline? Both sides in the same run, in turns.

    python tests/bench/engine.py BASELINE.sh --pairs 5

BASELINE.sh builds the hand-written project in the folder that it is given; with `EXPLICIT=1` the one that
names the model's requirements.

Prints a table of medians; `--json FILE` keeps the single times. Run it on a machine with nothing else to do.
mlx stands in it twice: cold, as in CI (`MLX_WARM=0`), and warm, as when it ran a minute ago.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))

from projects import make_many_files, make_mlx, make_plain, make_wide

QUIET = {"DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
COLD, WARM = {"MLX_WARM": "0"}, {"MLX_WARM": "60"}
OURS = ("mlx", "mlx, warm")
Times = dict[str, list[float]]


def timed(command: list[str], folder: Path, variables: dict[str, str] | None = None) -> float:
    """Run a command and return its wall time, seconds.

    Raises:
        SystemExit: the command failed.
    """
    started = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **QUIET, **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed in {folder}:\n{done.stderr[-3000:]}")
    return took


def change_trees(folder: Path, trees: int) -> None:
    """Set the training parameter to a value never used in this project."""
    path = folder / "params.yaml"
    text = re.sub(r"n_estimators: \d+", f"n_estimators: {trees}", path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


def life(folder: Path, command: list[str], number: int, variables: dict[str, str]) -> dict[str, float]:
    """Time a full run, a run with another parameter, and one with nothing to do."""
    times = {"full run": timed(command, folder, variables)}
    change_trees(folder, 101 + number)
    times["changed parameter"] = timed(command, folder, variables)
    times["nothing to do"] = timed(command, folder, variables)
    return times


def compare_lives(scratch: Path, baseline: Path, pairs: int) -> dict[str, Times]:
    """Time mlx and both forms of the baseline in new folders, in turns."""
    sides = {
        "mlx": (make_mlx, ["mlx", "run"], COLD),
        "dvc repro": (lambda folder: make_plain(folder, baseline), ["dvc", "repro"], {}),
        "mlx, warm": (make_mlx, ["mlx", "run"], WARM),
        "dvc repro, requirements given": (
            lambda folder: make_plain(folder, baseline, explicit=True),
            ["dvc", "repro"],
            {},
        ),
    }
    found: dict[str, Times] = {}
    for number in range(pairs):
        turn, first = list(sides.items()), number % len(sides)
        for side, (make, command, variables) in turn[first:] + turn[:first]:
            if variables == WARM:
                timed(command, make(scratch / f"before-{number}"), variables)
            folder = make(scratch / f"{side.replace(' ', '-').replace(',', '')}-{number}")
            for scenario, took in life(folder, command, number, variables).items():
                found.setdefault(scenario, {}).setdefault(side, []).append(took)
            shutil.rmtree(folder)
    return found


def compare_small(scratch: Path, pairs: int) -> dict[str, Times]:
    """Time what should cost nothing, beside the least that it could cost."""
    wide, many = make_wide(scratch / "wide", 100), make_many_files(scratch / "many", 10_000)
    for folder in (wide, many):
        timed(["mlx", "run"], folder)
    # Files hashed within two seconds of their last change are hashed once more.
    time.sleep(2.5)
    scenarios = {
        "help": {
            "mlx": (["mlx", "--help"], scratch),
            "import typer": ([sys.executable, "-c", "import typer"], scratch),
        },
        "100 stages, nothing to do": {
            "mlx": (["mlx", "run"], wide),
            "dvc repro": (["dvc", "repro"], wide),
        },
        "10,000 files, nothing to do": {
            "mlx": (["mlx", "run"], many),
            "dvc repro": (["dvc", "repro"], many),
        },
    }
    found: dict[str, Times] = {}
    for scenario, sides in scenarios.items():
        for command, folder in sides.values():
            timed(command, folder)
        for _ in range(pairs):
            for side, (command, folder) in sides.items():
                found.setdefault(scenario, {}).setdefault(side, []).append(timed(command, folder))
    return found


def lines(found: dict[str, Times]) -> list[str]:
    """Lay the medians out as a Markdown table, each side as seconds and as a multiple of mlx."""
    rows = ["| what | beside | | mlx | times | mlx, warm | times |", "|---|---|---:|---:|---:|---:|---:|"]
    for scenario, sides in found.items():
        for side, theirs in sides.items():
            if side not in OURS:
                cells = [cell for ours in OURS for cell in _compared(sides.get(ours), theirs)]
                rows.append(f"| {scenario} | {side} | {median(theirs):.2f} s | {' | '.join(cells)} |")
    return rows


def _compared(ours: list[float] | None, theirs: list[float]) -> tuple[str, str]:
    """Return the median of our times, and of the ratios of the pairs with the least of them."""
    if ours is None:
        return "", ""
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return f"{median(ours):.2f} s", f"{median(ratios):.1f} (least {min(ratios):.1f})"


def main() -> None:
    """Run all scenarios and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("baseline", type=Path, help="the script that builds the hand-written project")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=["lives", "small"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlx-bench-") as name:
        scratch = Path(name).resolve()
        found: dict[str, Times] = {}
        if options.only != "small":
            found |= compare_lives(scratch, options.baseline.resolve(), options.pairs)
        if options.only != "lives":
            found |= compare_small(scratch, options.pairs)
    sys.stdout.write("\n".join([*lines(found), ""]))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
