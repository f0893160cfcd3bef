"""One round: a project becomes stale, its run is killed, the next puts it in order; and what was wrong."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import checks
import processes
import subject as project
from points import Point, Side, Strike, kill_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from subject import Author, Subject

SINGLE = ("template", "keeper", "job", "child", "mlx")
"""Processes that are killed alone; mlx while a job has children, which write outputs."""
ORPHANS_SECONDS, RUN_SECONDS = 30.0, 180.0


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


class Soak:
    """The rounds on one link type."""

    def __init__(self, folder: Path, base: Subject, link: str, seed: int, twin: Twin) -> None:
        self._folder, self._link, self._twin = folder, link, twin
        self._subject = project.copy(base, folder / "project", link)
        self._author: Author = project.author(seed)
        self._random = random.Random(seed)
        self._log = self._folder / "log"
        started = time.monotonic()
        if wrong := self._next_run(Round(link, "", "", "", True, 1)):
            sys.exit(f"the first run failed: {wrong}")
        longest = time.monotonic() - started
        self._durations: dict[str, float] = defaultdict(lambda: longest)
        shutil.copytree(self._folder / "project", self._folder / "sound", symlinks=True)

    def round(self, plan: Plan, *, last: bool) -> Round:
        """Edit, run, kill, look; and, after the last of several kills, run again and look."""
        patient = plan.patient or not last
        found = Round(self._link, plan.where, plan.edit, plan.victim, patient, plan.passage)
        arguments = ["run", "--json", *(["--force"] if self._author.random.random() < 0.05 else [])]
        for name in plan.edit.split(" + "):
            self._author.edit(self._subject, name)
        command, found.killed = self._start_and_kill(plan, arguments)
        if command.code is None:
            found.problems.append("mlx does not end though a part of it was killed")
            os.killpg(command.pid, signal.SIGKILL)
        elif command.code not in (-signal.SIGKILL, 0, 1, 5):
            found.problems.append(f"mlx ended with {command.code}: {command.said()}")
        if patient:
            found.seconds_until_gone = self._wait_for_orphans(found)
            found.problems += self._at_once(ask=last)
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
        command.wait(RUN_SECONDS)
        return command, killed

    def _kill_at_a_moment(self, command: processes.Command, plan: Plan) -> bool:
        awaited = "child" if plan.victim == "mlx" else plan.victim
        if awaited in SINGLE:
            later = self._random.choice((0.0, 0.02, 0.1, 0.3))
            while not command.wait(0.01):
                if processes.roles(command.pid)[awaited]:
                    command.wait(later)
                    found = processes.roles(command.pid)[awaited]
                    for pid in [command.pid] if found and plan.victim == "mlx" else found:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                            return True
            return False
        # A run is shorter than its longest by far, more often than not.
        if command.wait(self._random.random() ** 2 * self._durations[plan.edit]):
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
                found.problems.append(
                    f"processes outlive the run: {[processes.words_of(pid) for pid in left]}"
                )
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.05)
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
                jobs = [processes.words_of(pid) for pid in orphans if processes.is_of_a_job(pid)]
                # One without words is dead already, and only its memory is not yet given back.
                if jobs := [words for words in jobs if words]:
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
