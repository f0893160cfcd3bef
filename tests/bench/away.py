"""What does it cost to run a stage on another machine? The machine is an sshd on loopback.

    python tests/bench/away.py --pairs 3

Prints medians: a training here and there, in turns; files that travel, beside plain rsync of the same files
over the same ssh; how late a line of the log arrives, and how long it takes after a cut. Run it on a machine
with nothing else to do. The environment there is not built but stood in for, see `tests/box.py`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[2]))

from engine import change_trees, timed
from projects import make_mlx, shell, write
from tests.box import HOST, Box, box_in, missing

SMALL_FILES, SMALL_BYTES = 10_000, 4_000
LARGE_BYTES = 1_000_000_000
TICK_SECONDS, TICKS = 0.2, 150
TARGETS = f"targets:\n  gpu: {{ssh: {HOST}, requirements: box.txt}}\n"
HEADER = "mlx: 1\nproject: sent\npackage: sent\ntask: regression\ntarget: y\n"
CARRY = f"""\
{HEADER}{TARGETS}stages:
  count:
    cmd: find -L data -type f | wc -l > count.txt
    inputs: [data]
    outputs: [count.txt]
"""
TICKER = f"""\
{HEADER}{TARGETS}stages:
  tick:
    cmd: python tick.py
    inputs: [tick.py]
    outputs: [done.txt]
"""
TICK = f"""\
import time

for _ in range({TICKS}):
    print(time.time(), flush=True)
    time.sleep({TICK_SECONDS})
open("done.txt", "w").write("done")
"""


def sent_project(folder: Path, config: str, files: dict[str, str]) -> Path:
    """Make a project of one stage, with nothing run."""
    write(folder, {"mlx.yaml": config, "box.txt": "", "src/sent/__init__.py": "", **files})
    shell("git init -q . && git config user.email b@example.org && git config user.name bench", folder)
    shell("dvc init -q && dvc config core.analytics false && mlx check --fix", folder)
    return folder


def training(scratch: Path, pairs: int) -> dict[str, list[float]]:
    """Time a training with a parameter never used, here and there; and there again with nothing to do."""
    folder = make_mlx(scratch / "training")
    config = folder / "mlx.yaml"
    config.write_text(config.read_text() + TARGETS)
    write(folder, {"box.txt": ""})
    shell("mlx check --fix && git add -A && git commit -qm targets && mlx run", folder)
    there, here = ["mlx", "train", "--on", "gpu"], ["mlx", "train"]
    change_trees(folder, 200)
    found = {"training there, the first time": [timed(there, folder)]}
    for number in range(pairs):
        for name, command in (("training here", here), ("training there", there)):
            change_trees(folder, 201 + 2 * number + (command is there))
            found.setdefault(name, []).append(timed(command, folder))
        found.setdefault("nothing to do there", []).append(timed(there, folder))
    return found


def carried(scratch: Path, box: Box, name: str, sizes: list[int]) -> dict[str, list[float]]:
    """Time files on their way to a stage, beside rsync of them to a new folder over the same ssh."""
    folder = sent_project(scratch / name, CARRY, {})
    data = folder / "data"
    data.mkdir()
    for number, size in enumerate(sizes):
        (data / f"{number:05}.bin").write_bytes(os.urandom(size))
    shell("dvc add -q data", folder)
    time.sleep(2.5)  # files hashed within two seconds of their last change are hashed once more
    shell("mlx run", folder)
    there = ["mlx", "run", "--force", "--on", "gpu", "count"]
    first, again = timed(there, folder), timed(there, folder)
    target = f"{HOST}:{box.home}/plain-{name}/"
    plain = timed(["rsync", "-a", "-e", "ssh -o BatchMode=yes", f"{data}/", target], folder)
    shutil.rmtree(data)
    return {f"{name}, the first time": [first], f"{name}, there already": [again], f"{name}, rsync": [plain]}


def listened(scratch: Path, box: Box) -> dict[str, list[float]]:
    """Measure how late lines of a log arrive, and after a cut, how long none does."""
    folder = sent_project(scratch / "ticks", TICKER, {"tick.py": TICK})
    log = folder / ".mlx" / "logs" / "tick.log"
    command = ["mlx", "run", "--on", "gpu", "tick"]
    late, gap, seen, cut_at = [], [], 0, 0.0
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while run.poll() is None:
            time.sleep(0.002)
            lines = log.read_text().split("\n")[:-1] if log.exists() else []
            now = time.time()
            new, seen = lines[seen:], len(lines)
            if new and cut_at and not gap:
                gap.append(now - cut_at)
            elif not cut_at:
                late += [now - float(line) for line in new]
            if seen >= TICKS // 2 and not cut_at:
                cut_at = now
                box.cut()
    lines = log.read_text().split("\n")[:-1]
    if run.returncode != 0 or len(lines) != TICKS or len(set(lines)) != TICKS:
        sys.exit(f"the log is not whole: {len(lines)} lines, exit status {run.returncode}")
    return {"a line of the log": late[1:], "the next line after a cut": gap}


def main() -> None:
    """Run all scenarios and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    if (tool := missing()) is not None:
        sys.exit(f"{tool} is not installed")
    with tempfile.TemporaryDirectory(prefix="mlx-bench-") as name:
        scratch = Path(name).resolve()
        with box_in(scratch / "box") as box:
            os.environ["PATH"] = f"{box.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
            found = training(scratch, options.pairs)
            found |= carried(scratch, box, f"{SMALL_FILES:,} files", [SMALL_BYTES] * SMALL_FILES)
            found |= carried(scratch, box, "1 GB in one file", [LARGE_BYTES])
            found |= listened(scratch, box)
    for what, times in found.items():
        sys.stdout.write(f"| {what} | {median(times):.2f} s | of {len(times)} |\n")


if __name__ == "__main__":
    main()
