"""Beside other commands: DVC's own, a second run, and a run inside a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from small_project import STEPS, by_status, messages

from mlxkit.errors import LockTimeout
from mlxkit.pipeline.events import StageStarted, Waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from small_project import SmallProject

    from mlxkit.pipeline.events import Event


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """Another process, alive."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def locked_by(project: SmallProject, pid: int, path: str) -> None:
    """Let DVC believe that a process writes a path, as `dvc repro` does while a stage runs."""
    lock = {"write": {str(project.root / path): {"pid": pid, "cmd": "dvc repro"}}, "read": {}}
    project.write({".dvc/tmp/rwlock": json.dumps(lock)})


def readers(project: SmallProject) -> list[str]:
    """Which paths have a reader's lock now, relative to the project."""
    lock = json.loads((project.root / ".dvc/tmp/rwlock").read_text())
    return sorted(os.path.relpath(path, project.root) for path in lock.get("read", {}))


def test_a_stage_that_runs_has_a_claim_on_its_paths(small: SmallProject) -> None:
    seen: dict[str, list[str]] = {}

    def look(event: Event) -> None:
        if isinstance(event, StageStarted):
            seen[event.name] = readers(small)

    assert small.run("clean", events=look).error is None
    code = ["src/demo/__init__.py", "src/demo/shared.py", "src/demo/steps.py"]
    assert seen["clean"] == sorted(["build/clean.json", "data/raw.json", "params.yaml", *code])
    assert readers(small) == []


def test_a_training_that_is_tried_again_keeps_its_claim(small: SmallProject) -> None:
    steps = small.text("src/demo/steps.py") + "\n\ndef train(train):\n    raise ValueError('no luck')\n"
    small.write({"src/demo/steps.py": steps})
    small.configure(
        {
            "train": {
                "call": "demo.steps:train",
                "inputs": {"train": "data/raw.json"},
                "outputs": {"model": "models/demo"},
                "retries": 1,
            }
        }
    )
    seen: dict[int, list[str]] = {}

    def look(event: Event) -> None:
        if isinstance(event, StageStarted):
            seen[event.attempt] = readers(small)

    assert small.run(events=look).error is not None
    assert "models/demo" in seen[1]
    assert seen[2] == seen[1]


def test_dvc_reads_and_does_not_write_what_a_stage_is_making(small: SmallProject) -> None:
    both = "dvc status -q > /dev/null; dvc repro right 2> said.txt; echo $? > code.txt"
    small.change_stage("right", cmd=f"{both}; echo 1 > build/right.txt")
    assert small.run("right").error is None
    assert small.text("code.txt").strip() != "0"
    assert "busy" in small.text("said.txt")
    assert small.dvc_status().keys() <= {"left", "join"}


def test_a_stage_that_dvc_runs_is_waited_for(
    small: SmallProject, other: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxkit.adapters.dvc_locks.LOCK_DEADLINE_SECONDS", 0.3)
    locked_by(small, other.pid, "build/clean.json")
    events: list[Event] = []
    error = small.run("clean", events=events.append).error
    assert isinstance(error, LockTimeout)
    assert (error.exit_code, error.message) == (5, "another DVC command does not end")
    assert f"(PID {other.pid}): dvc repro" in error.context[0]
    (told,) = messages(events, Waiting)
    assert told.startswith("waiting for another DVC command (")
    assert f"(PID {other.pid}): dvc repro" in told


def test_what_dvc_did_meanwhile_counts(
    ran: SmallProject, other: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = ran.text("dvc.lock")
    ran.write({"dvc.lock": lock.replace("  left:", "  gone:")})
    assert ran.states()["left"].state == "never"
    locked_by(ran, other.pid, "build/left.json")

    def finish(event: Event) -> None:
        if isinstance(event, Waiting):
            ran.write({"dvc.lock": lock})
            other.kill()
            other.wait()

    assert by_status(ran.run(events=finish))["left"] == "fresh"


def test_the_lock_of_a_dead_process_is_taken_over(small: SmallProject) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    locked_by(small, process.pid, "build/clean.json")
    assert by_status(small.run("clean")) == {"clean": "ran"}


def test_claims_that_were_cut_go_with_the_next_run_that_has_nothing_to_do(ran: SmallProject) -> None:
    """Until then plain DVC refuses every command that would write."""
    ran.write({".dvc/tmp/rwlock": ""})
    assert set(by_status(ran.run()).values()) == {"fresh"}
    assert not (ran.root / ".dvc/tmp/rwlock").exists()
    assert ran.dvc_repro() == []


@pytest.mark.parametrize("cut", ["", '{"write": {}, "rea'])
def test_claims_that_were_cut_by_a_kill_stop_nobody(small: SmallProject, cut: str) -> None:
    """DVC writes its list of claims in place, and refuses every command while it cannot read it."""
    small.write({".dvc/tmp/rwlock": cut})
    assert by_status(small.run("clean")) == {"clean": "ran"}
    assert small.dvc_status().keys() <= {"left", "right", "join"}


def test_a_run_inside_a_run_is_refused_at_once(small: SmallProject) -> None:
    inner = f"import subprocess\n    subprocess.run([{sys.executable!r}, '-m', 'mlxkit', 'run'], check=True)"
    small.write({"src/demo/steps.py": STEPS.replace('print("cleaning")', inner)})
    error = small.run("clean").error
    assert error is not None
    said = (small.root / ".mlx/logs/clean.log").read_text()
    assert (
        "error: a stage of this project started this run, which would wait for that stage for ever\n" in said
    )
    # Another project may be run from a stage, and this one from the same process afterwards.
    small.write({"src/demo/steps.py": STEPS})
    assert by_status(small.run("clean")) == {"clean": "ran"}


def test_dvc_and_mlx_inside_each_other_do_not_wait_for_ever(small: SmallProject) -> None:
    """`mlx run` as a command of a stage that `dvc repro` runs: other stages run, its own is busy."""
    small.write(
        {"scripts/right.py": "import subprocess\nsubprocess.run(['mlx', 'run', 'left', '-q'], check=True)\n"}
    )
    small.change_stage("right", cmd="python scripts/right.py && echo 1 > build/right.txt")
    small.check_fix()
    done = subprocess.run(
        ["dvc", "repro", "right"], cwd=small.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert small.states("left")["left"].state == "fresh"


def test_a_user_without_a_name(small: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run under a number that nobody has a name for, and DVC asks for one."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert by_status(small.run("clean")) == {"clean": "ran"}
