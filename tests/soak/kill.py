"""Kill `mlx run` with SIGKILL, many times and in many places, and see what is left.

    python tests/soak/kill.py --kills 200 --links copy,hardlink,symlink,reflink --seed 1 --json kills.json

A round makes the project stale, starts a run, kills it, looks at once, lets the next run put all in order,
and looks again. It needs Linux. Reflinks need a file system that has them; root gets one for as long as the
command runs by `unshare -m sh -c 'mount -o loop IMAGE FOLDER && python tests/soak/kill.py --folder FOLDER'`,
where IMAGE was made by `mkfs.btrfs`.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))

import processes
import subject as project
from points import POINTS, Point, Side, Victim, locate
from rounds import SINGLE, Plan, Round, Soak, Twin

if TYPE_CHECKING:
    from collections.abc import Iterator


LINKS = ("copy", "hardlink", "symlink", "reflink")
QUIET = {
    "MLX_WARM": "0",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "NO_COLOR": "1",
}


def steps(which: str) -> list[tuple[Point, Side]]:
    """Return `all` steps, `one` side of each, `none`, or those that hold a text in their names."""
    match which:
        case "all":
            return [(point, side) for point in POINTS for side in point.sides]
        case "one":
            return [(point, point.sides[number % len(point.sides)]) for number, point in enumerate(POINTS)]
        case "none":
            return []
        case _:
            return [(point, side) for point in POINTS for side in point.sides if which in point.name]


def plans(kills: int, author: random.Random, named: list[tuple[Point, Side]]) -> Iterator[Plan]:
    """Yield the named steps in any order, and then kills at random moments, `kills` in all."""
    author.shuffle(named)
    for number in range(kills):
        patient = author.random() < 0.5
        if number < len(named):
            point, side = named[number]
            passage = author.randint(1, point.passages)
            victim: Victim = author.choice(("group", "group", "all", "self"))
            yield Plan(author.choice(point.edits), victim, point, side, passage, patient)
        else:
            chosen = author.choice(("group", "group", "all", *SINGLE))
            edits = author.sample([*project.EDITS], author.choice((1, 2, 2, 3)))
            if chosen in SINGLE:
                edits.append(author.choice(("new pieces", "new parts")))
            yield Plan(" + ".join(edits), chosen, patient=patient)


def has_reflinks(folder: Path) -> bool:
    """Whether the file system of a folder shares blocks between files."""
    with tempfile.NamedTemporaryFile(dir=folder) as one, tempfile.NamedTemporaryFile(dir=folder) as other:
        one.write(b"text")
        one.flush()
        try:
            fcntl.ioctl(other.fileno(), 0x40049409, one.fileno())
        except OSError:
            return False
    return True


def summary(rounds: list[Round]) -> list[str]:
    """Return a line per link type and kind of kill, and each problem with where it was met."""
    killed: Counter[tuple[str, str]] = Counter()
    missed: Counter[tuple[str, str]] = Counter()
    failed: Counter[tuple[str, str]] = Counter()
    for found in rounds:
        key = (found.link, found.where)
        killed[key] += found.killed
        missed[key] += not found.killed
        failed[key] += bool(found.problems)
    lines = []
    for key in sorted({*killed}):
        rest = f", {missed[key]} not reached" if missed[key] else ""
        lines.append(f"{key[0]:9} {key[1]:40} {killed[key]} killed{rest}, {failed[key]} failed")
    for link in sorted({found.link for found in rounds}):
        mine = [found for found in rounds if found.link == link]
        slowest = max(found.seconds_until_gone for found in mine)
        left = Counter(name for found in mine for name in found.leftovers).total()
        lines.append(
            f"{link}: {sum(f.killed for f in mine)} kills, {sum(bool(f.problems) for f in mine)} failed, "
            f"all processes gone within {slowest:.1f} s, {left} temporary files left"
        )
    return lines


def main() -> int:
    """Do the rounds; the exit code is 1 when something was wrong."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--kills", type=int, default=200, help="on each link type")
    parser.add_argument("--links", default=",".join(LINKS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", default="all", help="all, one (side of each), none, or a text in names")
    parser.add_argument("--together", type=int, default=1, help="kills before the run that is let finish")
    parser.add_argument("--part", default="1/1", help="do this share only: 1/4, 2/4, ... beside each other")
    parser.add_argument("--folder", type=Path, help="where to work, else the system's temporary folder")
    parser.add_argument("--keep", action="store_true", help="leave the folder there")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.update(QUIET)
    scratch = Path(tempfile.mkdtemp(prefix="mlx-soak-", dir=options.folder)).resolve()
    processes.prepare()
    for point in POINTS:
        locate(point)
    rounds: list[Round] = []
    try:
        base = project.make(scratch / "base")
        twin = Twin(scratch, base)
        soaks: dict[str, Soak] = {}
        for link in options.links.split(","):
            if link == "reflink" and not has_reflinks(scratch):
                sys.stdout.write("reflink   is not supported by the file system here: nothing counted\n")
                continue
            soaks[link] = Soak(scratch / link, base, link, options.seed, twin)
        planned = list(plans(options.kills, random.Random(options.seed), steps(options.steps)))
        part, parts = map(int, options.part.split("/"))
        planned = planned[part - 1 :: parts]
        for number, plan in enumerate(planned, 1):
            last = number % options.together == 0 or number == len(planned)
            for link, soak in soaks.items():
                found = soak.round(plan, last=last)
                rounds.append(found)
                mark = "FAILED" if found.problems else "ok" if found.killed else "not reached"
                where = f"{len(rounds):4} {link:9} {plan.where:40} {plan.victim:9}"
                sys.stderr.write(f"{where} {plan.edit}: {mark}\n")
                sys.stderr.writelines(f"       {problem}\n" for problem in found.problems)
                if options.json:
                    options.json.write_text(json.dumps([asdict(r) for r in rounds], indent=1) + "\n")
    finally:
        if not options.keep and not any(found.problems for found in rounds):
            shutil.rmtree(scratch, ignore_errors=True)
    sys.stdout.write("\n".join([*summary(rounds), ""]))
    return int(any(found.problems for found in rounds))


if __name__ == "__main__":
    sys.exit(main())
