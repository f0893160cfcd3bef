"""Jobs on a box whose line is bad: it stalls, it is slow and breaks again and again, its master is killed."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from small_project import STEPS, SmallProject
from tests.bad_line import BadLine, bad_line_to
from tests.box import Box, wait_for, write_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from away_project import Start

TALKS = """

def clean(raw: dict, scale):
    import os, time
    from pathlib import Path

    gate = Path(os.environ["GATE"])
    for number in range(2000):
        print(f"line {number}", flush=True)
        if number == 100:
            gate.with_name("begun").touch()
        while number == 1000 and not gate.exists():
            time.sleep(0.05)
    return {"n": raw["n"] * scale}
"""
EVERY_LINE = "".join(f"line {number}\n" for number in range(2000))


@pytest.fixture
def line(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BadLine]:
    """A line to the box that can be made bad; ssh finds out after three seconds."""
    known = box.folder / "known"
    before = known.read_text()
    with bad_line_to(box.port) as made:
        known.write_text(before + before.replace(str(box.port), str(made.port)))
        patience = (
            f"-o Port={made.port} -o ServerAliveInterval=1 -o ServerAliveCountMax=2 -o ConnectTimeout=2"
        )
        write_program(tmp_path / "bin/ssh", f'#!/bin/sh\nexec {box.folder}/bin/ssh {patience} "$@"\n')
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
        yield made
    known.write_text(before)


def test_a_line_that_falls_silent_is_found_again_and_nothing_is_told_twice(
    away: SmallProject, line: BadLine, gate: Path, start: Start
) -> None:
    away.write({"src/demo/steps.py": STEPS.replace("def clean(", "def unused(") + TALKS})
    running = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    line.fall_silent()
    gate.touch()
    assert running.stderr is not None
    wait_for(lambda: "is looked for again" in running.stderr.readline())
    line.recover()
    out, err = running.communicate(timeout=90)
    assert running.returncode == 0, (out, err)
    assert away.json("build/clean.json") == {"n": 15}
    log = away.text(".mlx/logs/clean.log")
    assert log.endswith(EVERY_LINE)
    assert log.count("line 0\n") == 1


@pytest.mark.parametrize("tool", ["rsync", "tar"])
def test_files_travel_over_a_slow_line_that_breaks_again_and_again(
    away: SmallProject, line: BadLine, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = secrets.token_hex(4_000_000)
    away.write(
        {
            "data/raw.json": {"n": 5, "text": text},
            "src/demo/steps.py": STEPS.replace('{"n": raw["n"] * scale}', '{**raw, "n": raw["n"] * scale}'),
        }
    )
    if tool == "tar":
        monkeypatch.setattr("mlxkit.adapters.rsync.shutil.which", lambda name: None)
    line.delay, line.bytes_until_cut = 0.02, 4_000_000 if tool == "rsync" else 11_000_000
    result = away.run("clean", on="gpu")
    assert result.error is None, (result.error, result.error.context)
    assert away.json("build/clean.json") == {"n": 15, "text": text}
    assert line.cuts >= (4 if tool == "rsync" else 1)
    assert away.damaged_objects() == []


@pytest.mark.parametrize("number", [200_000, 5_000_000, 9_000_000])
def test_a_line_that_falls_silent_while_files_travel_there_or_back(
    away: SmallProject, line: BadLine, start: Start, number: int
) -> None:
    text = secrets.token_hex(4_000_000)
    steps = STEPS.replace('{"n": raw["n"] * scale}', '{**raw, "n": raw["n"] * scale}')
    away.write({"data/raw.json": {"n": 5, "text": text}, "src/demo/steps.py": steps})
    line.bytes_until_silent = number
    running = start(away, "run", "clean", "--on", "gpu")
    wait_for(lambda: line.is_silent)
    wait_for(lambda: line.unheard)
    line.recover()
    _, err = running.communicate(timeout=90)
    assert running.returncode == 0, err
    assert away.json("build/clean.json") == {"n": 15, "text": text}
    assert away.damaged_objects() == []


def test_only_the_master_of_the_connection_is_killed(
    away: SmallProject, box: Box, gate: Path, start: Start
) -> None:
    running = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    masters = masters_of(box)
    assert len(masters) == 1
    os.kill(masters[0], signal.SIGKILL)
    wait_for(lambda: masters_of(box) not in ([], masters))
    gate.touch()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert away.json("build/clean.json") == {"n": 15}
    assert away.text(".mlx/logs/clean.log").count("cleaning\n") == 1
    assert len(box.jobs()) == 1


def masters_of(box: Box) -> list[int]:
    """Return the processes of ssh here that hold a connection to the box open."""
    asked = ["ssh", "-O", "check", "-o", f"ControlPath={os.environ['HOME']}/.mlx/cm/%C", "gpu-box"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return [int(pid) for pid in re.findall(r"pid=(\d+)", done.stderr)]


LOUD = """

def clean(raw: dict, scale):
    import os

    for number in range(100):
        os.write(1, (b"%06d " % number) * 149_796 + b"." * 1_428)
    return {"n": raw["n"] * scale}
"""


def test_all_of_a_hundred_megabytes_that_a_stage_prints_arrives_and_memory_does_not_grow(
    away: SmallProject, box: Box
) -> None:
    away.write({"src/demo/steps.py": STEPS.replace("def clean(", "def unused(") + LOUD})
    command = [sys.executable, "-m", "mlxkit", "run", "clean", "--on", "gpu"]
    with subprocess.Popen(
        command, cwd=away.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        peak = 0
        while running.poll() is None:
            peak = max(peak, high_water(running.pid))
            time.sleep(0.05)
    assert running.returncode == 0
    here, there = away.root / ".mlx/logs/clean.log", box.jobs()[0] / "log"
    assert there.stat().st_size == 105_000_000
    assert here.read_bytes().endswith(there.read_bytes())
    assert here.stat().st_size < 105_000_000 + 1_000  # before it stands how the environment was made
    assert 0 < peak < 400 << 10


def high_water(pid: int) -> int:
    """Return the largest resident set of a process so far, KiB; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
