"""`mlx run` as a process of its own: interrupted, killed, beside another one."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from small_project import STAGES, STEPS, by_status, messages
from tests.live_processes import eventually, is_running, pid_in

from mlxkit.errors import LockTimeout
from mlxkit.pipeline.command import command_of
from mlxkit.pipeline.events import Waiting
from mlxkit.pipeline.failure import resume_command
from mlxkit.pipeline.lock import run_lock
from mlxkit.project.load import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from small_project import SmallProject

    from mlxkit.pipeline.events import Event

# Says who it is, has a child, and waits for a file that only a test writes.
CHILD = "echo $$ > child.pid; while [ ! -e go ]; do sleep 0.05; done"
LONG = f"echo $$ > long.pid; sh -c '{CHILD}'; echo 1 > long.txt"


class Running:
    """`mlx run` under way in a project whose last stage waits."""

    def __init__(self, project: SmallProject, *arguments: str) -> None:
        self.project = project
        self.process = subprocess.Popen(
            ["mlx", "run", *arguments],
            cwd=project.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def stage_pids(self) -> list[int]:
        return [pid_in(self.project.root / name) for name in ("long.pid", "child.pid")]

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def long(small: SmallProject) -> SmallProject:
    """A quick stage, one that waits, and one behind it."""
    stages = {
        "quick": STAGES["clean"],
        "long": {"cmd": LONG, "inputs": ["build/clean.json"], "outputs": ["long.txt"]},
        "after": {"cmd": "cp long.txt after.txt", "inputs": ["long.txt"], "outputs": ["after.txt"]},
    }
    return small.configure(stages)


@pytest.fixture
def run_long(long: SmallProject) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*arguments: str) -> Running:
        started.append(Running(long, *arguments))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()
        for stream in (running.process.stdout, running.process.stderr):
            assert stream is not None
            stream.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_ends_the_stage_and_keeps_what_finished(
    long: SmallProject, run_long: Callable[..., Running], number: signal.Signals
) -> None:
    running = run_long("--json")
    pids = running.stage_pids()
    running.process.send_signal(number)
    code, out, err = running.end()
    assert code == 130
    assert "Traceback" not in err
    document = json.loads(out)
    assert [s["status"] for s in document["stages"]] == ["ran", "failed", "skipped"]
    assert document["stages"][1]["reasons"] == ["interrupted"]
    assert document["error"]["kind"] == "interrupted"
    assert document["error"]["message"] == "interrupted; what had finished is kept"
    assert document["error"]["hint"] == "run `mlx run --json`"
    assert eventually(lambda: not any(map(is_running, pids)))
    assert long.states()["quick"].state == "fresh"
    long.write({"go": ""})
    assert by_status(long.run()) == {"quick": "fresh", "long": "ran", "after": "ran"}


def test_a_second_ctrl_c_does_not_wait_for_a_stage_that_will_not_end(
    long: SmallProject, run_long: Callable[..., Running]
) -> None:
    long.change_stage("long", cmd=f"trap '' TERM; {LONG}")
    running = run_long()
    pids = running.stage_pids()
    running.process.send_signal(signal.SIGINT)
    assert not eventually(lambda: running.process.poll() is not None, seconds=1.0)
    running.process.send_signal(signal.SIGINT)
    assert eventually(lambda: running.process.poll() is not None, seconds=8.0)
    code, _, err = running.end()
    assert code == 130
    assert "warning: stopping; press Ctrl-C again to stop at once\n" in err
    assert err.endswith("error: interrupted; what had finished is kept\nhint: run `mlx run`\n")
    assert eventually(lambda: not any(map(is_running, pids)))


def test_kill_leaves_no_process_and_no_half_made_state(
    long: SmallProject, run_long: Callable[..., Running]
) -> None:
    running = run_long()
    pids = running.stage_pids()
    running.process.kill()
    assert running.end()[0] == -signal.SIGKILL
    assert eventually(lambda: not any(map(is_running, pids)))
    assert long.states()["quick"].state == "fresh"
    assert long.states()["long"].state == "never"
    long.write({"go": ""})
    # The lock went with its holder: nothing to clean up.
    assert by_status(long.run()) == {"quick": "fresh", "long": "ran", "after": "ran"}
    assert long.dvc_status() == {}


def test_a_second_run_waits_and_says_for_whom(long: SmallProject, run_long: Callable[..., Running]) -> None:
    first = run_long()
    first.stage_pids()
    events: list[Event] = []

    def free_the_first(event: Event) -> None:
        events.append(event)
        if isinstance(event, Waiting):
            long.write({"go": ""})

    result = long.run(events=free_the_first)
    assert by_status(result) == {"quick": "fresh", "long": "fresh", "after": "fresh"}
    (text,) = messages(events, Waiting)
    assert text.startswith(f"waiting for another run in this project (process {first.process.pid}, since 20")
    assert first.end()[0] == 0


def test_a_second_run_gives_up_in_the_end(
    long: SmallProject, mlx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_LOCK_TIMEOUT", "0.1")
    with run_lock(long.root / ".mlx/run.lock", lambda event: None):
        result = mlx("run")
        # Looking takes no lock.
        assert mlx("status").code == 0
        assert mlx("run", "--dry-run").code == 0
    assert result.code == 5
    lines = result.err.splitlines()
    assert lines[0].startswith(f"waiting for another run in this project (process {os.getpid()}, since ")
    assert lines[1] == "error: another run in this project does not end"
    assert lines[2].startswith(f"  process {os.getpid()}, since ")
    assert lines[3] == "hint: wait for it, or end it; set MLX_LOCK_TIMEOUT to wait longer"


def test_a_lock_tells_when_its_holder_has_just_started(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    events: list[Event] = []
    with run_lock(path, events.append):
        path.write_text("")
        with pytest.raises(LockTimeout) as caught, run_lock(path, events.append, deadline=0):
            pass
    assert caught.value.context == ("it has just started",)
    assert messages(events, Waiting) == ["waiting for another run in this project (it has just started)"]
    with run_lock(path, events.append, deadline=0):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert path.read_text() == ""


def test_the_installed_command_runs_a_project(small: SmallProject) -> None:
    """The template of libraries included, which most tests here do without."""
    done = subprocess.run(
        ["mlx", "run", "--verbose"], cwd=small.root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "cleaning" in done.stderr, "cleaning" in done.stdout) == (0, True, False)
    assert small.json("build/joined/sum.json") == 1531
    assert small.dvc_status() == {}


@pytest.mark.parametrize("stage", ["clean", "right"])
def test_exec_answers_with_one_document_whatever_the_stage_prints(ran: SmallProject, stage: str) -> None:
    loud = 'import subprocess\n    print("cleaning")\n    subprocess.run(["echo", "a child"])'
    ran.write({"src/demo/steps.py": STEPS.replace('print("cleaning")', loud)})
    ran.change_stage("right", cmd="python scripts/right.py; echo a child", env={"N": "1"})
    command = command_of(load(ran.root), load(ran.root).stages[stage])
    done = subprocess.run(
        ["mlx", "exec", *command.arguments(), "--json"],
        cwd=ran.root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"stage": stage}
    assert "a child" in done.stderr


def test_the_command_that_resumes_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["mlx", "run", "-C", "my project", "--force", "--set", "model.name=it's"]
    monkeypatch.setattr("sys.argv", typed)
    assert shlex.split(resume_command()) == [word for word in typed if word != "--force"]
