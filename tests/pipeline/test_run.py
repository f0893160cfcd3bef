from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from edits import params
from small_project import PARAMS, STAGES, STEPS, by_status, messages

from mlxkit.errors import DataError, ToolError, UsageError
from mlxkit.pipeline.events import StageEnded, StageStarted, Warned

if TYPE_CHECKING:
    from pathlib import Path

    from small_project import SmallProject

    from conftest import Mlx
    from mlxkit.pipeline.events import Event

ALL = ("clean", "left", "right", "join")


def statuses(**changed: str) -> dict[str, str]:
    return {**dict.fromkeys(ALL, "fresh"), **changed}


def test_everything_runs_in_order(small: SmallProject) -> None:
    events: list[Event] = []
    result = small.run(events=events.append)
    assert by_status(result) == dict.fromkeys(ALL, "ran")
    assert small.json("build/joined/sum.json") == 31 + 1500
    assert small.text("build/joined/deep/größe.txt") == "1500"
    assert [s.reasons for s in result.stages] == [("never run",)] * 4
    assert all(s.seconds > 0 for s in result.stages)
    assert (result.run_id, result.git_commit, result.dirty, result.metrics) == (None, None, False, {})
    told = [(type(e).__name__, e.name) for e in events if isinstance(e, StageStarted | StageEnded)]
    for name, needed in (("left", "clean"), ("right", "clean"), ("join", "left"), ("join", "right")):
        assert told.index(("StageEnded", needed)) < told.index(("StageStarted", name))


def test_the_output_of_a_stage_is_in_its_log(small: SmallProject) -> None:
    result = small.run("clean")
    assert result.stages[0].log == ".mlx/logs/clean.log"
    assert small.text(".mlx/logs/clean.log") == "cleaning\n"


def test_a_run_with_nothing_to_do_changes_nothing(ran: SmallProject) -> None:
    before = ran.snapshot()
    assert by_status(ran.run()) == statuses()
    assert ran.snapshot() == before


def test_a_named_stage_runs_with_what_it_needs(small: SmallProject) -> None:
    assert by_status(small.run("left")) == {"clean": "ran", "left": "ran"}
    assert not (small.root / "build/right.txt").exists()
    assert by_status(small.run("right", "left")) == {"clean": "fresh", "left": "fresh", "right": "ran"}


def test_force_runs_the_named_stages_and_nothing_else(ran: SmallProject) -> None:
    result = ran.run("left", force=True)
    assert by_status(result) == {"clean": "fresh", "left": "ran"}
    assert result.stages[1].reasons == ("forced",)


def test_force_without_a_name_runs_everything(ran: SmallProject) -> None:
    assert by_status(ran.run(force=True)) == dict.fromkeys(ALL, "ran")
    assert ran.dvc_status() == {}


def test_a_parameter_reruns_what_uses_it_and_setting_it_back_restores(ran: SmallProject) -> None:
    ran.write(
        {"params.yaml": "cleaning: {scale: 3}  # times\nshifting:\n  shift: 1  # plus\n  unused: [1, 2]\n"}
    )
    result = ran.run(settings=("shifting.shift=5",))
    assert by_status(result) == statuses(left="ran", join="ran")
    assert result.stages[1].reasons == ("shifting.shift: 1 -> 5",)
    assert ran.text("params.yaml") == (
        "cleaning: {scale: 3}  # times\nshifting:\n  shift: 5  # plus\n  unused: [1, 2]\n"
    )
    assert ran.json("build/joined/sum.json") == 1535
    result = ran.run(settings=("shifting.shift=1",))
    assert by_status(result) == statuses(left="restored", join="restored")
    assert result.stages[1].reasons == ("shifting.shift: 5 -> 1",)
    assert ran.json("build/joined/sum.json") == 1531
    assert ran.dvc_status() == {}
    assert by_status(ran.run()) == statuses()


def test_outputs_that_were_deleted_come_back_from_the_cache(ran: SmallProject) -> None:
    shutil.rmtree(ran.root / "build")
    result = ran.run()
    assert by_status(result) == dict.fromkeys(ALL, "restored")
    assert result.stages[0].reasons == ("build/clean.json was not here",)
    assert ran.json("build/joined/sum.json") == 1531
    assert ran.dvc_status() == {}


def test_one_output_that_was_deleted_comes_back_alone(ran: SmallProject) -> None:
    shutil.rmtree(ran.root / "build/joined")
    assert by_status(ran.run()) == statuses(join="restored")
    assert by_status(ran.run()) == statuses()


def test_an_output_edited_by_hand_is_made_anew(ran: SmallProject) -> None:
    ran.write({"build/left.json": '{"n": 0}'})
    result = ran.run()
    assert by_status(result)["left"] in ("ran", "restored")
    assert ran.json("build/left.json") == {"n": 31}
    assert result.stages[1].reasons == ("build/left.json differs from dvc.lock",)
    assert ran.dvc_status() == {}


def test_outputs_that_nobody_has_any_more_are_made_anew(ran: SmallProject) -> None:
    shutil.rmtree(ran.root / "build")
    shutil.rmtree(ran.root / ".dvc/cache")
    result = ran.run()
    assert by_status(result) == dict.fromkeys(ALL, "ran")
    assert result.stages[0].reasons == ("build/clean.json is neither here nor in the cache",)
    assert ran.dvc_status() == {}


def test_a_cache_that_was_lost_is_filled_again(ran: SmallProject) -> None:
    shutil.rmtree(ran.root / ".dvc/cache")
    assert ran.run().error is None
    assert ran.dvc_status() == {}
    shutil.rmtree(ran.root / "build")
    assert by_status(ran.run()) == dict.fromkeys(ALL, "restored")


def test_code_edited_within_the_same_second_counts(
    ran: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python itself would take the compiled file of the old code, which has the same size and second."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    code = ran.root / "src/demo/shared.py"
    second = code.stat().st_mtime_ns // 1_000_000_000 * 1_000_000_000
    for factor in (3, 4):
        code.write_text(f"def double(value):\n    return value * {factor}\n")
        os.utime(code, ns=(second + factor * 10_000_000, second + factor * 10_000_000))
        assert ran.run().error is None
        assert ran.json("build/left.json") == {"n": 15 * factor + 1}


def test_dry_run_tells_and_changes_nothing(ran: SmallProject) -> None:
    ran.write(params(shifting={"shift": 2, "unused": [1, 2]}))
    (ran.root / "dvc.yaml").unlink()
    shutil.rmtree(ran.root / "build/joined")
    before = ran.snapshot()
    result = ran.run(dry_run=True)
    assert by_status(result) == statuses(left="skipped", join="skipped")
    assert [s.reasons for s in result.stages] == [(), ("shifting.shift: 1 -> 2",), (), ("after left",)]
    assert ran.snapshot() == before


def test_dry_run_knows_what_force_would_do(ran: SmallProject) -> None:
    result = ran.run("left", dry_run=True, force=True)
    assert by_status(result) == {"clean": "fresh", "left": "skipped"}
    assert result.stages[1].reasons == ("forced",)


def test_dry_run_takes_no_setting(ran: SmallProject) -> None:
    with pytest.raises(UsageError) as caught:
        ran.run(dry_run=True, settings=("shifting.shift=2",))
    assert caught.value.message == "--dry-run changes nothing, so it takes no --set"


def test_independent_stages_run_at_the_same_time(small: SmallProject) -> None:
    """Each waits for a file of the other: one after the other they would fail."""
    wait = "touch {0}; for i in $(seq 500); do [ -e {1} ] && exit 0; sleep 0.02; done; exit 9"
    small.configure(
        {
            "one": {"cmd": wait.format("one.txt", "two.txt"), "outputs": ["one.txt"]},
            "two": {"cmd": wait.format("two.txt", "one.txt"), "outputs": ["two.txt"]},
        }
    )
    assert by_status(small.run(jobs=2)) == {"one": "ran", "two": "ran"}
    assert small.dvc_status() == {}


def test_one_job_is_one_stage_at_a_time(small: SmallProject) -> None:
    alone = "mkdir busy && touch {0}.txt && rmdir busy"
    names = ("one", "two", "three")
    small.configure({n: {"cmd": alone.format(n), "outputs": [f"{n}.txt"]} for n in names})
    assert by_status(small.run(jobs=1)) == dict.fromkeys(names, "ran")


def test_no_jobs_at_all_is_refused(ran: SmallProject) -> None:
    with pytest.raises(UsageError, match="--jobs must be at least 1, is 0"):
        ran.run(jobs=0)


def track(project: SmallProject, path: str = "data/raw.json") -> None:
    with project.dvc() as repo:
        repo.add([str(project.root / path)])


@pytest.mark.parametrize("name", ["dvc.lock", "data/raw.json.dvc"])
def test_what_dvc_knows_is_replaced_in_one_step(ran: SmallProject, name: str) -> None:
    """A reader that has the file open sees the old one to its end, whatever happens to the writer."""
    track(ran)
    ran.write({"data/raw.json": {"n": 6}})
    before = ran.text(name)
    with (ran.root / name).open(encoding="utf-8") as reader:
        assert ran.run("clean").error is None
        assert reader.read() == before
    assert ran.text(name) != before


def test_changed_raw_data_is_taken_over_as_a_new_version(ran: SmallProject) -> None:
    track(ran)
    before = ran.text("data/raw.json.dvc")
    ran.write({"data/raw.json": {"n": 6}})
    result = ran.run()
    assert by_status(result) == dict.fromkeys(ALL, "ran")
    assert ran.text("data/raw.json.dvc") != before
    assert ran.dvc_status() == {}
    (ran.root / "data/raw.json").unlink()
    ran.write({"params.yaml": {**PARAMS, "cleaning": {"scale": 4}}})
    assert by_status(ran.run("clean")) == {"clean": "ran"}
    assert ran.json("build/clean.json") == {"n": 24}


def test_raw_data_that_is_not_needed_is_not_fetched(ran: SmallProject) -> None:
    track(ran)
    (ran.root / "data/raw.json").unlink()
    assert by_status(ran.run()) == statuses()
    assert not (ran.root / "data/raw.json").exists()


def test_raw_data_that_is_nowhere_is_a_clear_error(ran: SmallProject) -> None:
    track(ran)
    (ran.root / "data/raw.json").unlink()
    shutil.rmtree(ran.root / ".dvc/cache")
    error = ran.run(force=True).error
    assert isinstance(error, DataError)
    assert error.message == (
        "'data/raw.json' is neither here nor in the cache, and no remote is named that could have it"
    )
    assert error.context == ("stage 'clean' reads it",)
    assert error.hint == "put it there, or name a remote with `dvc remote add -d NAME URL`"


def test_raw_data_that_nobody_tracks_is_a_clear_error(small: SmallProject, mlx: Any, light: None) -> None:
    (small.root / "data/raw.json").unlink()
    result = mlx("run")
    assert result.code == 2
    assert result.err.endswith(
        "error: stage 'clean' reads 'data/raw.json', which is not there\n"
        "hint: put it there, then run `mlx run` again\n"
    )


def test_data_and_outputs_come_from_a_remote(ran: SmallProject, tmp_path: Path) -> None:
    track(ran)
    remote = f"['remote \"box\"']\n    url = {tmp_path}/box\n[core]\n    remote = box\n"
    ran.write({".dvc/config.local": remote})
    with ran.dvc() as repo:
        repo.push()
    for gone in (".dvc/cache", "build"):
        shutil.rmtree(ran.root / gone)
    (ran.root / "data/raw.json").unlink()
    assert ran.reasons() == {}
    assert by_status(ran.run()) == dict.fromkeys(ALL, "restored")
    assert ran.json("build/joined/sum.json") == 1531
    ran.write({"src/demo/steps.py": STEPS + "# edited\n"})
    assert by_status(ran.run("clean")) == {"clean": "ran"}


def test_a_stage_less_and_its_output_stay_out_of_the_way(ran: SmallProject) -> None:
    ran.configure({name: stage for name, stage in STAGES.items() if name != "join"})
    assert by_status(ran.run()) == {"clean": "fresh", "left": "fresh", "right": "fresh"}
    ran.configure(STAGES)
    assert by_status(ran.run()) == statuses()


def test_a_failed_stage_may_be_tried_again(small: SmallProject) -> None:
    small.configure(
        {
            "flaky": {
                # The mark is no output, which is removed before every attempt.
                "cmd": "[ -e mark ] && echo 1 > out.txt || { touch mark; echo trouble; exit 3; }",
                "outputs": ["out.txt"],
                "retries": 1,
            }
        }
    )
    events: list[Event] = []
    assert by_status(small.run(events=events.append)) == {"flaky": "ran"}
    assert messages(events, Warned) == [
        "flaky failed, trying again (1 of 1): stage 'flaky' ended with exit code 3"
    ]
    assert [e.attempt for e in events if isinstance(e, StageStarted)] == [1, 2]


def test_retries_end(small: SmallProject) -> None:
    small.configure({"bad": {"cmd": "echo x >> tries; exit 3", "outputs": ["out.txt"], "retries": 2}})
    assert by_status(small.run()) == {"bad": "failed"}
    assert small.text("tries") == "x\n" * 3


@pytest.mark.parametrize(("retries", "tries"), [("0", 1), ("1", 2)])
def test_a_scheduler_may_count_the_retries_itself(
    small: SmallProject, mlx: Mlx, retries: str, tries: int
) -> None:
    small.configure({"bad": {"cmd": "echo x >> tries; exit 3", "outputs": ["out.txt"], "retries": 2}})
    assert mlx("run", "bad", "--retries", retries).code == 1
    assert small.text("tries") == "x\n" * tries


def test_a_path_with_spaces_and_umlauts(
    small: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = small.copy_to(tmp_path / "mein größtes Projekt; $HOME 'x'")
    monkeypatch.chdir(other.root)
    assert by_status(other.run()) == dict.fromkeys(ALL, "ran")
    assert other.dvc_status() == {}
    (other.root / "dvc.lock").unlink()
    shutil.rmtree(other.root / ".dvc/cache")
    assert sorted(other.dvc_repro()) == sorted(ALL)
    assert other.reasons() == {}


def test_it_works_from_a_subfolder_and_from_anywhere(
    small: SmallProject, mlx: Any, light: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(small.root / "src/demo")
    assert mlx("run", "--json", "left").json["stages"][1]["status"] == "ran"
    monkeypatch.chdir(tmp_path)
    document = mlx("run", "-C", small.root, "--json").json
    assert [s["status"] for s in document["stages"]] == ["fresh", "fresh", "ran", "ran"]


def test_without_git(small: SmallProject, mlx: Any, light: None, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small.root / "bin"
    folder.mkdir()
    for tool in ("sh", "python", "touch"):
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    document = mlx("run", "left", "--json").json
    assert (document["git_commit"], document["dirty"]) == (None, False)
    assert [s["status"] for s in document["stages"]] == ["ran", "ran"]


def test_git_state_is_part_of_the_answer(small: SmallProject, mlx: Any, light: None) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(["git", *identity, *arguments], cwd=small.root, capture_output=True, check=True)
        return done.stdout.decode().strip()

    small.write({".gitignore": "/build\n/.mlx\n/.dvc\n__pycache__\n"})
    git("init", "-q", "-b", "main")
    small.check_fix()
    git("add", "-A")
    git("commit", "-q", "-m", "start")
    document = mlx("run", "left", "--json").json
    assert (document["git_commit"], document["dirty"]) == (git("rev-parse", "HEAD"), False)
    small.write({"src/demo/new.py": ""})
    assert mlx("run", "left", "--json").json["dirty"] is True


def test_the_answer_is_a_table_or_a_document(small: SmallProject, mlx: Any, light: None) -> None:
    result = mlx("run", "right", "--json")
    assert list(result.json) == [
        "run_id",
        "git_commit",
        "dirty",
        "environment",
        "stages",
        "metrics",
        "intervals",
        "champion",
        "report",
        "seconds",
        "saved_seconds",
    ]
    for stage in result.json["stages"]:
        assert list(stage) == ["name", "status", "seconds", "reasons", "log", "max_memory"]
    assert result.json["stages"][1]["max_memory"] > 2**20
    assert result.json["environment"] == "dev"
    assert result.err == ""
    result = mlx("run", "left")
    lines = result.out.splitlines()
    assert lines[0].split() == ["stage", "status", "time", "memory", "because"]
    assert lines[1].split() == ["clean", "fresh"]
    assert lines[2].split()[:2] == ["left", "ran"]
    assert lines[2].endswith("never run")
    assert result.err.splitlines()[0] == "left: running (never run)"
    assert result.err.splitlines()[1].startswith("left: ran in ")
    small.write({".mlx/seconds.json": {"clean": 60, "left": 5, "right": 7}})
    assert re.match(r"everything is up to date \(\d\.\d s, 65 s saved\)\n", mlx("run", "left").out)
    assert mlx("run", "left", "--json").json["saved_seconds"] == 65
    assert mlx("run", "left", "--dry-run", "--force").out == (
        "stage  status     time  memory  because\nclean  fresh\nleft   would run                forced\n"
    )


def test_the_output_of_stages_never_reaches_the_answer(small: SmallProject, mlx: Any, light: None) -> None:
    loud = "echo OUT; echo ERR >&2; python scripts/right.py"
    small.change_stage("right", cmd=loud)
    result = mlx("run", "right", "--json")
    assert "OUT" not in result.out
    assert (result.code, result.err) == (0, "")
    small.change_stage("right", cmd=f"{loud} ")
    result = mlx("run", "right", "--verbose")
    assert "OUT" not in result.out
    assert "OUT\nERR\n" in result.err
    small.change_stage("right", cmd=f"true; {loud}")
    result = mlx("run", "right", "--quiet")
    assert (result.out, result.err) == ("", "")


def test_on_local_keeps_a_stage_here(small: SmallProject, mlx: Any, light: None) -> None:
    small.configure({**STAGES, "left": {**STAGES["left"], "on": "box"}}, targets={"box": {"ssh": "nowhere"}})
    assert mlx("run", "left", "--on", "local", "-q").code == 0
    result = mlx("run", "left", "--on", "bix")
    assert (result.code, result.err) == (
        2,
        "error: there is no target 'bix'\nhint: did you mean 'box'?\n",
    )


def test_unknown_stage_and_setting(ran: SmallProject, mlx: Any, light: None) -> None:
    before = ran.snapshot()
    result = mlx("run", "joint")
    assert (result.code, result.err) == (
        2,
        "error: there is no stage 'joint', did you mean 'join'?\n"
        "  mlx.yaml has clean, left, right, join\n"
        "hint: run `mlx status`\n",
    )
    result = mlx("run", "--set", "shifting.shft=2")
    assert result.code == 2
    assert result.err.startswith(
        "error: params.yaml has no parameter 'shifting.shft', did you mean 'shifting.shift'?\n"
    )
    assert mlx("train").err == (
        "error: mlx.yaml has no stage of kind 'train'\nhint: add `train:` below `stages:`\n"
    )
    assert ran.snapshot() == before


@pytest.mark.parametrize(
    "options", [{"stages": ("joint",)}, {"on": "box"}, {"environment": "nowhere"}], ids=["stage", "on", "env"]
)
def test_a_refused_run_writes_no_setting(ran: SmallProject, options: dict[str, Any]) -> None:
    before = ran.snapshot()
    with pytest.raises(UsageError):
        ran.run(*options.pop("stages", ("join",)), settings=("shifting.shift=7",), **options)
    assert ran.snapshot() == before


@pytest.fixture
def notes(bare: SmallProject) -> SmallProject:
    """A stage whose output folder holds a file that git tracks."""
    bare.configure({"notes": {"cmd": "mkdir notes && echo new > notes/b.txt", "outputs": ["notes"]}})
    bare.write({"notes/a.txt": "by hand"})
    for command in ("init -q", "add notes"):
        subprocess.run(["git", *command.split()], cwd=bare.root, check=True)
    return bare


@pytest.mark.parametrize("command", [["run"], ["run", "--dry-run"], ["check"]], ids=" ".join)
def test_an_output_that_git_keeps_is_refused_before_it_is_deleted(
    notes: SmallProject, mlx: Any, light: None, command: list[str]
) -> None:
    notes.check_fix()
    result = mlx(*command)
    assert (result.code, result.out) == (4, "")
    assert result.err == (
        "error: an output is kept in git, and DVC keeps the outputs: 'notes/a.txt'\n"
        "hint: choose another path in mlx.yaml, or run `git rm -r --cached notes/a.txt`\n"
    )
    assert notes.text("notes/a.txt") == "by hand"


CHANGES: dict[str, tuple[str, str]] = {
    "an input": ("data/raw.json", '{"n": 6}'),
    "a parameter": ("params.yaml", "cleaning: {scale: 4}\nshifting: {shift: 1}\n"),
    "its definition": ("dvc.yaml", "stages: {}\n"),
    "its code": ("src/demo/steps.py", f"{STEPS}# more\n"),
}


@pytest.mark.parametrize(("path", "text"), CHANGES.values(), ids=CHANGES)
def test_what_changed_while_a_stage_ran_is_not_kept(small: SmallProject, path: str, text: str) -> None:
    small.run("clean")
    before = small.text("dvc.lock")

    def meddle(event: Event) -> None:
        if isinstance(event, StageStarted):
            small.write({path: text})

    small.write({"data/raw.json": {"n": 7}})
    error = small.run("clean", events=meddle).error
    assert error is not None
    assert error.message.startswith(f"'{path}")
    assert error.message.endswith("changed while stage 'clean' ran, so its result is not kept")
    assert small.text("dvc.lock") == before


def test_a_stage_whose_outputs_cannot_be_kept_has_failed(
    small: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, name: str, read: object, changed: object) -> None:
        raise ToolError(f"DVC failed: no space left for '{name}'")

    monkeypatch.setattr("mlxkit.adapters.dvc.Dvc.commit", full)
    result = small.run("clean")
    assert by_status(result) == {"clean": "failed"}
    assert str(result.error) == "DVC failed: no space left for 'clean'"


def test_data_in_a_tracked_folder_counts_and_comes_back(small: SmallProject) -> None:
    small.write({"data/other.json": {"n": 1}})
    with small.dvc() as repo:
        repo.add([str(small.root / "data")])
    assert by_status(small.run()) == dict.fromkeys(ALL, "ran")
    assert small.dvc_status() == {}

    shutil.rmtree(small.root / "data")
    assert small.reasons() == {}
    small.write({"params.yaml": {**PARAMS, "cleaning": {"scale": 9}}})
    assert by_status(small.run())["clean"] == "ran"
    assert small.json("data/raw.json") == {"n": 5}

    small.write({"data/raw.json": {"n": 8}})
    assert by_status(small.run())["clean"] == "ran"
    assert small.dvc_status() == {}


def test_what_dvc_ignores_in_a_folder_is_no_change(ran: SmallProject) -> None:
    ran.write({".dvcignore": "*.tmp\n"})
    assert by_status(ran.run()) == statuses()
    ran.write({"build/joined/notes.tmp": "mine"})
    assert (ran.reasons(), ran.dvc_status()) == ({}, {})
    ran.write({"build/joined/notes.txt": "mine"})
    assert ran.reasons() == {"join": ("build/joined differs from dvc.lock",)}
    assert list(ran.dvc_status()) == ["join"]


def test_a_link_to_the_parameters_stays_one(small: SmallProject) -> None:
    (small.root / "params.yaml").rename(small.root / "shared.yaml")
    (small.root / "params.yaml").symlink_to("shared.yaml")
    small.run("clean", settings=("cleaning.scale=4",))
    assert (small.root / "params.yaml").is_symlink()
    assert "scale: 4" in small.text("shared.yaml")


@pytest.mark.parametrize("value", ["soon", "1m"])
def test_a_lock_deadline_that_is_no_number(
    small: SmallProject, mlx: Any, light: None, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("MLX_LOCK_TIMEOUT", value)
    result = mlx("run")
    assert (result.code, result.err) == (
        2,
        f"error: MLX_LOCK_TIMEOUT must be a number of seconds, is '{value}'\n"
        "hint: run `unset MLX_LOCK_TIMEOUT`\n",
    )


def test_a_stage_may_leave_its_folder(small: SmallProject) -> None:
    small.write({"src/demo/steps.py": STEPS.replace('print("cleaning")', 'import os; os.chdir("/")')})
    assert by_status(small.run()) == dict.fromkeys(ALL, "ran")


def test_a_git_repository_that_is_gone(small: SmallProject, mlx: Any, light: None) -> None:
    (small.root / ".dvc/config").write_text("")
    result = mlx("run", "clean")
    assert result.code == 5
    assert result.err.endswith(
        "error: this DVC repository belongs to a git repository that is gone\n"
        f"  {small.root} is not a git repository\n"
        "hint: run `git init`, or for a life without git `dvc config core.no_scm true`\n"
    )
