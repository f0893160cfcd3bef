"""What a target says of its machine, Python, variables, how the shell begins, and what is wrong with it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from away_project import mlx, waiting_at, with_box
from small_project import STEPS, SmallProject
from tests.box import HOST, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from away_project import Start
    from tests.box import Box

TELL = 'print("cleaning", os.environ.get("FROM_SETUP"), os.environ.get("FROM_ENV"))'


@pytest.fixture
def no_uv(box: Box) -> Iterator[None]:
    """Let the box have no uv."""
    uv = box.home / ".local/bin/uv"
    aside = uv.rename(box.folder / "uv")
    yield
    aside.rename(uv)


@pytest.mark.usefixtures("no_uv")
def test_a_python_that_the_box_does_not_have(away: SmallProject, box: Box) -> None:
    result = with_box(away, python="3.99").run("clean", on="gpu", force=True)
    assert result.error is not None
    assert result.error.message == "stage 'clean' failed: there is no Python 3.99 on the box"
    assert result.error.hint.startswith(
        "install uv there, or set `python:` below the target in mlx.yaml; it has 3."
    )
    python = found(away)["python"]
    assert python["state"] == "problem"
    assert python["remedy"].startswith("install uv there, or set `python: ")


def test_a_python_that_uv_cannot_get(away: SmallProject, box: Box) -> None:
    with_box(away, python="3.99")
    python = found(away)["python"]
    assert python["state"] == "problem"
    assert python["remedy"].startswith("set `python: ")


def test_the_python_of_a_target_is_the_one_that_is_asked_for(away: SmallProject, box: Box) -> None:
    result = with_box(away, python="3.98").run("clean", on="gpu", force=True)
    assert result.error is None, result.error
    assert "uv venv --no-project --quiet --python 3.98 " in away.text(".mlx/logs/clean.log")


def test_what_env_says_reaches_the_stage_and_is_stored_nowhere_on_the_box(
    away: SmallProject, box: Box
) -> None:
    """Not even where git does not ignore the file."""
    secret = "s3cret-of-the-project"
    steps = "import os\n" + STEPS.replace('print("cleaning")', TELL)
    away.write({"src/demo/steps.py": steps, ".env": f"FROM_ENV={secret}\n"})
    assert away.run("clean", on="gpu", force=True).error is None
    assert f"cleaning None {secret}" in away.text(".mlx/logs/clean.log")
    (job,) = box.jobs()
    holding = [path for path in job.rglob("*") if path.is_file() and secret in path.read_text("latin-1")]
    assert holding == [job / "log"]


def test_a_stage_sees_what_setup_and_env_set(away: SmallProject, box: Box) -> None:
    away.write({"src/demo/steps.py": "import os\n" + STEPS.replace('print("cleaning")', TELL)})
    setup = 'FROM_SETUP="it\'s\nset"; export FROM_SETUP; cat'
    result = with_box(away, setup=setup, env={"FROM_ENV": "1 'ß'"}).run("clean", on="gpu", force=True)
    assert result.error is None, result.error
    assert away.text(".mlx/logs/clean.log").endswith("cleaning it's\nset 1 'ß'\n")


@pytest.mark.parametrize(
    "setup", ["echo no >&2; false", "no-such-command", ". /no/such/file", "exit 3", "if"]
)
def test_a_setup_that_fails(away: SmallProject, box: Box, setup: str) -> None:
    result = with_box(away, setup=setup).run("clean", on="gpu", force=True)
    assert result.error is not None
    assert "the target's `setup:` failed on 'gpu-box'" in result.error.message
    assert result.error.hint == "mend it in mlx.yaml"
    assert any("no" in line for line in result.error.context) or setup in ("exit 3", "if")


def found(project: SmallProject) -> dict[str, dict[str, Any]]:
    """What doctor finds on the box, by name."""
    checks = json.loads(mlx(project, "doctor", "--on", "gpu", "--json").stdout)["checks"]
    return {check["name"]: check for check in checks}


AHEAD = "import time\n\n_time = time.time\ntime.time = lambda: _time() + 5 * 3600\n"


@pytest.fixture
def ahead(away: SmallProject, box: Box) -> Iterator[None]:
    """Let the clock of the box be five hours ahead, for the Python of mlx there and for that of jobs."""
    away.write({"box.txt": "clock\n"})
    assert away.run("clean", on="gpu", force=True).error is None
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = subprocess.run(
        ["ssh", HOST, "python3 -c 'import site; print(site.getusersitepackages())'"],
        capture_output=True,
        text=True,
        check=True,
    )
    places = [Path(own.stdout.strip()) / "usercustomize.py"]
    for folder in (box.root / "environments").glob(f"*/lib/{version}/site-packages"):
        places.append(folder / "sitecustomize.py")
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(AHEAD)
    yield
    for place in places:
        place.unlink()


@pytest.mark.usefixtures("ahead")
def test_durations_do_not_depend_on_the_clock_of_the_box(
    away: SmallProject, box: Box, tmp_path: Path, start: Start
) -> None:
    clock = found(away)["clock"]
    assert clock["state"] == "warning"
    ahead = re.fullmatch(r"(\d+) s ahead", clock["text"].split(":")[0])
    assert ahead is not None
    assert int(ahead[1]) == pytest.approx(18_000, abs=60)  # what a busy machine takes to ask counts too
    gate = tmp_path / "gate/open"
    waiting_at(away, gate).write({"box.txt": "clock\n"})
    running = start(away, "run", "clean", "--on", "gpu", "--json")
    wait_for(gate.with_name("begun").exists)
    listed = json.loads(mlx(away, "jobs", "list", "--json").stdout)["jobs"]
    assert [(one["state"], one["seconds"] < 3600) for one in listed] == [("running", True), ("fetched", True)]
    gate.touch()
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    (stage,) = json.loads(out)["stages"]
    assert 0 < stage["seconds"] < 3600
    assert 0 <= json.loads((box.jobs()[-1] / "end.json").read_text())["seconds"] < 3600
    assert away.dvc_status().keys() <= {"left", "right", "join"}
