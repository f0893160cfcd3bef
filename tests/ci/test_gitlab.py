"""The pipeline of a new project for GitLab CI, job by job, on a runner that is played: one story."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.ci.conftest import job_environment, tags
from tests.ci.gitlab_runner import GitLabRunner

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ci.conftest import Repository
    from tests.ci.fake_forge import FakeForge
    from tests.mlflow_server import Server

pytestmark = pytest.mark.slow

INIT = ("--ci", "gitlab")
TOKEN = "glpat-only-in-the-job"


@pytest.fixture(scope="module")
def gitlab(
    tmp_path_factory: pytest.TempPathFactory,
    wheels: Path,
    python: Path,
    place: FakeForge,
    mine: Repository,
    server: Server,
) -> GitLabRunner:
    variables = {
        "MLFLOW_TRACKING_URI": server.url,
        "GITLAB_TOKEN": TOKEN,
        "PUSH_URL": f"file://{mine.origin}",
    }
    folder = tmp_path_factory.mktemp("gitlab")
    return GitLabRunner(mine.origin, folder, python, variables, job_environment(wheels, place))


def good(done: tuple[int, str]) -> str:
    code, log = done
    assert code == 0, log
    assert TOKEN not in log
    return log


def test_the_pipeline_is_valid(mine: Repository) -> None:
    file = str(mine.root / ".gitlab-ci.yml")
    subprocess.run(["check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", file], check=True)
    assert not (mine.root / ".github").exists()


def test_which_jobs_a_pipeline_has(gitlab: GitLabRunner) -> None:
    assert gitlab.starts("push") == {
        "check": "on_success",
        "train": "on_success",
        "staging": "on_success",
        "production": "manual",
    }
    assert gitlab.starts("push", CI_COMMIT_BRANCH="topic") == {}
    assert gitlab.starts("push", MLFLOW_TRACKING_URI="") == {"check": "on_success"}
    assert gitlab.starts("schedule", DO="train") == {"train": "on_success"}
    assert gitlab.starts("schedule", DO="drift") == {"drift": "on_success"}
    assert gitlab.starts("web") == {"train": "manual"}
    request = gitlab.starts("merge_request_event", CI_MERGE_REQUEST_SOURCE_PROJECT_ID="42")
    assert request == {"check": "on_success", "report": "on_success"}
    assert gitlab.starts("merge_request_event", CI_MERGE_REQUEST_SOURCE_PROJECT_ID="43") == {
        "check": "on_success"
    }


def test_training_opens_a_merge_request(gitlab: GitLabRunner, mine: Repository, place: FakeForge) -> None:
    assert "nothing has changed since the last training" in good(gitlab.run("train", "schedule"))
    params = mine.root / "params.yaml"
    params.write_text(params.read_text().replace("max_iter: 200", "max_iter: 50"))
    mine.push("Fewer trees")
    good(gitlab.run("train", "push"))
    (opened,) = place.requests
    assert (opened["source_branch"], opened["target_branch"]) == ("mlx/train", "main")
    assert "All 2 gates pass." in opened["description"]
    assert place.tokens == {TOKEN}


def test_a_merge_request_gets_one_comment(gitlab: GitLabRunner, place: FakeForge) -> None:
    job = {"CI_MERGE_REQUEST_IID": "1", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "42"}
    for _ in range(2):
        good(gitlab.run("report", "merge_request_event", ref="mlx/train", **job))
    assert len(place.comments[1]) == 1


def test_a_merge_is_promoted(gitlab: GitLabRunner, mine: Repository) -> None:
    merge = ["git", "update-ref", "refs/heads/main", "refs/heads/mlx/train"]
    subprocess.run(merge, cwd=mine.origin, check=True)
    assert "cells@staging is now version 1" in good(gitlab.run("staging", "push"))
    assert "cells@production is now version 1" in good(gitlab.run("production", "push"))
    assert tags(mine.origin) == ["mlx/production/0001", "mlx/staging/0001"]


def test_drift_is_looked_for(gitlab: GitLabRunner, place: FakeForge) -> None:
    assert "no drift" in good(gitlab.run("drift", "schedule"))
    assert not place.issues


def test_every_change_is_checked(gitlab: GitLabRunner) -> None:
    good(gitlab.run("check", "push"))
