"""A promotion that waits for somebody else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from registry_bench import CLEAN, Bench

from mlxkit.adapters import mlflow_registry
from mlxkit.cli.options import Session
from mlxkit.cli.promote import _lines
from mlxkit.errors import Refused, UsageError
from mlxkit.output import Output
from mlxkit.registry import approval
from mlxkit.registry.decision import decide
from mlxkit.registry.history import history

if TYPE_CHECKING:
    from mlxkit.registry.promotion import Promotion


@pytest.fixture
def asked(bench: Bench) -> Bench:
    """A project whose staging wants the consent of bob or carol."""
    staging = replace(bench.project.environments["staging"], approvers=("bob", "carol"))
    environments = {**bench.project.environments, "staging": staging}
    return replace(bench, project=replace(bench.project, gates=(), environments=environments))


def say(bench: Bench, by: str, *, approve: bool = True, **more: Any) -> Promotion | None:
    staging = bench.project.environments["staging"]
    return decide(bench.project, staging, bench.store, by=by, approve=approve, **more)


def staging(bench: Bench) -> str | None:
    found = mlflow_registry.champion(bench.store, bench.project.name, "staging")
    return None if found is None else found.version


def said(bench: Bench) -> list[str]:
    return [entry.what for entry in history(bench.project, bench.store, "staging")]


def test_it_waits_until_somebody_else_agrees(asked: Bench) -> None:
    run_id = asked.run("good")
    done = asked.promote("staging", reason="spring")
    assert (done.promoted, done.version, done.pending is not None) == (False, "1", True)
    assert done.to_json()["pending"] is True
    assert staging(asked) is None
    assert said(asked) == ["waits for approval"]
    agreed = say(asked, "bob", reason="looks right")
    assert agreed is not None
    assert (agreed.promoted, agreed.run_id, staging(asked)) == (True, run_id, "1")
    record = agreed.record
    assert record is not None
    assert (record.by, record.approved_by, record.reason) == ("ann", ("bob",), "spring; looks right")
    assert said(asked) == ["promoted"]
    assert say(asked, "bob") is None


def test_people_are_told_who_has_to_agree_and_how(asked: Bench) -> None:
    asked.run("good")
    lines = _lines(Session(Output("human")), asked.project, asked.promote("staging"), dry_run=False)
    name = asked.project.name
    assert lines[-2:] == [
        f"not promoted yet: version 1 waits until bob or carol agrees; {name}@staging stays as it is",
        "let them run `mlx promote --to staging --approve`, or `--reject`",
    ]


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("ann", "'ann' asked for this promotion, and somebody else must agree to it"),
        ("dave", "'dave' may not approve promotions to 'staging'"),
    ],
)
def test_not_everybody_may_agree(asked: Bench, by: str, message: str) -> None:
    asked.run("good")
    asked.promote("staging")
    with pytest.raises(Refused) as raised:
        say(asked, by)
    assert (raised.value.message, raised.value.context) == (message, ("who may: bob or carol",))
    assert staging(asked) is None
    assert said(asked) == ["waits for approval"]


def test_anyone_is_everybody_else(asked: Bench) -> None:
    anyone = replace(asked.project.environments["staging"], approvers=("anyone",))
    bench = replace(asked, project=replace(asked.project, environments={"dev": anyone, "staging": anyone}))
    bench.run("good")
    bench.promote("staging")
    with pytest.raises(Refused, match="'ann' asked for this promotion"):
        say(bench, "ann")
    assert say(bench, "dave") is not None
    assert staging(bench) == "1"


def test_an_approval_that_was_killed_before_the_request_ended_is_ended(
    asked: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.run("good")
    asked.promote("staging")

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("mlxkit.registry.approval.settle", killed)
        with pytest.raises(KeyboardInterrupt):
            say(asked, "bob")
    assert (staging(asked), said(asked)) == ("1", ["promoted", "waits for approval"])
    again = say(asked, "bob")
    assert again is not None
    assert (again.promoted, again.note) == (True, "version 1 is the champion of 'staging' already")
    assert said(asked) == ["promoted"]


def test_what_was_rejected_stands_at_its_time(asked: Bench) -> None:
    asked.run("good")
    asked.promote("staging")
    say(asked, "bob", approve=False)
    asked.promote("staging")
    say(asked, "carol")
    assert said(asked) == ["rejected", "promoted"]


def test_who_says_no_is_remembered_with_the_reason(asked: Bench) -> None:
    asked.run("good")
    asked.promote("staging")
    done = say(asked, "carol", approve=False, reason="not before the holidays")
    assert done is not None
    assert done.note == "version 1 was rejected; 'staging' stays as it is"
    (entry,) = history(asked.project, asked.store, "staging")
    assert entry.record is not None
    assert (entry.what, entry.record.approved_by) == ("rejected", ("carol",))
    assert entry.record.reason == "not before the holidays"
    assert say(asked, "bob") is None


def test_a_champion_that_changed_since_makes_the_verdict_void(asked: Bench) -> None:
    asked.run("good")
    asked.promote("staging")
    asked.run("poor")
    asked.promote("staging")
    with pytest.raises(UsageError, match="more than one promotion waits for approval") as raised:
        say(asked, "bob")
    assert raised.value.hint.startswith("name one: `mlx promote --to staging --approve --run ")
    first, second = (mlflow_registry.get_version(asked.store, asked.project.name, number) for number in "12")
    assert first is not None
    assert second is not None
    assert say(asked, "bob", run_id=second.run_id) is not None
    with pytest.raises(Refused, match="the champion of 'staging' changed since version 1 was judged"):
        say(asked, "bob", run_id=first.run_id)
    assert staging(asked) == "2"


def test_an_approval_that_was_killed_once_the_alias_had_moved_is_finished_by_the_next(
    asked: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    asked.run("good")
    asked.promote("staging")
    with monkeypatch.context() as patch:
        patch.setattr(approval, "settle", killed)
        with pytest.raises(KeyboardInterrupt):
            say(asked, "bob")
    assert (staging(asked), said(asked)) == ("1", ["promoted", "waits for approval"])
    done = say(asked, "bob")
    assert done is not None
    assert (done.promoted, done.note) == (True, "version 1 is the champion of 'staging' already")
    assert said(asked) == ["promoted"]
    assert say(asked, "bob") is None


def test_what_staging_has_no_more_cannot_be_approved_for_production(asked: Bench) -> None:
    production = replace(asked.project.environments["production"], approvers=("bob",))
    plain = replace(asked.project.environments["staging"], approvers=())
    environments = {**asked.project.environments, "staging": plain, "production": production}
    bench = replace(asked, project=replace(asked.project, environments=environments))
    bench.run("good")
    bench.promote("staging")
    bench.promote("production")
    bench.run("poor")
    bench.promote("staging")
    with pytest.raises(Refused, match="'production' takes only the model that 'staging' has now"):
        decide(bench.project, production, bench.store, by="bob", approve=True)


def test_in_a_github_environment_its_reviewers_have_agreed(
    asked: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/churn")
    monkeypatch.setenv("GITHUB_RUN_ID", "7")
    asked.run("good")
    done = asked.promote("staging", approves=True, provenance=replace(CLEAN, by="ann"))
    assert done.record is not None
    (approved,) = done.record.approved_by
    assert approved == "ann on GitHub (https://github.com/team/churn/actions/runs/7)"
    assert staging(asked) == "1"
