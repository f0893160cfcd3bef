"""The small project with a box to run on, and what tests of jobs there share."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from small_project import STAGES, STEPS, SmallProject
from tests.box import HOST, Box

if TYPE_CHECKING:
    from collections.abc import Mapping

Start = Callable[..., subprocess.Popen[str]]
SLOW = """

def clean(raw: dict, scale):
    import os, time
    from pathlib import Path

    print("cleaning", flush=True)
    gate = Path(os.environ["GATE"])
    gate.with_name("begun").touch()
    while not gate.exists():
        time.sleep(0.05)
    return {"n": raw["n"] * scale}
"""


def with_box(project: SmallProject, **target: Any) -> SmallProject:
    """Let mlx.yaml name the box as `gpu`."""
    return with_targets(project, {"gpu": {"ssh": HOST, "requirements": "box.txt", **target}})


def with_targets(project: SmallProject, targets: Mapping[str, Any]) -> SmallProject:
    """Let mlx.yaml name machines, whose environments are built from `box.txt`."""
    return project.configure(STAGES, targets=targets).write({"box.txt": "demo\n"})


def waiting_at(project: SmallProject, gate: Path) -> SmallProject:
    """Let the stage `clean` wait for a file there; `begun` beside it says that it does."""
    gate.parent.mkdir(exist_ok=True)
    with_box(project, env={"GATE": str(gate)})
    return project.write({"src/demo/steps.py": STEPS.replace("def clean(", "def unused(") + SLOW})


@contextlib.contextmanager
def starting() -> Iterator[Start]:
    """Start `mlx` commands in projects; what still runs at the end is killed."""
    with contextlib.ExitStack() as ends:

        def begin(project: SmallProject, *arguments: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "mlxkit", *arguments],
                cwd=project.root,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            ends.enter_context(process)
            ends.callback(process.kill)
            return process

        yield begin


def phase(box: Box, number: int) -> str:
    """Where a job is, in words."""
    jobs = box.jobs()
    state = jobs[number] / "state.json" if len(jobs) > number else Path(os.devnull)
    return str(json.loads(state.read_text())["phase"]) if state.is_file() else ""


def mlx(project: SmallProject, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an `mlx` command in a project."""
    return subprocess.run(
        [sys.executable, "-m", "mlxkit", *arguments],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )
