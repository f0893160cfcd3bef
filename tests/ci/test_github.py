"""The workflows of a new project on a runner that is played: one story, in which each test goes on."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import yaml

from tests.ci.conftest import tags
from tests.ci.expressions import condition

if TYPE_CHECKING:
    from tests.ci.conftest import Repository
    from tests.ci.fake_forge import FakeForge
    from tests.ci.runner import Job, Runner
    from tests.mlflow_server import Server

pytestmark = pytest.mark.slow


def request(number: int, *, fork: bool = False) -> dict[str, Any]:
    """The event of a pull request."""
    head = {"ref": "topic", "repo": {"full_name": "somebody/cells" if fork else "team/cells"}}
    return {"pull_request": {"number": number, "head": head}}


def move(origin: Path, ref: str, to: str) -> None:
    """Let a ref of the forge point where another does, as a merge does."""
    subprocess.run(["git", "update-ref", ref, to], cwd=origin, check=True)


def trained(runner: Runner, event: str = "push") -> Job:
    return runner.run("train", event=event)["train"]


def install_from_here_on_what_is_new(runner: Runner) -> None:
    """Spare later jobs the look at a hundred packages that are there."""
    runner.environment |= {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}


def edit_params(mine: Repository, old: str, new: str) -> None:
    params = mine.root / "params.yaml"
    text = params.read_text()
    assert old in text
    params.write_text(text.replace(old, new))


def test_workflows_are_valid(mine: Repository) -> None:
    github = mine.root / ".github"
    check = ("check-jsonschema", "--builtin-schema")
    files = sorted(map(str, github.glob("workflows/*.yml")))
    assert [Path(file).stem for file in files] == ["ci", "drift", "promote", "train"]
    subprocess.run([*check, "vendor.github-workflows", *files], check=True)
    subprocess.run([*check, "vendor.dependabot", str(github / "dependabot.yml")], check=True)


def test_jobs_have_least_rights_and_do_not_meet(mine: Repository) -> None:
    workflows = {
        path.stem: yaml.safe_load(path.read_text()) for path in (mine.root / ".github/workflows").glob("*")
    }
    rights = {
        f"{name}.{job}": entry.get("permissions", workflow["permissions"])
        for name, workflow in workflows.items()
        for job, entry in workflow["jobs"].items()
    }
    assert rights == {
        "ci.check": {"contents": "read"},
        "ci.report": {"contents": "read", "pull-requests": "write"},
        "train.train": {"contents": "write", "pull-requests": "write"},
        "promote.registry": {},
        "promote.staging": {"contents": "write"},
        "promote.production": {"contents": "write"},
        "drift.drift": {"contents": "read", "issues": "write"},
    }
    promote = workflows.pop("promote")
    assert all("group" in workflow["concurrency"] for workflow in workflows.values())
    groups = [job.get("concurrency") for job in promote["jobs"].values()]
    assert groups == [None, "promote-staging", "promote-production"]
    assert all("timeout-minutes" in job for w in workflows.values() for job in w["jobs"].values())


def test_without_a_server_only_checks_run_by_themselves(runner: Runner) -> None:
    assert trained(runner).result == "skipped"
    assert runner.run("drift", event="schedule")["drift"].result == "skipped"
    assert {job.result for job in runner.run("promote").values()} == {"skipped"}


def test_a_promotion_by_hand_says_what_is_missing(runner: Runner) -> None:
    jobs = runner.run("promote", event="workflow_dispatch", inputs={"environment": "production"})
    assert [job.result for job in jobs.values()] == ["failure", "skipped", "skipped"]
    assert "::error title=mlx::A promotion needs an MLflow server." in jobs["registry"].log


def test_a_fork_is_checked_and_told(runner: Runner, mine: Repository) -> None:
    """It has no secrets, a clone of one commit, and no branch."""
    move(mine.origin, "refs/pull/1/merge", "refs/heads/main")
    jobs = runner.run(
        "ci", event="pull_request", ref="refs/pull/1/merge", payload=request(1, fork=True), secrets=False
    )
    check = jobs["check"]
    assert check.result == "success", check.log
    assert {step.outcome for step in check.steps} == {"success"}
    assert "A pull request of a fork or of Dependabot gets no secrets" in check.log
    assert not any(step.summary for step in check.steps if step.name.startswith("Tests"))
    assert jobs["report"].result == "skipped"
    install_from_here_on_what_is_new(runner)


def test_training_with_nothing_new_makes_no_commit(runner: Runner, server: Server, place: FakeForge) -> None:
    runner.variables["MLFLOW_TRACKING_URI"] = server.url
    job = trained(runner)
    assert job.result == "success", job.log
    assert job.step("Is there anything new").outputs == {"model": "no"}
    assert job.step("Commit").outcome == "skipped"
    assert not place.requests


def test_a_cancelled_training_leaves_nothing_behind(
    runner: Runner, mine: Repository, place: FakeForge
) -> None:
    edit_params(mine, "max_iter: 200", "max_iter: 50")
    changed = mine.push("Fewer trees")
    assert runner.starts("train", "push", branch="main", changed=changed)
    assert not runner.starts("promote", "push", branch="main", changed=changed)
    runner.cancel_at = "choose: running"
    job = trained(runner)
    runner.cancel_at = None
    assert job.step("Train").outcome == "failure"
    assert job.step("Push data").outcome == "skipped"
    assert not place.requests


def test_training_without_the_right_to_push_opens_nothing(
    runner: Runner, mine: Repository, place: FakeForge
) -> None:
    hook = mine.origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'protected branch'\nexit 1\n")
    hook.chmod(0o755)
    job = trained(runner)
    hook.unlink()
    assert job.step("Train").outcome == "success", job.log
    assert job.step("Commit").outcome == "failure"
    assert "protected branch" in job.log
    assert not place.requests


def test_training_without_the_right_to_open_a_pull_request(runner: Runner, place: FakeForge) -> None:
    place.denied = "/pulls"
    job = trained(runner)
    place.denied = None
    assert job.step("Commit").outcome == "success", job.log
    assert job.step("Open").outcome == "failure"
    assert "let Actions create pull requests" in job.log
    assert "::error title=mlx::POST " in job.log


def test_training_opens_a_pull_request(runner: Runner, mine: Repository, place: FakeForge) -> None:
    job = trained(runner, event="schedule")
    assert job.result == "success", job.log
    assert " passed" in job.step("Is it what").log
    (opened,) = place.requests
    assert (opened["head"], opened["base"]) == ("mlx/train", "main")
    run_id = job.step("Train").outputs["run_id"]
    assert opened["title"] == f"Train cells: run {run_id[:8]}"
    assert "**'staging' has no champion yet. All 2 gates pass.**" in opened["body"]
    assert "| ROC AUC |" in opened["body"]
    assert "| choose | ran |" in job.step("Train").summary
    assert f"MLflow run {run_id}" in mine.git("log", "-1", "--format=%b", "mlx/train", folder=mine.origin)
    assert (runner.folder / "artifacts/reports/reports/evaluation.html").is_file()


def test_a_pull_request_gets_one_comment(runner: Runner, mine: Repository, place: FakeForge) -> None:
    move(mine.origin, "refs/pull/1/merge", "refs/heads/mlx/train")
    for only in (None, "report"):
        jobs = runner.run("ci", event="pull_request", ref="refs/pull/1/merge", payload=request(1), only=only)
        assert jobs["check"].result == "success", jobs["check"].log
        assert jobs["report"].result == "success", jobs["report"].log
    (comment,) = place.comments[1]
    assert comment["body"].startswith("## cells: run ")


def test_a_merge_promotes_and_trains_nothing(runner: Runner, mine: Repository, server: Server) -> None:
    before = mine.git("rev-parse", "main", folder=mine.origin)
    changed = mine.git("diff", "--name-only", "main", "mlx/train", folder=mine.origin).split()
    move(mine.origin, "refs/heads/main", "refs/heads/mlx/train")
    assert not runner.starts("train", "push", branch="main", changed=changed)
    assert runner.starts("promote", "push", branch="main", changed=changed)
    jobs = runner.run("promote")
    assert [job.result for job in jobs.values()] == ["success"] * 3, "\n".join(j.log for j in jobs.values())
    assert jobs["staging"].outputs == {"promoted": "true"}
    assert tags(mine.origin) == ["mlx/production/0001", "mlx/staging/0001"]
    assert "cells@production is now version 1" in jobs["production"].step("Promote").summary
    history = jobs["production"].step("Who was").log
    assert "promoted" in history
    assert mine.git("rev-parse", "main", folder=mine.origin) != before


def test_what_somebody_types_is_no_command(runner: Runner, mine: Repository, tmp_path: Path) -> None:
    """A promotion by hand, of what staging has already: production is asked for only where it is named."""
    reason = f"it's $(touch '{tmp_path}/here') \"new\""
    jobs = runner.run(
        "promote",
        event="workflow_dispatch",
        inputs={"environment": "staging", "run": "", "reason": reason},
    )
    assert jobs["staging"].result == "success", jobs["staging"].log
    assert jobs["production"].result == "skipped"
    assert list(tmp_path.iterdir()) == []
    assert len(tags(mine.origin)) == 2


def test_a_model_that_a_gate_refuses_goes_nowhere(runner: Runner, mine: Repository) -> None:
    mine.git("fetch", "-q", "origin", "main")
    mine.git("reset", "-q", "--hard", "origin/main")
    edit_params(mine, "max_iter: 50", "max_iter: 20")
    config = mine.root / "mlx.yaml"
    config.write_text(config.read_text().replace("min: 0.6}", "min: 0.9999}"))
    mine.push("A bar that is too high")
    assert trained(runner).result == "success"
    move(mine.origin, "refs/heads/main", "refs/heads/mlx/train")
    jobs = runner.run("promote")
    assert [job.result for job in jobs.values()] == ["success", "failure", "skipped"]
    assert "❌" in jobs["staging"].step("Promote").summary
    assert jobs["staging"].outputs == {"promoted": "false"}
    assert len(tags(mine.origin)) == 2


def test_drift_keeps_one_issue(runner: Runner, mine: Repository, place: FakeForge) -> None:
    assert runner.run("drift", event="schedule")["drift"].outputs == {"drift": "none"}
    assert not place.issues
    mine.git("fetch", "-q", "origin", "main")
    mine.git("reset", "-q", "--hard", "origin/main")
    new_rows = mine.root / "data/external/new_rows.csv"
    before = new_rows.read_text()
    rows = pd.read_csv(new_rows)
    numbers = rows.select_dtypes("number").columns
    new_rows.unlink()
    rows.assign(**{name: rows[name] * 3 for name in numbers}).to_csv(new_rows, index=False)
    mine.dvc("add", "-q", "data/external/new_rows.csv")
    mine.dvc("push", "-q")
    mine.push("New rows")
    for _ in range(2):
        job = runner.run("drift", event="schedule")["drift"]
        assert job.result == "failure", job.log
        assert job.outputs == {"drift": "drift"}
    (issue,) = place.issues
    assert issue["title"] == "Drift in the data of cells"
    assert "| mean\\_radius | drifted |" in issue["body"]
    new_rows.unlink()
    new_rows.write_text(before)
    mine.dvc("add", "-q", "data/external/new_rows.csv")
    mine.push("Rows as they were")
    assert runner.run("drift", event="schedule")["drift"].result == "success"
    assert issue["state"] == "closed"


def test_training_without_a_dvc_remote(runner: Runner, mine: Repository) -> None:
    mine.dvc("remote", "remove", "store")
    mine.push("No remote")
    job = trained(runner, event="workflow_dispatch")
    assert job.step("Is there a place for data and runs").outcome == "failure"
    assert job.step("Train").outcome == "skipped"
    assert "its data has no DVC remote" in job.log


def test_dependabot_gets_no_report(runner: Runner, mine: Repository) -> None:
    """Its pull requests come from the repository itself, and still get no secrets."""
    job = runner.job("ci", "report")
    payload = request(1)
    contexts = {"github": {"event_name": "pull_request", "event": payload, "repository": "team/cells"}}
    contexts["vars"] = {"MLFLOW_TRACKING_URI": "https://mlflow.example.org"}
    functions = {"success": lambda: True}
    assert condition(job["if"], contexts, functions)
    payload["pull_request"]["user"] = {"login": "dependabot[bot]"}
    assert not condition(job["if"], contexts, functions)
