"""Stages on several machines as one graph, and several of mlx at once."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from away_project import with_targets
from small_project import SCRIPT, STAGES, STEPS, SmallProject, by_status
from tests.box import HOST, Box, box_in, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from away_project import Start

OTHER = "second-box"
TOGETHER = """
def wait_for_all(name):
    import os, time
    from pathlib import Path

    folder = Path(os.environ["MEETING"])
    (folder / name).touch()
    deadline = time.monotonic() + 60
    while len(list(folder.iterdir())) < 3:
        assert time.monotonic() < deadline, "the others do not come"
        time.sleep(0.05)
"""
LATE = "def left(cleaned: dict, shift):\n"


@pytest.fixture
def second(box: Box) -> Iterator[Box]:
    """Another machine, which ssh knows as `second-box`."""
    settings = box.folder / "ssh.conf"
    before = settings.read_text()
    folder = Path(tempfile.mkdtemp(prefix="mlx-box-"))
    with box_in(folder, OTHER) as made:
        settings.write_text(before + (folder / "ssh.conf").read_text())
        yield made
        settings.write_text(before)
    shutil.rmtree(folder, ignore_errors=True)


def test_stages_on_two_boxes_and_here_at_the_same_time_are_one_graph(
    away: SmallProject, box: Box, second: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    monkeypatch.setenv("MEETING", str(meeting))
    there = {"requirements": "box.txt", "env": {"MEETING": str(meeting)}}
    with_targets(away, {"gpu": {"ssh": HOST, **there}, "other": {"ssh": OTHER, **there}})
    away.change_stage("left", on="gpu").change_stage("right", on="other")
    here = {**STAGES["left"], "call": "demo.steps:third", "outputs": {"third": "build/third.json"}}
    away.change_stage("third", **here)
    steps = STEPS.replace(LATE, f'{LATE}    wait_for_all("left")\n')
    third = '\n\ndef third(cleaned: dict, shift):\n    wait_for_all("third")\n    return cleaned\n'
    script = f'from demo.steps import wait_for_all\n\nwait_for_all("right")\n{SCRIPT}'
    away.write({"src/demo/steps.py": f"{steps}\n{TOGETHER}{third}", "scripts/right.py": script})
    result = away.run()
    assert result.error is None, result.error
    assert by_status(result) == dict.fromkeys([*STAGES, "third"], "ran")
    assert [len(machine.jobs()) for machine in (box, second)] == [1, 1]
    assert away.json("build/left.json") == {"n": 31}
    assert away.text("build/right.txt") == "1500"
    assert away.json("build/third.json") == {"n": 15}
    assert away.dvc_status() == {}
    assert away.damaged_objects() == []
    assert by_status(away.run()) == dict.fromkeys([*STAGES, "third"], "fresh")
    assert away.dvc_repro() == []


def test_one_of_two_boxes_that_fails_leaves_the_others_result(
    away: SmallProject, box: Box, second: Box
) -> None:
    there = {"requirements": "box.txt"}
    with_targets(away, {"gpu": {"ssh": HOST, **there}, "other": {"ssh": OTHER, **there}})
    away.change_stage("left", on="gpu").change_stage("right", on="other")
    params = {"cleaning": {"scale": 3}, "shifting": {"shift": 2}}
    away.write({"scripts/right.py": "raise SystemExit(7)\n", "params.yaml": params})
    result = away.run()
    assert result.error is not None
    assert by_status(result) == {"clean": "fresh", "left": "ran", "right": "failed", "join": "skipped"}
    away.write({"scripts/right.py": SCRIPT})
    again = away.run()
    assert by_status(again) == {"clean": "fresh", "left": "fresh", "right": "restored", "join": "ran"}


def test_two_runs_of_one_project_at_the_same_time_send_one_job(
    away: SmallProject, box: Box, gate: Path, start: Start
) -> None:
    first = start(away, "run", "clean", "--on", "gpu")
    second = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    gate.touch()
    ended = [process.communicate(timeout=60)[1] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], ended
    assert sum("waiting for" in err for err in ended) == 1, ended
    assert len(box.jobs()) == 1
    assert away.dvc_status().keys() <= {"left", "right", "join"}


def test_clones_send_the_same_data_and_build_the_same_environment_at_the_same_time(
    away: SmallProject, box: Box, start: Start
) -> None:
    away.write({"box.txt": f"demo\n# {away.root}\n", "data/raw.json": {"n": 5, "text": "x" * 3_000_000}})
    clones = [away.copy_to(away.root.with_name(f"clone {number}")) for number in range(3)]
    running = [start(clone, "run", "clean", "--on", "gpu") for clone in clones]
    ended = [process.communicate(timeout=90)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], ended
    assert len(box.jobs()) == 3
    assert {clone.digest("build/clean.json") for clone in clones} == {away.digest("build/clean.json")}
    assert [clone.damaged_objects() for clone in clones] == [[], [], []]
    assert not [path for path in (box.root / "arriving").rglob("*") if path.is_file()]
