"""Records of promotions: in the registry, in git, among a run's artifacts; rollback and history read them."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from registry_bench import CLEAN, Bench, table

from mlxkit.adapters import git_tags, mlflow_registry, mlflow_store, mlflow_tracking
from mlxkit.cli.history import _last, _row
from mlxkit.cli.options import Session
from mlxkit.errors import Refused, ToolError, UsageError
from mlxkit.output import Output
from mlxkit.project.gates import MetricGate
from mlxkit.registry import move
from mlxkit.registry.git_records import git_records
from mlxkit.registry.history import Entry, at, history
from mlxkit.registry.records import PromotionRecord, record_of, records_of, tag_text
from mlxkit.registry.rollback import Rollback, roll_back
from mlxkit.registry.workspace import histories

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def versioned(bench: Bench) -> Bench:
    """A project in a git repository with a commit; the gates let everything pass."""
    git(bench.project.root, "init", "-q", "-b", "main")
    git(bench.project.root, "commit", "-q", "--allow-empty", "-m", "start")
    return bench.with_gates()


@pytest.fixture
def shared(versioned: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One with a remote that others push to, too."""
    remote = tmp_path_factory.mktemp("remote") / "churn.git"
    git(versioned.project.root, "init", "-q", "-b", "main", "--bare", str(remote))
    git(versioned.project.root, "remote", "add", "origin", str(remote))
    return versioned


def promoted(bench: Bench, model: str, to: str = "dev", by: str = "ann") -> str:
    bench.run(model)
    done = bench.promote(to, provenance=replace(CLEAN, by=by))
    assert done.version is not None
    return done.version


def back(bench: Bench, environment: str = "dev", **more: Any) -> Rollback:
    settings: dict[str, Any] = {"by": "bob", "rows": lambda: table(2)}
    chosen = bench.project.environments[environment]
    return roll_back(bench.project, bench.store, chosen, **{**settings, **more})


def seen(bench: Bench, environment: str = "dev") -> list[tuple[str, str | None, str | None]]:
    entries = history(bench.project, bench.store, environment)
    return [(entry.what, entry.before, entry.version) for entry in entries]


def now(bench: Bench, environment: str = "dev") -> str | None:
    found = mlflow_registry.champion(bench.store, bench.project.name, environment)
    return None if found is None else found.version


# --- what is written down


def test_a_record_stands_in_registry_run_and_git(versioned: Bench) -> None:
    promoted(versioned, "poor")
    run_id = versioned.run("good")
    done = versioned.promote(reason="a better one")
    record = done.record
    assert record is not None
    assert records_of(versioned.store, versioned.project.name)[-1] == record
    assert replace(git_records(versioned.project, "dev")[-1], done=True, at=record.at) == record
    artifact = mlflow_store.connect(versioned.store).download_artifacts(run_id, record.artifact)
    with open(artifact) as file:  # noqa: PTH123
        assert json.load(file) == record.to_json()
    assert (record.number, record.before, record.version, record.reason) == (2, "1", "2", "a better one")
    message = git(versioned.project.root, "tag", "--list", "--format=%(subject)", "mlx/dev/0002")
    assert message == f"{record.model}@dev is version 2, after version 1; promoted by ann\n"


def test_without_git_there_is_no_tag_and_no_complaint(bench: Bench) -> None:
    bench.run("good")
    done = bench.promote()
    assert done.promoted
    assert done.hints == ()


def test_a_repository_without_a_commit_takes_no_tag_and_says_so(bench: Bench) -> None:
    git(bench.project.root, "init", "-q")
    bench.run("good")
    done = bench.promote()
    assert done.promoted
    (hint,) = done.hints
    assert hint.startswith("no git tag was made: ")


def test_a_tag_that_is_in_the_way_of_all_of_them_is_a_hint(versioned: Bench) -> None:
    git(versioned.project.root, "tag", "mlx")
    versioned.run("good")
    done = versioned.promote()
    assert done.promoted
    assert done.hints[0].startswith("no git tag was made: fatal: cannot lock ref 'refs/tags/mlx/dev/0001'")
    assert seen(versioned) == [("promoted", None, "1")]


def test_a_project_among_others_has_its_name_in_its_tags(versioned: Bench) -> None:
    inner = versioned.project.root / "models" / "inner"
    inner.mkdir(parents=True)
    bench = replace(versioned, project=replace(versioned.project, root=inner))
    (inner / "models").mkdir()
    promoted(bench, "good")
    assert git(inner, "tag", "--list").split() == [f"mlx/{bench.project.name}/dev/0001"]


def test_a_record_longer_than_a_tag_of_mlflow_keeps_its_verdicts() -> None:
    gates = tuple({"gate": f"g{number}", "passed": True, "reason": "x" * 200} for number in range(40))
    record = PromotionRecord("i", 1, "dev", "promoted", "churn", "2", "1", "ann", table_time(), gates=gates)
    text = tag_text(record)
    assert len(text) <= 5000
    assert json.loads(text)["gates"][39] == {"gate": "g39", "passed": True}


@pytest.mark.parametrize("letter", ["x", "\N{CJK UNIFIED IDEOGRAPH-4E0D}", "\N{GRINNING FACE}"])
def test_a_long_reason_in_any_script_leaves_a_record_that_can_be_read(letter: str) -> None:
    record = PromotionRecord(
        "i", 1, "dev", "promoted", "churn", "2", "1", "ann", table_time(), reason=letter * 6000
    )
    text = tag_text(record)
    assert len(text) <= 5000
    found = record_of(text)
    assert found is not None
    assert found.reason.startswith(letter * 200)


@pytest.mark.parametrize(
    "broken",
    [
        {"number": "7"},
        {"version": 7},
        {"before": 7},
        {"gates": ["roc_auc"]},
        {"gates": {"roc_auc": True}},
        {"by": None},
        {"data": ["a"]},
        {"at": "yesterday"},
        {"approved_by": [7]},
    ],
    ids=str,
)
def test_a_tag_that_somebody_else_wrote_is_no_record_and_no_hindrance(
    versioned: Bench, broken: dict[str, Any]
) -> None:
    record = PromotionRecord("i", 7, "dev", "promoted", versioned.project.name, "2", "1", "x", table_time())
    text = json.dumps({**record.to_json(), **broken})
    assert record_of(json.dumps(record.to_json())) == record
    assert record_of(text) is None
    if broken != {"number": "7"}:
        return
    root = versioned.project.root
    assert git_tags.make_tag(root, "mlx/dev/0007", "s", text, None).state == "ok"
    promoted(versioned, "good")
    assert seen(versioned) == [("promoted", None, "1")]


def table_time() -> Any:
    return datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_verdicts_longer_than_a_tag_of_mlflow_stay_readable(versioned: Bench) -> None:
    gates = [MetricGate("roc_auc", minimum=number / 1000) for number in range(60)]
    versioned.run("good")
    assert versioned.with_gates(*gates).promote().promoted
    version = mlflow_registry.get_version(versioned.store, versioned.project.name, "1")
    assert version is not None
    assert len(json.loads(version.tags["mlx.gates"])) == 60


# --- git remotes


def test_tags_of_a_strict_environment_are_pushed(shared: Bench) -> None:
    promoted(shared, "good")
    promoted(shared, "good", "staging")
    remote = git(shared.project.root, "ls-remote", "--tags", "origin")
    assert "refs/tags/mlx/staging/0001" in remote
    assert "mlx/dev" not in remote


def test_a_remote_that_is_away_is_a_hint(shared: Bench, tmp_path: Path) -> None:
    git(shared.project.root, "remote", "set-url", "origin", str(tmp_path / "gone"))
    promoted(shared, "good")
    shared.run("good")
    done = shared.promote("staging")
    assert done.promoted
    assert done.hints[0].endswith("run `git push origin mlx/staging/0001`")


def test_a_colleague_who_promotes_in_the_same_moment_is_seen_at_the_git_remote(
    shared: Bench, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(shared, "good", "staging")
    theirs = tmp_path_factory.mktemp("colleague") / "churn"
    git(shared.project.root, "push", "-q", "origin", "main")
    git(
        shared.project.root,
        "clone",
        "-q",
        str(git(shared.project.root, "remote", "get-url", "origin").strip()),
        str(theirs),
    )
    colleague = replace(shared, project=replace(shared.project, root=theirs))
    shared.run("poor")
    # Another machine's lock is another file, and the colleague has pushed, but moved no alias yet.
    with monkeypatch.context() as patch:
        patch.setattr(mlflow_registry, "set_alias", lambda *_: None)
        colleague.run("poor")
        colleague.promote("staging", provenance=replace(CLEAN, by="bob"))
    monkeypatch.setattr(move, "records_in", lambda versions: [])
    with pytest.raises(Refused) as raised:
        shared.promote("staging")
    assert raised.value.message == "bob changes the champion of 'staging' at the same time"
    assert now(shared, "staging") == "1"


def test_who_comes_second_with_the_same_version_leaves_the_record_of_the_first(
    shared: Bench, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(shared, "good", "staging")
    theirs = tmp_path_factory.mktemp("colleague") / "churn"
    git(shared.project.root, "push", "-q", "origin", "main")
    url = git(shared.project.root, "remote", "get-url", "origin").strip()
    git(shared.project.root, "clone", "-q", url, str(theirs))
    colleague = replace(shared, project=replace(shared.project, root=theirs))
    run_id = shared.run("poor")

    def not_yet(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_registry, "set_alias", not_yet)
        with pytest.raises(KeyboardInterrupt):
            colleague.promote("staging", run_id=run_id, provenance=replace(CLEAN, by="bob"))
    under_way = records_of(shared.store, shared.project.name)[-1]
    with pytest.raises(Refused, match="bob changes the champion of 'staging' at the same time"):
        shared.promote("staging", run_id=run_id)
    assert records_of(shared.store, shared.project.name)[-1] == under_way
    assert under_way.by == "bob"


def test_a_number_that_another_registry_has_used_is_passed_over(
    shared: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    record = PromotionRecord(
        "other", 1, "staging", "promoted", shared.project.name, "9", None, "bob", table_time(), registry="b"
    )
    clone = tmp_path_factory.mktemp("clone") / "churn"
    git(shared.project.root, "push", "-q", "origin", "main")
    git(
        shared.project.root,
        "clone",
        "-q",
        git(shared.project.root, "remote", "get-url", "origin").strip(),
        str(clone),
    )
    assert git_tags.make_tag(clone, "mlx/staging/0001", "s", json.dumps(record.to_json()), None).state == "ok"
    assert git_tags.push_tag(clone, "origin", "mlx/staging/0001").state == "ok"
    shared.run("good")
    done = shared.promote("staging")
    assert done.record is not None
    assert done.record.number == 2
    assert seen(shared, "staging") == [("promoted", None, "1")]


# --- history


def test_history_tells_of_each_change(versioned: Bench) -> None:
    for model in ("poor", "good"):
        promoted(versioned, model)
    back(versioned, reason="too slow")
    assert seen(versioned) == [("promoted", None, "1"), ("promoted", "1", "2"), ("rolled back", "2", "1")]
    assert seen(versioned, "staging") == []
    assert history(versioned.project, versioned.store, "dev")[-1].record.reason == "too slow"  # type: ignore[union-attr]


def test_an_alias_that_was_moved_by_hand_is_seen(versioned: Bench) -> None:
    for model in ("poor", "good", "poor"):
        promoted(versioned, model)
    mlflow_registry.set_alias(versioned.store, versioned.project.name, "dev", "1")
    assert seen(versioned)[-1] == ("moved by hand", "3", "1")
    promoted(versioned, "good")
    assert seen(versioned)[-2:] == [("moved by hand", "3", "1"), ("promoted", "1", "4")]
    client = mlflow_store.connect(versioned.store)
    client.delete_registered_model_alias(versioned.project.name, "dev")
    assert seen(versioned)[-1] == ("moved by hand", "4", None)


def test_two_changes_with_one_by_hand_between_them_are_not_two_at_once(versioned: Bench) -> None:
    for model in ("poor", "good"):
        promoted(versioned, model)
    mlflow_registry.set_alias(versioned.store, versioned.project.name, "dev", "1")
    promoted(versioned, "poor")
    entries = history(versioned.project, versioned.store, "dev")
    assert [entry.doubled for entry in entries] == [False] * 4
    assert seen(versioned)[-2:] == [("moved by hand", "2", "1"), ("promoted", "1", "3")]


def test_a_version_that_was_deleted_is_remembered_by_git(versioned: Bench) -> None:
    for model in ("poor", "good"):
        promoted(versioned, model)
    mlflow_store.connect(versioned.store).delete_model_version(versioned.project.name, "1")
    assert seen(versioned) == [("promoted", None, "1"), ("promoted", "1", "2")]


def test_a_registry_that_knows_nothing_of_what_git_tells_was_moved_by_nobody(versioned: Bench) -> None:
    """As in the clone of a colleague whose own store is in the project."""
    promoted(versioned, "poor")
    mlflow_store.connect(versioned.store).delete_registered_model(versioned.project.name)
    (entry,) = history(versioned.project, versioned.store, "dev")
    assert (entry.what, entry.version) == ("promoted", "1")
    assert _last([entry]) is None
    row = _row(Session(Output(), versioned.project.root), entry, current=False)
    assert row[-1] == "promoted (not in this registry: from git)"


def test_any_day_can_be_asked_for(versioned: Bench) -> None:
    for model in ("poor", "good"):
        promoted(versioned, model)
    mlflow_registry.set_alias(versioned.store, versioned.project.name, "dev", "1")
    entries = history(versioned.project, versioned.store, "dev")
    first, second = (entry.since for entry in entries[:2])
    assert first is not None
    assert second is not None
    moment = timedelta(milliseconds=1)
    assert at(entries, "dev", first - moment).version is None
    assert at(entries, "dev", second - moment).version == "1"
    then = at(entries, "dev", second + moment)
    assert (then.version, then.perhaps) == ("2", "1")
    assert at(entries, "dev", datetime.now(UTC) + timedelta(days=1)).version == "1"
    mlflow_store.connect(versioned.store).delete_registered_model_alias(versioned.project.name, "dev")
    then = at(history(versioned.project, versioned.store, "dev"), "dev", second + moment)
    assert (then.version, then.perhaps) == ("2", "none")


def test_while_one_store_is_away_git_tells_of_its_environment(versioned: Bench) -> None:
    promoted(versioned, "poor", "staging")
    promoted(versioned, "good")
    away = replace(versioned.project.environments["staging"], tracking="http://127.0.0.1:9")
    environments = {**versioned.project.environments, "staging": away}
    project = replace(versioned.project, environments=environments)
    found, notes = histories(project)
    assert [(entry.what, entry.version) for entry in found["staging"]] == [("promoted", "1")]
    assert [entry.version for entry in found["dev"]] == ["2"]
    assert len(notes) == 1
    assert notes[0].startswith("of 'staging' this is what git knows: cannot list the versions")
    with pytest.raises(ToolError, match="does not answer") as raised:
        histories(project, "staging")
    assert raised.value.context[1:] == ("[Errno 111] Connection refused",)


def record_of_day(number: int, version: str, before: str | None, day: int) -> PromotionRecord:
    moment = datetime(2026, 5, day, tzinfo=UTC)
    return PromotionRecord(str(number), number, "dev", "promoted", "churn", version, before, "ann", moment)


def test_a_request_tells_nothing_of_when_an_alias_was_moved_by_hand() -> None:
    first, asked = record_of_day(1, "1", None, 1), record_of_day(0, "3", "1", 5)
    entries = [
        Entry("dev", "promoted", "1", None, first.at, first),
        Entry("dev", "moved by hand", "2", "1"),
        Entry("dev", "rejected", "3", "1", asked.at, asked),
    ]
    then = at(entries, "dev", datetime(2026, 5, 20, tzinfo=UTC))
    assert (then.version, then.perhaps) == ("1", "2")


def test_of_two_equal_changes_by_hand_each_has_its_own_time() -> None:
    records = [record_of_day(*values) for values in ((1, "1", None, 1), (2, "1", "2", 5), (3, "4", "2", 9))]
    by_hand = Entry("dev", "moved by hand", "2", "1")
    made = [Entry("dev", "promoted", record.version, record.before, record.at, record) for record in records]
    entries = [made[0], by_hand, made[1], by_hand, made[2]]
    then = at(entries, "dev", datetime(2026, 5, 7, tzinfo=UTC))
    assert (then.version, then.perhaps) == ("1", "2")


# --- rollback


def test_back_and_no_further_by_saying_it_twice(versioned: Bench) -> None:
    for model in ("poor", "good", "poor"):
        promoted(versioned, model)
    done = back(versioned)
    assert (done.rolled_back, done.version, done.before, done.tried) == (True, "2", "3", 100)
    again = back(versioned)
    assert (again.rolled_back, again.version, now(versioned)) == (False, "2", "2")
    assert "name a version: `mlx rollback --env dev --to VERSION`" in again.note
    assert back(versioned, to="1").version == "1"
    assert back(versioned, to="v1").note == "version 1 is the champion of 'dev' already"


def test_the_first_champion_has_nothing_before_it(versioned: Bench) -> None:
    with pytest.raises(Refused, match="'dev' has had no model yet"):
        back(versioned)
    promoted(versioned, "good")
    with pytest.raises(Refused, match="version 1 is the first one that 'dev' has had"):
        back(versioned)


def test_only_what_an_environment_had_can_come_back(versioned: Bench) -> None:
    promoted(versioned, "good", "staging")
    promoted(versioned, "poor")
    with pytest.raises(UsageError, match="'dev' never had version 1"):
        back(versioned, to="1")
    with pytest.raises(UsageError, match="has no version '7'"):
        back(versioned, to="7")


def test_an_old_model_that_does_not_work_any_more_stays_away(versioned: Bench) -> None:
    for model in ("poor", "good"):
        promoted(versioned, model)
    first = mlflow_registry.get_version(versioned.store, versioned.project.name, "1")
    assert first is not None
    folder = mlflow_registry.download(versioned.store, first)
    kept = folder.with_name("kept")
    folder.rename(kept)
    try:
        with pytest.raises(Refused, match="version 1 does not work any more, so nothing was changed"):
            back(versioned)
        assert now(versioned) == "2"
    finally:
        kept.rename(folder)
    assert back(versioned, rows=None).tried == 0


def test_the_one_before_is_deleted_and_an_older_one_is_named(versioned: Bench) -> None:
    for model in ("poor", "good", "poor"):
        promoted(versioned, model)
    client = mlflow_store.connect(versioned.store)
    client.delete_model_version(versioned.project.name, "2")
    with pytest.raises(Refused, match="version 2, which 'dev' had before, is not in the registry") as raised:
        back(versioned)
    assert raised.value.hint == "run `mlx rollback --env dev --to 1`"
    assert back(versioned, to="1").version == "1"
    client.delete_model_version(versioned.project.name, "3")
    client.delete_model_version(versioned.project.name, "1")
    with pytest.raises(Refused, match="version 3, which 'dev' had before") as raised:
        back(versioned)
    assert raised.value.hint == "run `mlx models --env dev`, then `mlx promote --to dev --run ID`"


def test_a_champion_that_was_removed_by_hand_comes_back(versioned: Bench) -> None:
    promoted(versioned, "good")
    client = mlflow_store.connect(versioned.store)
    client.delete_registered_model_alias(versioned.project.name, "dev")
    assert back(versioned).version == "1"
    assert now(versioned) == "1"


# --- killed, and at once

STEPS: list[tuple[Any, str]] = [
    (mlflow_registry, "registry_id"),
    (mlflow_registry, "set_version_tags"),
    (git_tags, "make_tag"),
    (git_tags, "push_tag"),
    (mlflow_tracking, "log_text"),
    (mlflow_registry, "set_alias"),
]


def in_a_process(work: Callable[[], object]) -> int | None:
    """Do something in a fork, and return its exit code, or minus the signal that ended it."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(120)
    return process.exitcode


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("module", "name"), STEPS, ids=[name for _, name in STEPS])
def test_killed_at_any_step_the_next_command_goes_on(
    shared: Bench, module: Any, name: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(shared, "poor", "staging")
    shared.run("good")
    real = getattr(module, name)

    def killed(*arguments: Any, **named: Any) -> Any:
        if after:
            real(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        assert in_a_process(lambda: shared.promote("staging")) == -signal.SIGKILL
    before = now(shared, "staging")
    moved = after and name == "set_alias"
    assert before == ("2" if moved else "1")
    expected = ("promoted", "1", "2") if moved else ("promoted", None, "1")
    assert [entry for entry in seen(shared, "staging") if entry[0] != "not finished"][-1] == expected
    assert shared.promote("staging").version == "2"
    assert now(shared, "staging") == "2"
    assert seen(shared, "staging") == [("promoted", None, "1"), ("promoted", "1", "2")]
    pushed = git(shared.project.root, "ls-remote", "--tags", "origin", "refs/tags/mlx/staging/0*")
    assert len({line.split()[1].removesuffix("^{}") for line in pushed.splitlines()}) == 2


def test_what_is_finished_days_later_is_of_the_day_on_which_the_alias_moved(
    versioned: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(versioned, "poor")
    versioned.run("good")
    began = datetime(2100, 1, 1, tzinfo=UTC)
    with monkeypatch.context() as patch:
        patch.setattr(move, "_now", lambda: began)
        patch.setattr(mlflow_registry, "set_alias", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        assert in_a_process(lambda: versioned.promote(reason="first")) == -signal.SIGKILL
    monkeypatch.setattr(move, "_now", lambda: began + timedelta(days=3))
    done = versioned.promote(reason="second")
    assert done.record is not None
    assert (done.record.number, done.record.reason) == (2, "second")
    assert done.record.at == began + timedelta(days=3)
    entries = history(versioned.project, versioned.store, "dev")
    assert at(entries, "dev", began + timedelta(days=1)).version == "1"


def test_one_of_two_at_once_is_told(versioned: Bench) -> None:
    promoted(versioned, "poor")
    runs = [versioned.run("good"), versioned.run("cheat")]
    start = multiprocessing.get_context("fork").Barrier(2)

    def work(run_id: str) -> None:
        def rows() -> Any:
            start.wait(60)
            return table(2)

        from mlxkit.registry.promotion import Evaluation

        gated = versioned.with_gates(MetricGate("roc_auc", minimum=0.0))
        try:
            gated.promote(run_id=run_id, evaluation=Evaluation(rows=rows))
        except Refused as error:
            os._exit(3 if "changed while this model was judged" in error.message else 1)
        os._exit(0)

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=work, args=[run_id]) for run_id in runs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert sorted(process.exitcode or 0 for process in processes) == [0, 3]
    assert len(seen(versioned)) == 2
    assert seen(versioned)[-1][2] == now(versioned)


def test_two_records_of_one_number_are_both_shown(versioned: Bench) -> None:
    promoted(versioned, "poor")
    promoted(versioned, "good")
    second = records_of(versioned.store, versioned.project.name)[-1]
    version = mlflow_registry.get_version(versioned.store, versioned.project.name, "1")
    assert version is not None
    rival = replace(second, id="rival", version="1", by="bob")
    done = {f"{rival.key}.done": "2026"}
    mlflow_registry.set_version_tags(versioned.store, version, {rival.key: tag_text(rival), **done})
    entries: tuple[Entry, ...] = history(versioned.project, versioned.store, "dev")
    assert [entry.doubled for entry in entries] == [False, True, True]


def test_git_itself_is_not_there(versioned: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shutil.which("git")
    monkeypatch.setenv("PATH", "")
    promoted(versioned, "good")
    assert seen(versioned) == [("promoted", None, "1")]
