"""Inputs inside another stage's output folder, on a machine that has neither the folder nor the cache."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from small_project import by_status

if TYPE_CHECKING:
    from pathlib import Path

    from small_project import SmallProject

CLOUD = {"box": {"etag": "0123", "version_id": "v1"}}
MAKE = "mkdir -p build/parts/deep && cp data/raw.txt build/parts/a.txt && cp data/raw.txt build/parts/deep"


@pytest.fixture(params=["build/parts/a.txt", "build/parts/deep"], ids=["file", "folder"])
def inside(bare: SmallProject, request: pytest.FixtureRequest) -> SmallProject:
    """A stage that reads something inside the folder that another one makes; both have run."""
    bare.write({"data/raw.txt": "1"}).configure(
        {
            "make": {"cmd": MAKE, "inputs": ["data/raw.txt"], "outputs": ["build/parts"]},
            "use": {"cmd": f"find {request.param} -size 1 > n", "inputs": [request.param], "outputs": ["n"]},
        }
    )
    assert bare.run().error is None
    return bare


def without_folder_and_cache(project: SmallProject) -> SmallProject:
    return project.remove("build", ".dvc/cache", "n")


def dvc_would_run(project: SmallProject) -> list[str]:
    """Tell what DVC would run where it need not have the files."""
    with project.dvc() as repo:
        return [stage.addressing for stage in repo.reproduce(dry=True, allow_missing=True)]


def test_what_nothing_here_lists_counts_as_unchanged(inside: SmallProject, mlx: Any) -> None:
    without_folder_and_cache(inside)
    assert mlx("status", "--check").code == 0
    assert dvc_would_run(inside) == []
    assert by_status(inside.run()) == {"make": "ran", "use": "ran"}  # their outputs are nowhere
    assert inside.reasons() == {}


def test_what_the_cache_lists_is_compared(inside: SmallProject) -> None:
    inside.write({"data/raw.txt": "2"})
    assert by_status(inside.run("make")) == {"make": "ran"}
    inside.remove("build")
    (path,) = yaml.safe_load(inside.text("mlx.yaml"))["stages"]["use"]["inputs"]
    assert inside.reasons() == {"use": (f"input {path} changed",)}


def test_a_run_looks_again_once_the_folder_is_back(inside: SmallProject, tmp_path: Path) -> None:
    inside.write({"data/raw.txt": "2"})
    inside.run("make")
    inside.share(tmp_path / "box").remove("build", ".dvc/cache")
    assert by_status(inside.run()) == {"make": "restored", "use": "ran"}
    assert inside.dvc_status() == {}


def test_a_folder_that_is_here_without_the_file(inside: SmallProject) -> None:
    (path,) = yaml.safe_load(inside.text("mlx.yaml"))["stages"]["use"]["inputs"]
    inside.remove(path, ".dvc/cache")
    assert f"input {path} is missing" in inside.reasons()["use"]


@pytest.mark.parametrize("record", ["DVC 2", "files"])
def test_dvc_is_asked_for_a_listing_of_another_kind(inside: SmallProject, record: str) -> None:
    lock = yaml.safe_load(inside.text("dvc.lock"))
    out = lock["stages"]["make"]["outs"][0]
    here = inside.object_of(out["md5"])
    if record == "DVC 2":
        there = inside.root / ".dvc/cache" / out["md5"][:2] / out["md5"][2:]
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(here, there)
        del out["hash"]
    else:
        files = [{**entry, "size": 1, "cloud": CLOUD} for entry in json.loads(here.read_bytes())]
        lock["stages"]["make"]["outs"][0] = {"path": out["path"], "hash": "md5", "files": files}
    lock["stages"]["use"]["deps"][0]["md5"] = "0" * 32
    inside.write({"dvc.lock": yaml.safe_dump(lock)}).remove("build")
    (path,) = yaml.safe_load(inside.text("mlx.yaml"))["stages"]["use"]["inputs"]
    assert inside.reasons() == {"use": (f"input {path} changed",)}


def test_tracked_data_without_its_listing_says_so(bare: SmallProject) -> None:
    bare.write({"data/rows/a.txt": "1"})
    bare.configure({"use": {"cmd": "cp data/rows/a.txt n", "inputs": ["data/rows/a.txt"], "outputs": ["n"]}})
    with bare.dvc() as repo:
        repo.add(["data/rows"])
    assert bare.run().error is None
    bare.remove("data/rows", ".dvc/cache")
    assert bare.reasons()["use"][0] == (
        "input data/rows/a.txt is missing, and so is DVC's listing of data/rows"
    )
