"""The workflows of a new project, step by step, on a runner that is played: one story in one repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.ci.fake_forge import FakeForge
    from tests.ci.runner import Runner
    from tests.mlflow_server import Server

pytestmark = pytest.mark.slow


def request(number: int, *, fork: bool = False) -> dict[str, object]:
    """The event of a pull request."""
    head = {"ref": "topic", "repo": {"full_name": "somebody/cells" if fork else "team/cells"}}
    return {"pull_request": {"number": number, "head": head}}


def test_ci_passes_on_a_fresh_project(runner: Runner) -> None:
    jobs = runner.run("ci")
    assert jobs["check"].result == "success", jobs["check"].log
    assert jobs["report"].result == "skipped"
    print(jobs["check"].log)


def test_training_sleeps_until_there_is_a_server(runner: Runner) -> None:
    assert runner.run("train")["train"].result == "skipped"
    assert runner.run("drift", event="schedule")["drift"].result == "skipped"
    jobs = runner.run("promote")
    assert {name: job.result for name, job in jobs.items()} == {
        "registry": "skipped",
        "staging": "skipped",
        "production": "skipped",
    }


def test_training_with_nothing_new_makes_no_commit(runner: Runner, server: Server, place: FakeForge) -> None:
    runner.variables["MLFLOW_TRACKING_URI"] = server.url
    job = runner.run("train")["train"]
    assert job.result == "success", job.log
    assert job.step("Is there anything new").outputs == {"model": "no"}
    assert job.step("Commit").outcome == "skipped"
    assert not place.requests


def test_training_opens_a_pull_request(runner: Runner, place: FakeForge) -> None:
    mine = runner.mine
    params = mine.root / "params.yaml"
    params.write_text(params.read_text().replace("max_iter: 200", "max_iter: 50"))
    changed = mine.push("Fewer trees")
    assert runner.starts("train", "push", branch="main", changed=changed)
    assert not runner.starts("promote", "push", branch="main", changed=changed)
    job = runner.run("train")["train"]
    assert job.result == "success", job.log
    (opened,) = place.requests
    assert (opened["head"], opened["base"]) == ("mlx/train", "main")
    print(opened["body"])
    print(job.log)
    print(job.step("Fetch").summary)
