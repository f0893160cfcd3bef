"""Files and folders that may only be read: what can be asked is answered, and the rest says what to open."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from machine import unprivileged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from small_project import SmallProject
    from tabular_project import TabularProject


@contextmanager
def closed(place: Path) -> Iterator[None]:
    """Take away the permission to write a path and everything below it."""
    paths = [place, *place.rglob("*")] if place.is_dir() else [place]
    before = {path: path.stat().st_mode for path in paths if not path.is_symlink()}
    for path, mode in before.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in before.items():
            path.chmod(mode)


def mlx(root: Path, *arguments: str) -> tuple[int, Any]:
    """Run a command that obeys permissions; returns its exit code and its document."""
    done = subprocess.run(
        unprivileged("mlx", *arguments, "--json"), cwd=root, capture_output=True, text=True, check=False
    )
    return done.returncode, json.loads(done.stdout)


def test_a_project_that_may_only_be_read_answers_all_the_same(ran: SmallProject) -> None:
    before = ran.snapshot()
    with closed(ran.root):
        assert mlx(ran.root, "check")[0] == 0
        code, document = mlx(ran.root, "status", "--check")
        assert (code, {stage["state"] for stage in document["stages"]}) == (0, {"fresh"})
        assert mlx(ran.root, "run", "--dry-run")[0] == 0
        code, document = mlx(ran.root, "run", "--force")
    assert ran.snapshot() == before
    assert (code, document["error"]["message"]) == (5, "the project cannot be written: permission denied")
    lock = ran.root / ".mlx/run.lock"
    assert document["error"]["context"] == [str(lock)]
    assert document["error"]["hint"] == f"look at owner and permissions with `ls -ld {lock}`"


@pytest.mark.parametrize("place", [".dvc/cache", ".dvc/tmp", "build"])
def test_a_folder_that_may_only_be_read_fails_the_stage_that_needs_it(ran: SmallProject, place: str) -> None:
    ran.write({"data/raw.json": {"n": 7}})
    with closed(ran.root / place):
        code, document = mlx(ran.root, "run")
    assert code == 5
    assert {stage["status"] for stage in document["stages"]} <= {"failed", "skipped"}
    error = document["error"]
    assert "ermission denied" in error["message"] or "may not be read or written" in error["message"]
    named = error["hint"].removeprefix("look at owner and permissions with `ls -ld ").removesuffix("`")
    assert named.startswith(str(ran.root / place))
    code, document = mlx(ran.root, "run")
    assert (code, {stage["status"] for stage in document["stages"]}) == (0, {"ran"})
    assert ran.dvc_status() == {}


@pytest.mark.parametrize("place", ["mlflow.db", "mlruns"])
def test_a_store_that_may_only_be_read_gets_its_record_later(
    trainable: TabularProject, tmp_path: Path, place: str
) -> None:
    root = tmp_path / "patients"
    shutil.copytree(trainable.root, root, symlinks=True)
    (root / "mlruns").mkdir(exist_ok=True)
    assert mlx(root, "runs")[0] == 0
    with closed(root / place):
        code, document = mlx(root, "train")
        waits, refused = mlx(root, "runs", "sync")
    assert (code, waits) == (5, 5)
    assert document["stages"][-1]["status"] == "ran"
    for error in (document["error"], refused["error"]):
        assert error["message"].endswith(
            "the database is read-only" if place == "mlflow.db" else "permission denied"
        )
    kept = "the outputs are safe, and the record waits in .mlx/unrecorded"
    assert document["error"]["context"][-1] == kept
    assert document["error"]["hint"].endswith("; when that is mended, run `mlx runs sync`")
    code, synced = mlx(root, "runs", "sync")
    assert (code, len(synced["synced"]), synced["waiting"]) == (0, 1, 0)
    runs = mlx(root, "runs")[1]["runs"]
    assert [run["id"] for run in runs if run["status"] == "FINISHED"] == synced["synced"]
