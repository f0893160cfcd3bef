"""What mlx writes on GitHub and GitLab, against their REST interfaces as far as it uses them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.ci import fake_forge

from mlxkit.adapters import forge
from mlxkit.errors import ToolError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ci.fake_forge import FakeForge

MARK = "<!-- mlx report: churn -->"
GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "team/cells", "GITHUB_TOKEN": "secret"}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_ID": "42",
    "CI_PROJECT_URL": "https://gitlab.example.org/team/cells",
    "GITLAB_TOKEN": "secret",
}


@pytest.fixture
def state() -> Iterator[FakeForge]:
    with fake_forge.forge() as running:
        yield running


@pytest.fixture(params=["github", "gitlab"])
def place(request: pytest.FixtureRequest, state: FakeForge, monkeypatch: pytest.MonkeyPatch) -> forge.Forge:
    """A job on each of the two."""
    for name, value in (GITHUB if request.param == "github" else GITLAB).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_API_URL", state.url)
    monkeypatch.setenv("CI_API_V4_URL", f"{state.url}/api/v4")
    return forge.forge_of_job()


def body(entry: dict[str, str]) -> str:
    return entry.get("description") or entry["body"]


def test_one_comment_is_brought_up_to_date(place: forge.Forge, state: FakeForge) -> None:
    # More than a page of comments by people stand before it.
    state.comments[7] = [{"id": 1000 + n, "body": "nice", "html_url": ""} for n in range(130)]
    assert place.comment(7, MARK, "first").action == "created"
    assert place.comment(7, MARK, "second").action == "updated"
    assert [c["body"] for c in state.comments[7][130:]] == [f"second\n{MARK}\n"]
    assert {c["body"] for c in state.comments[7][:130]} == {"nice"}


def test_a_mark_of_somebody_else_is_not_ours(place: forge.Forge, state: FakeForge) -> None:
    stranger = {**fake_forge.BY_A_PERSON, "id": 1000, "body": f"look {MARK}", "html_url": ""}
    state.comments[7] = [stranger]
    assert place.comment(7, MARK, "ours").action == "created"
    assert place.comment(7, MARK, "ours again").action == "updated"
    assert [c["body"] for c in state.comments[7]] == [f"look {MARK}", f"ours again\n{MARK}\n"]


def test_other_marks_have_comments_of_their_own(place: forge.Forge, state: FakeForge) -> None:
    place.comment(7, MARK, "churn")
    place.comment(7, "<!-- mlx report: other -->", "other")
    assert len(state.comments[7]) == 2


def test_one_request_for_a_branch(place: forge.Forge, state: FakeForge) -> None:
    opened = place.open_request("mlx/train", "main", "Train", "first")
    assert (opened.action, opened.url) == ("created", f"{state.url}/1")
    assert place.open_request("mlx/train", "main", "Train again", "second").action == "updated"
    (request,) = state.requests
    assert (request["title"], body(request)) == ("Train again", "second")
    request["state"] = "closed"
    assert place.open_request("mlx/train", "main", "Train", "third").action == "created"


def test_one_issue_is_opened_kept_and_closed(place: forge.Forge, state: FakeForge) -> None:
    assert place.close_issue(MARK, "drift", "over") is None
    assert place.open_issue(MARK, "drift", "Drift", "first").action == "created"
    assert place.open_issue(MARK, "drift", "Drift", "second").action == "updated"
    (issue,) = state.issues
    assert body(issue) == f"second\n{MARK}\n"
    closed = place.close_issue(MARK, "drift", "over")
    assert closed is not None
    assert (closed.action, issue["state"]) == ("closed", "closed")
    assert [comment["body"] for comment in state.comments[1]] == ["over"]
    assert place.open_issue(MARK, "drift", "Drift", "third").action == "created"


def test_a_token_without_rights(place: forge.Forge, state: FakeForge) -> None:
    state.denied = "comments" if place.request == "pull request" else "notes"
    with pytest.raises(ToolError, match="was refused: 403") as caught:
        place.comment(7, MARK, "text")
    assert caught.value.context == ('{"message": "Resource not accessible by integration"}',)
    assert "permissions" in caught.value.hint or "scope `api`" in caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint


def test_a_forge_that_is_away(place: forge.Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_API_URL", "CI_API_V4_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(ToolError, match="does not answer"):
        forge.forge_of_job().comment(7, MARK, "text")


def test_a_long_text_is_cut_at_a_line(place: forge.Forge, state: FakeForge) -> None:
    place.comment(7, MARK, "a line\n" * 200_000)
    (comment,) = state.comments[7]
    assert len(comment["body"]) < 1_000_000
    assert comment["body"].endswith(f"a line\n\n(cut here, since a forge takes no more)\n\n{MARK}\n")


def test_no_job_and_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="this is no job of GitHub Actions or GitLab CI"):
        forge.forge_of_job()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with pytest.raises(UsageError, match="the job has no GITHUB_TOKEN") as caught:
        forge.forge_of_job()
    assert caught.value.hint == "give it one: `env: {GITHUB_TOKEN: ${{ github.token }}}`"
    monkeypatch.delenv("GITHUB_ACTIONS")
    monkeypatch.setenv("GITLAB_CI", "true")
    with pytest.raises(UsageError, match="the job has no GITLAB_TOKEN"):
        forge.forge_of_job()


def test_the_request_of_a_job(place: forge.Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=f"this job is for no {place.request}"):
        place.request_of_job()
    if place.request == "merge request":
        monkeypatch.setenv("CI_MERGE_REQUEST_IID", "7")
        assert place.request_of_job() == 7
        return
    monkeypatch.setenv("GITHUB_REF", "refs/pull/7/merge")
    assert place.request_of_job() == 7
    monkeypatch.setenv("GITHUB_REF", "refs/heads/main")
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 8}}))
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    assert place.request_of_job() == 8


def test_what_comes_from_a_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event = tmp_path / "event.json"
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/cells")
    for source, is_fork in (("team/cells", False), ("somebody/cells", True)):
        event.write_text(json.dumps({"pull_request": {"head": {"repo": {"full_name": source}}}}))
        assert forge.comes_from_a_fork() is is_fork
    # A fork that was deleted since.
    event.write_text(json.dumps({"pull_request": {"head": {"repo": None}}}))
    assert forge.comes_from_a_fork() is False
    monkeypatch.setenv("CI_MERGE_REQUEST_PROJECT_ID", "42")
    monkeypatch.setenv("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "43")
    assert forge.comes_from_a_fork() is True
