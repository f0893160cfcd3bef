"""What a target says of its machine, Python, variables, how the shell begins, and what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from away_project import mlx, with_box
from small_project import STEPS, SmallProject

if TYPE_CHECKING:
    from collections.abc import Iterator

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
