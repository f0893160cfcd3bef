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
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

import checks
import processes
import subject as project
from points import POINTS, Point, Side, Strike, Victim, kill_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from subject import Author, Subject

LINKS = ("copy", "hardlink", "symlink", "reflink")
SINGLE = ("template", "keeper", "job", "child")
ORPHANS_SECONDS, RUN_SECONDS = 30.0, 180.0
QUIET = {"DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Plan:
    """One round: what becomes stale, and how the run is killed.

    Attributes:
        point: the step; None for a random moment.
        victim: of a step; else also one of `SINGLE`.
        patient: whether the next run starts only after all of the killed one have gone.
    """

    edit: str
    victim: str
    point: Point | None = None
    side: Side = "before"
    passage: int = 1
    patient: bool = True

    @property
    def where(self) -> str:
        """The kind of kill, for the summary."""
        return f"{self.side} {self.point.name}" if self.point else f"at a random moment: {self.victim}"


@dataclass
class Round:
    """What one round found."""

    link: str
    where: str
    edit: str
    victim: str
    patient: bool
    passage: int
    killed: bool = False
    seconds_until_gone: float = 0.0
    next_run: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Twin:
    """An undisturbed project: what metrics and hashes should be, by parameters and raw data."""

    def __init__(self, scratch: Path, base: Subject) -> None:
        self._subject = project.copy(base, scratch / "twin", "copy")
        self._log = scratch / "twin-log"
        self._known: dict[str, tuple[Any, dict[str, str]]] = {}

    def expected(self, subject: Subject) -> tuple[Any, dict[str, str]]:
        """Return metrics, and hashes of all outputs but the one that names a run."""
        state = subject.state()
        if state not in self._known:
            twin = self._subject
            project.replace(twin.root / "params.yaml", (subject.root / "params.yaml").read_bytes())
            twin.write_raw(subject.raw_lines())
            if wrong := checks.ask_mlx(twin, self._log, "run"):
                sys.exit(f"the undisturbed run failed: {wrong}")
            processes.reap()
            self._known[state] = (twin.metrics(), results(twin))
        return self._known[state]


def results(subject: Subject) -> dict[str, str]:
    """Return the hashes of all outputs but the one that names a run."""
    return {path: digest for path, digest in subject.locked().items() if path != project.RUN_RECORD}


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
            edits = author.sample([*project.EDITS], author.choice((1, 2, 2, 3)))
            yield Plan(" + ".join(edits), author.choice(("group", "group", "all", *SINGLE)), patient=patient)


class Soak:
    """The rounds on one link type."""

    def __init__(self, folder: Path, base: Subject, link: str, seed: int, twin: Twin) -> None:
        self._folder, self._link, self._twin = folder, link, twin
        self._subject = project.copy(base, folder / "project", link)
        self._author: Author = project.author(seed)
        self._durations: dict[str, float] = defaultdict(lambda: 3.0)
        self._log = self._folder / "log"
        if wrong := self._next_run(Round(link, "", "", "", True, 1)):
            sys.exit(f"the first run failed: {wrong}")
        shutil.copytree(self._folder / "project", self._folder / "sound", symlinks=True)

    def round(self, plan: Plan, *, last: bool) -> Round:
        """Edit, run, kill, look; and, after the last of several kills, run again and look."""
        patient = plan.patient or not last
        found = Round(self._link, plan.where, plan.edit, plan.victim, patient, plan.passage)
        arguments = ["run", "--json", *(["--force"] if self._author.random.random() < 0.05 else [])]
        for name in plan.edit.split(" + "):
            self._author.edit(self._subject, name)
        command, found.killed = self._start_and_kill(plan, arguments)
        if patient:
            found.seconds_until_gone = self._wait_for_orphans(found)
            found.problems += self._at_once(ask=last)
        elif not command.wait(RUN_SECONDS):
            found.problems.append("mlx does not end though a part of it was killed")
        if plan.victim in ("template", "keeper", "job", "child") and command.code not in (-9, 0, 1, 5):
            found.problems.append(f"mlx ended with {command.code}: {command.said()}")
        if last:
            self._put_in_order(plan, found)
        if found.problems:
            self._start_anew(found)
        return found

    def _put_in_order(self, plan: Plan, found: Round) -> None:
        """Let the next run do its work, and look."""
        started = time.monotonic()
        found.problems += self._next_run(found)
        self._durations[plan.edit] = time.monotonic() - started
        self._wait_for_orphans(found)
        found.problems += self._afterwards()
        found.leftovers = checks.leftovers(self._subject)
        for name in found.leftovers:
            project.remove(self._subject.root / name)

    def _start_and_kill(self, plan: Plan, arguments: list[str]) -> tuple[processes.Command, bool]:
        strike = Strike(plan.point, plan.side, plan.passage, plan.victim) if plan.point else None  # type: ignore[arg-type]
        before: Callable[[], None] = strike.install if strike else lambda: None
        command = processes.start_mlx(self._subject.root, self._log, arguments, before)
        if strike is not None:
            while not command.ended() and not strike.fired:
                time.sleep(0.002)
            killed = strike.fired
        else:
            killed = self._kill_at_a_moment(command, plan)
        if not killed or plan.victim not in ("group", "all"):
            command.wait(RUN_SECONDS)
        else:
            command.wait(5)
        return command, killed

    def _kill_at_a_moment(self, command: processes.Command, plan: Plan) -> bool:
        author = self._author.random
        if plan.victim in SINGLE:
            while not command.ended():
                if found := processes.roles(command.pid)[plan.victim]:
                    command.wait(author.choice((0.0, 0.02, 0.2, 0.5)))
                    found = processes.roles(command.pid)[plan.victim] if not command.ended() else []
                    if found:
                        os.kill(author.choice(found), signal.SIGKILL)
                        return True
            return False
        if command.wait(author.uniform(0.0, self._durations[plan.edit])):
            return False
        if plan.victim == "all":
            kill_all(command.pid)
        else:
            os.killpg(command.pid, signal.SIGKILL)
        return True

    def _wait_for_orphans(self, found: Round) -> float:
        started = time.monotonic()
        while left := processes.below(os.getpid()):
            processes.reap()
            if time.monotonic() - started > ORPHANS_SECONDS:
                found.problems.append(f"processes outlive the run: {[_describe(pid) for pid in left]}")
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.01)
        processes.reap()
        return time.monotonic() - started

    def _at_once(self, *, ask: bool) -> list[str]:
        """Look at what the kill left, before anything puts it in order."""
        subject = self._subject
        before = subject.listing()
        wrong = [*checks.lock_parses(subject), *checks.cache_is_sound(subject)]
        if ask:
            wrong += checks.ask_mlx(subject, self._log, "status", "--json")
        return wrong + (["somebody still writes outputs"] if subject.listing() != before else [])

    def _next_run(self, found: Round) -> list[str]:
        """Run to the end; a job of the killed run that lives when this run has its lock is a problem."""
        report = self._log.with_suffix(".overlap")
        report.unlink(missing_ok=True)
        harness = os.getpid()

        def watch() -> None:
            from mlxkit.pipeline.execution import Execution

            original, mlx = Execution.run, os.getpid()

            def run(self: Execution, started: float) -> Any:
                orphans = [pid for pid in processes.below(harness) if pid not in (mlx, *processes.below(mlx))]
                jobs = [_describe(pid) for pid in orphans if _is_of_a_job(pid)]
                if jobs:
                    report.write_text("\n".join(jobs))
                return original(self, started)

            Execution.run = run  # type: ignore[method-assign]

        command = processes.start_mlx(self._subject.root, self._log, ["run", "--json"], watch)
        if not command.wait(RUN_SECONDS):
            os.killpg(command.pid, signal.SIGKILL)
            return ["the next run does not end"]
        wrong = []
        if command.code:
            wrong.append(f"the next run ended with {command.code}: {command.said()}")
        else:
            stages = json.loads(command.out.read_text())["stages"]
            found.next_run = [f"{stage['name']} {stage['status']}" for stage in stages]
        if report.exists():
            wrong.append(f"jobs of the killed run lived when the next began: {report.read_text()}")
        return wrong

    def _afterwards(self) -> list[str]:
        """Look after the next run: all must be in order."""
        subject = self._subject
        metrics, hashes = self._twin.expected(subject)
        try:
            wrong = [*checks.lock_parses(subject), *checks.cache_is_sound(subject)]
            if subject.metrics() != metrics:
                wrong.append("the metrics are not those of an undisturbed run")
            wrong += [
                f"{path} is not that of an undisturbed run"
                for path, digest in results(subject).items()
                if digest != hashes[path]
            ]
            wrong += checks.ask_mlx(subject, self._log, "status", "--check", "--json")
            wrong += checks.ask_dvc(subject, self._log)
            return wrong + checks.store_is_sound(subject)
        except (OSError, ValueError, KeyError) as error:
            return [f"the project cannot be looked at: {type(error).__name__}: {error}"]

    def _start_anew(self, found: Round) -> None:
        """Keep the project as a failure left it, and go on with a sound one."""
        kept = self._folder / "failures" / f"{time.monotonic_ns()}"
        kept.parent.mkdir(exist_ok=True)
        shutil.move(self._folder / "project", kept)
        for suffix in (".out", ".err"):
            shutil.copy(self._log.with_suffix(suffix), kept.with_suffix(suffix))
        found.problems.append(f"kept in {kept}")
        shutil.copytree(self._folder / "sound", self._folder / "project", symlinks=True)
        if len(list(kept.parent.glob("*.err"))) > 10:
            shutil.rmtree(kept)


def _describe(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        return f"{pid} {words[:90]}"
    except OSError:
        return str(pid)


def _is_of_a_job(pid: int) -> bool:
    """Whether a process belongs to a job: jobs have groups of their own inside the template's session."""
    try:
        return os.getpgid(pid) != os.getsid(pid)
    except ProcessLookupError:
        return False


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
    parser.add_argument("--folder", type=Path, help="where to work, else the system's temporary folder")
    parser.add_argument("--keep", action="store_true", help="leave the folder there")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.update(QUIET)
    scratch = Path(tempfile.mkdtemp(prefix="mlx-soak-", dir=options.folder)).resolve()
    processes.prepare()
    rounds: list[Round] = []
    try:
        base = project.make(scratch / "base")
        twin = Twin(scratch, base)
        for link in options.links.split(","):
            if link == "reflink" and not has_reflinks(scratch):
                sys.stdout.write("reflink   is not supported by the file system here: nothing counted\n")
                continue
            soak = Soak(scratch / link, base, link, options.seed, twin)
            planned = list(plans(options.kills, random.Random(options.seed), steps(options.steps)))
            for number, plan in enumerate(planned, 1):
                last = number % options.together == 0 or number == len(planned)
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
