"""Full disks between here and a box: which one is said, nothing is lost, and the same command goes on."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from small_project import STEPS, SmallProject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from machine import SmallDisks
    from tests.box import Box

THERE = "free some there, for instance with `mlx gc --on gpu`, then run the same command again"
CLEAN = '    return {"n": raw["n"] * scale}\n'
BIG = CLEAN.replace("}", ', "text": "x" * 9_000_000}')


@dataclass
class SmallBox:
    """A box whose folder of mlx lies on a disk of 16 MB."""

    disks: SmallDisks
    box: Box

    def fill(self) -> None:
        self.disks.fill(self.box.root)

    def free(self) -> None:
        self.disks.free(self.box.root)


@pytest.fixture
def small_box(away: SmallProject, box: Box, disks: SmallDisks) -> Iterator[SmallBox]:
    disks.mount(box.root, "16m")
    box.inside = shlex.join(disks.enter)
    box.cut()
    yield SmallBox(disks, box)
    box.inside = ""
    box.cut()


def test_data_that_does_not_fit_there(away: SmallProject, small_box: SmallBox) -> None:
    away.write({"data/raw.json": {"n": 5, "text": "x" * 20_000_000}})
    result = away.run("clean", on="gpu")
    assert result.error is not None
    assert result.error.message == "stage 'clean' failed: there is no space left on 'gpu'"
    assert result.error.hint == THERE
    left = small_box.disks.shell("find arriving -type f", small_box.box.root)
    assert left == ""
    away.write({"data/raw.json": {"n": 6, "text": "x" * 2_000_000}})
    assert away.run("clean", on="gpu").error is None
    assert away.json("build/clean.json") == {"n": 18}


def test_a_disk_there_without_a_byte(away: SmallProject, small_box: SmallBox) -> None:
    assert away.run("clean", on="gpu", force=True).error is None
    small_box.fill()
    result = away.run("clean", on="gpu", force=True)
    assert result.error is not None
    assert result.error.message == "stage 'clean' failed: there is no space left on 'gpu'"
    assert result.error.hint == THERE
    small_box.free()
    assert away.run("clean", on="gpu", force=True).error is None


def test_a_result_that_does_not_fit_there(away: SmallProject, small_box: SmallBox) -> None:
    away.write({"src/demo/steps.py": STEPS.replace(CLEAN, BIG.replace("9_000_000", "30_000_000"))})
    result = away.run("clean", on="gpu")
    assert result.error is not None
    assert result.error.message == (
        "stage 'clean' failed: the result cannot be saved as 'clean.json': there is no space left on the disk"
    )
    assert result.error.hint == THERE
    away.write({"src/demo/steps.py": STEPS})
    assert away.run("clean", on="gpu", force=True).error is None


def test_a_command_that_leaves_no_byte_there_is_not_lost(away: SmallProject, small_box: SmallBox) -> None:
    away.write({"scripts/right.py": "import os\n\nos.system('cat /dev/zero > more')\nraise SystemExit(4)\n"})
    result = away.run("right", on="gpu")
    assert result.error is not None
    said = "stage 'right' failed: it ended with exit code 4, and there is no space left on 'gpu'"
    assert (result.error.message, result.error.hint) == (said, THERE)


def test_a_job_goes_on_while_a_full_disk_takes_no_note_of_what_it_uses(
    away: SmallProject, small_box: SmallBox
) -> None:
    full = f"{small_box.box.root}/ballast"
    lines = [
        "import os, time",
        f"os.system('cat /dev/zero > {full}')",
        "time.sleep(6)",
        f"os.remove('{full}')",
    ]
    fills = "".join(f"    {line}\n" for line in lines)
    away.write({"src/demo/steps.py": STEPS.replace(CLEAN, fills + CLEAN)})
    result = away.run("clean", on="gpu")
    assert result.error is None, result.error
    assert away.json("build/clean.json") == {"n": 15}


@pytest.fixture
def here(away: SmallProject, disks: SmallDisks, tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """The project on a disk of 24 MB, which makes a result of 9 MB on the box."""
    away.write({"src/demo/steps.py": STEPS.replace(CLEAN, BIG)})
    outside = away.copy_to(tmp_path_factory.mktemp("outside"))
    root = away.root.with_name("on a small disk")
    disks.mount(root, "24m")
    disks.shell(f"cp -a '{outside.root}/.' .", root)
    return SmallProject(root)


@pytest.mark.parametrize("ballast", [16_000_000, 9_000_000], ids=["does not arrive", "is not taken over"])
def test_a_result_that_has_no_room_here_is_fetched_later(
    here: SmallProject, box: Box, disks: SmallDisks, ballast: int
) -> None:
    disks.shell(f"head -c {ballast} /dev/zero > ballast", here.root)
    code, document = mlx(disks, here, "run", "clean", "--on", "gpu")
    assert code == 5
    error = document["error"]
    assert error["message"].endswith("there is no space left on the disk")
    (job,) = [path.name for path in box.jobs()]
    assert "free some, for instance with `mlx gc`" in error["hint"]
    assert "nothing is lost there: run `mlx jobs" in error["hint"]
    assert [one["state"] for one in mlx(disks, here, "jobs", "list")[1]["jobs"]] == ["ended"]
    disks.free(here.root)
    code, document = mlx(disks, here, "jobs", "fetch", job)
    assert (code, document.get("error")) == (0, None)
    assert len(box.jobs()) == 1
    size = disks.shell("stat -c %s build/clean.json", here.root)
    assert int(size) > 9_000_000
    assert "clean" not in disks.shell("dvc status clean", here.root)


def mlx(disks: SmallDisks, project: SmallProject, *arguments: str) -> tuple[int, Any]:
    """Run a command where the disk is small; returns its exit code and its document."""
    done = disks.run("mlx", *arguments, "--json", folder=project.root)
    return done.returncode, json.loads(done.stdout)
