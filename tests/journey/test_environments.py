"""From dev to production as a team does it: git and DVC remotes, a store for each environment, approval."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.journey.conftest import Done, call, good

if TYPE_CHECKING:
    from pathlib import Path

ADA = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org"}
ADA |= {"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org"}
ENVIRONMENTS = """
environments:
  dev: {}
  staging: {}
  production:
    requires: staging
    tracking: sqlite:///stores/production.db
    remote: team
    approvers: [bob]
"""


def as_user(name: str) -> dict[str, str]:
    return {"LOGNAME": name, "USER": name, "USERNAME": name}


@pytest.fixture(scope="module")
def team(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a trained model, remotes of git and DVC, and nothing pushed."""
    good(folder, "mlx", "init", "cells", "--json")
    project = folder / "cells"
    config = project / "mlx.yaml"
    text = config.read_text(encoding="utf-8")
    start = text.index("\nenvironments:")
    rest = text[start + 1 :].partition("\n")[2]
    config.write_text(text[:start] + ENVIRONMENTS + rest, encoding="utf-8")
    (project / "stores").mkdir()
    (project / ".gitignore").write_text((project / ".gitignore").read_text() + "/stores\n")
    # DVC writes the path of a remote as ASCII.
    remotes = tmp_path_factory.mktemp("remotes")
    good(project, "git", "init", "-q", "--bare", "-b", "main", str(remotes / "cells.git"))
    good(project, "git", "remote", "add", "origin", str(remotes / "cells.git"))
    good(project, "dvc", "remote", "add", "team", str(remotes / "data"))
    return project


def commit(project: Path) -> None:
    good(project, "git", "add", "-A", **ADA)
    good(project, "git", "commit", "-qm", "work", **ADA)


@pytest.fixture(scope="module")
def walk(team: Path) -> dict[str, Done]:
    """Walk the whole way once; the tests look at what each step said."""
    to_staging = ("mlx", "promote", "--to", "staging", "--json")
    to_production = ("mlx", "promote", "--to", "production", "--json")
    steps: dict[str, Done] = {}
    commit(team)
    good(team, "mlx", "run", "--json")
    commit(team)
    steps["unpushed"] = call(team, *to_staging)
    good(team, "git", "push", "-q", "-u", "origin", "HEAD")
    steps["no default remote"] = call(team, *to_staging, **as_user("ann"))
    steps["data is here only"] = call(team, *to_production, **as_user("ann"))
    good(team, "dvc", "push", "-q", "--remote", "team")
    steps["judged"] = call(team, *to_production, "--dry-run", **as_user("ann"))
    steps["runs of a dry run"] = good(team, "mlx", "runs", "--env", "production", "--json")
    steps["asked"] = call(team, *to_production, "--reason", "first", **as_user("ann"))
    steps["own consent"] = call(team, *to_production, "--approve", **as_user("ann"))
    steps["approved"] = call(team, *to_production, "--approve", **as_user("bob"))
    steps["tags"] = good(team, "git", "ls-remote", "--tags", "origin")
    good(team, "mlx", "run", "--set", "model.max_iter=3", "--set", "choice.candidates=[trees]", "--json")
    commit(team)
    good(team, "git", "push", "-q")
    good(team, "dvc", "push", "-q", "--remote", "team")
    steps["not in staging"] = call(team, *to_production, **as_user("ann"))
    steps["history"] = good(team, "mlx", "history", "--json")
    steps["env"] = good(team, "mlx", "env", "--env", "production", "--json")
    return steps


def error(done: Done) -> tuple[int, str, str]:
    said = done.json["error"]
    return done.code, said["message"], said["hint"]


def test_what_is_on_no_remote_goes_nowhere(walk: dict[str, Done]) -> None:
    code, message, hint = error(walk["unpushed"])
    assert (code, message) == (3, "'staging' takes only models whose commit is pushed")
    assert hint == "run `git push -u origin main`, or set `pushed: false` for 'staging' in mlx.yaml"
    assert walk["no default remote"].json["promoted"] is True
    code, message, hint = error(walk["data is here only"])
    assert (code, message) == (3, "'production' takes only models whose data is on the DVC remote")
    assert hint.startswith("run `dvc push --remote team`")


def test_the_model_is_carried_with_its_run_and_waits(walk: dict[str, Done], team: Path) -> None:
    asked = walk["asked"]
    assert (asked.code, asked.json["promoted"], asked.json["pending"]) == (3, False, True)
    assert asked.json["error"]["message"] == "version 1 waits until bob agrees"
    assert error(walk["own consent"])[1].startswith("'ann' asked for this promotion")
    approved = walk["approved"].json
    assert (approved["promoted"], approved["version"], approved["record"]) == (True, "1", 1)
    runs = good(team, "mlx", "runs", "--env", "production", "--json").json["runs"]
    (carried,) = runs
    (original,) = [
        run
        for run in good(team, "mlx", "runs", "--json").json["runs"]
        if run["id"] == carried["tags"]["mlx.restored_from"]
    ]
    for key in ("metrics", "params", "commit"):
        assert carried[key] == original[key]


def test_a_dry_run_carries_nothing(walk: dict[str, Done]) -> None:
    assert (walk["judged"].code, walk["judged"].json["dry_run"]) == (0, True)
    assert all(gate["passed"] for gate in walk["judged"].json["gates"])
    assert walk["runs of a dry run"].json["runs"] == []


def test_tags_are_at_the_remote(walk: dict[str, Done]) -> None:
    names = {line.split("refs/tags/")[1] for line in walk["tags"].out.splitlines()}
    assert {"mlx/staging/0001", "mlx/production/0001"} <= names


def test_a_model_that_staging_does_not_have_stays_out(walk: dict[str, Done]) -> None:
    code, message, hint = error(walk["not in staging"])
    assert (code, message) == (3, "'production' takes only the model that 'staging' has now")
    assert hint.startswith("run `mlx promote --to staging")


def test_history_answers_for_both(walk: dict[str, Done]) -> None:
    history = walk["history"].json["history"]
    (production,) = [entry for entry in history["production"] if entry["what"] == "promoted"]
    record = production["record"]
    assert (record["by"], record["approved_by"], record["reason"]) == ("ann", ["bob"], "first")
    assert record["data"]
    assert len(record["commit"]) == 40
    assert all(gate["passed"] for gate in record["gates"])
    assert history["dev"] == []
    json.dumps(history)
