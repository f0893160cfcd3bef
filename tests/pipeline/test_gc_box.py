"""`mlx gc --on`: what no job needs goes from a box, and what one needs stays, whoever sent it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from away_project import mlx, with_box
from tests.box import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from away_project import Start
    from small_project import SmallProject
    from tests.box import Box

LONG_AGO = time.time() - 100 * 86400


@pytest.fixture(autouse=True)
def _emptied(box: Box) -> Iterator[None]:
    """Leave other tests their environments and mlx's code: what these made old is made new again."""
    yield
    for folder in (box.root / "environments", box.root / "mlxkit"):
        for path in [folder, *folder.rglob("*")]:
            if path.name in ("mlx-complete", "used"):
                os.utime(path)


def gc(project: SmallProject, *arguments: str) -> dict[str, Any]:
    """Run it; returns number and unneeded things by kind."""
    done = mlx(project, "gc", "--on", "gpu", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {heap["place"] for heap in document["heaps"]} == {"gpu"}
    return {heap["kind"]: (heap["number"], heap["unneeded"]) for heap in document["heaps"]}


def age(*places: Path) -> None:
    """Let files and folders have been used long ago."""
    for place in places:
        for path in [*place.rglob("*"), place]:
            if not path.is_symlink():
                os.utime(path, (LONG_AGO, LONG_AGO))


def objects(box: Box) -> list[Path]:
    return [path for path in (box.root / "cache").rglob("*") if path.is_file()]


def test_what_was_used_of_late_stays_and_the_rest_goes(away: SmallProject, box: Box) -> None:
    assert away.run("clean", on="gpu", force=True).error is None
    before = gc(away, "--dry-run")
    assert [unneeded for _, unneeded in before.values()] == [0] * 6
    assert (before["data"], before["job"]) == ((1, 0), (1, 0))
    half = box.root / "arriving" / ("0" * 32)
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"half")
    other_version = box.root / "mlxkit" / "of-long-ago"
    other_version.mkdir()
    checkpoint = box.root / "checkpoints" / "demo" / "1.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.touch()
    age(*[box.root / name for name in ("cache", "arriving", "environments", "mlxkit", "jobs", "checkpoints")])
    found = gc(away, "--dry-run")
    assert found["data"] == (1, 1)
    assert found["job"] == (1, 1)
    assert found["half of a transfer"] == (1, 1)
    assert found["version of mlx"][1] == found["version of mlx"][0] - 1
    assert found["environment"][1] == found["environment"][0] >= 1
    assert found["checkpoint"] == (1, 0)
    assert half.exists()
    gc(away, "--yes")
    assert not half.exists()
    assert not other_version.exists()
    assert checkpoint.exists()
    assert (objects(box), box.jobs()) == ([], [])
    assert [unneeded for _, unneeded in gc(away, "--dry-run").values()] == [0] * 6
    assert away.run("clean", on="gpu", force=True).error is None
    assert len(objects(box)) == 1


def test_a_use_makes_data_and_environments_young_again(away: SmallProject, box: Box) -> None:
    assert away.run("clean", on="gpu", force=True).error is None
    (stored,) = objects(box)
    written = stored.stat().st_mtime
    used = (box.root / "environments").glob("*/mlx-complete")
    os.utime(stored, (LONG_AGO, written - 100 * 86400))
    age(*used)
    assert away.run("clean", on="gpu", force=True).error is None
    found = gc(away, "--dry-run")
    assert found["data"] == (1, 0)
    assert found["environment"][0] - found["environment"][1] == 1


def test_what_a_job_under_way_needs_stays_though_it_is_another_projects(
    away: SmallProject, box: Box, gate: Path, start: Start
) -> None:
    running = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    age(*[box.root / name for name in ("cache", "environments", "mlxkit", "jobs")])
    other = with_box(away.copy_to(away.root.with_name("another project")))
    other.remove(".mlx")
    found = gc(other, "--older-than", "0", "--yes")
    assert (found["data"], found["job"]) == ((1, 0), (1, 0))
    assert found["environment"][0] - found["environment"][1] == 1
    assert len(objects(box)) == 1
    gate.touch()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert away.json("build/clean.json") == {"n": 15}


def test_what_an_ended_job_made_stays_until_it_was_fetched(
    away: SmallProject, box: Box, gate: Path, start: Start
) -> None:
    running = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    running.kill()
    running.communicate()
    gate.touch()
    wait_for(lambda: (box.jobs()[0] / "end.json").exists())
    age(box.root / "jobs")
    assert gc(away, "--older-than", "0", "--yes")["job"] == (1, 0)
    assert mlx(away, "jobs", "fetch").returncode == 0
    assert away.json("build/clean.json") == {"n": 15}
    assert gc(away, "--older-than", "0", "--yes")["job"] == (1, 1)
    assert box.jobs() == []


def test_a_job_that_is_being_sent_keeps_what_is_there_for_it(away: SmallProject, box: Box) -> None:
    assert away.run("clean", on="gpu", force=True).error is None
    (stored,) = objects(box)
    sent = box.root / "jobs" / "being-sent"
    (sent / "work").mkdir(parents=True)
    (sent / "wants.json").write_text(json.dumps({"objects": [stored.parent.name + stored.name]}))
    arriving = box.root / "arriving" / ("1" * 32)
    arriving.parent.mkdir(exist_ok=True)
    arriving.write_bytes(b"half")
    found = gc(away, "--older-than", "0", "--yes")
    assert (found["data"], found["half of a transfer"]) == ((1, 0), (1, 0))
    age(sent, arriving)
    with arriving.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert gc(away, "--older-than", "0", "--dry-run")["half of a transfer"] == (1, 0)
    found = gc(away, "--older-than", "0", "--yes")
    assert (found["data"], found["half of a transfer"]) == ((1, 1), (1, 1))
    assert not sent.exists()


def test_nothing_goes_unasked_and_a_target_must_be_there(away: SmallProject, box: Box) -> None:
    assert away.run("clean", on="gpu", force=True).error is None
    age(box.root / "cache")
    done = mlx(away, "gc", "--on", "gpu")
    assert done.returncode == 0
    assert "gpu    data" in done.stdout
    assert "say `mlx gc --on gpu --yes`" in done.stderr
    assert len(objects(box)) == 1
    refused = mlx(away, "gc", "--on", "gpq")
    assert refused.returncode == 2
    assert "there is no target 'gpq'" in refused.stderr
