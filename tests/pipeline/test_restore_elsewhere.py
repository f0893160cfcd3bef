"""The same project in another place: a colleague's clone, a worktree, a moved or copied folder."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from small_project import PARAMS, STEPS, SmallProject, by_status, messages, without_times

from mlxkit.pipeline.events import Waiting, Warned

if TYPE_CHECKING:
    from pathlib import Path

    from mlxkit.pipeline.events import Event

ALL = ("clean", "left", "right", "join")
RESTORED = dict.fromkeys(ALL, "restored")
FRESH = dict.fromkeys(ALL, "fresh")
NAME = "größtes Projekt; $HOME 'neu' #2 100%"


def clone(project: SmallProject, folder: Path, *options: str) -> SmallProject:
    project.git("clone", "-q", *options, f"file://{project.root}", str(folder))
    return SmallProject(folder)


def shift(project: SmallProject, value: int) -> None:
    project.write({"params.yaml": {**PARAMS, "shifting": {**PARAMS["shifting"], "shift": value}}})


def commit(project: SmallProject, message: str) -> None:
    project.git("add", "-A")
    project.git("commit", "-q", "-m", message)


def assert_up_to_date(project: SmallProject) -> None:
    assert project.reasons() == {}
    assert project.dvc_status().keys() <= {"clean", "data/raw.json.dvc"}  # the raw data may be elsewhere
    assert by_status(project.run()) == FRESH


def test_a_clone_with_the_same_remote(committed: SmallProject, tmp_path: Path, mlx: Any, light: None) -> None:
    committed.share(tmp_path / "box", "repo")
    commit(committed, "a remote")
    theirs = clone(committed, tmp_path / "theirs")
    assert mlx("status", "--check", "-C", theirs.root).code == 0
    said = without_times(mlx("status", "-C", theirs.root).out).splitlines()
    assert said[-3:] == [
        "join fresh not here: build/joined",
        "",
        "everything is up to date; `mlx run` brings back what is not here",
    ]
    result = mlx("run", "-C", theirs.root, "--json").json
    assert {stage["name"]: stage["status"] for stage in result["stages"]} == RESTORED
    assert (result["git_commit"], result["dirty"]) == (committed.git("rev-parse", "HEAD"), False)
    assert_up_to_date(theirs)
    assert theirs.damaged_objects() == []
    assert theirs.git("status", "--porcelain") == ""


def test_what_came_from_a_remote_comes_back_when_a_value_is_set_back(
    committed: SmallProject, tmp_path: Path
) -> None:
    committed.share(tmp_path / "box", "repo")
    commit(committed, "a remote")
    theirs = clone(committed, tmp_path / "theirs")
    assert by_status(theirs.run()) == RESTORED
    shift(theirs, 2)
    assert by_status(theirs.run()) == {**FRESH, "left": "ran", "join": "ran"}
    shift(theirs, 1)
    assert by_status(theirs.run()) == {**FRESH, "left": "restored", "join": "restored"}
    assert_up_to_date(theirs)


def test_what_a_colleague_ran_and_pushed_is_pulled_and_not_run_again(
    committed: SmallProject, tmp_path: Path
) -> None:
    committed.share(tmp_path / "box", "repo")
    commit(committed, "a remote")
    theirs = clone(committed, tmp_path / "theirs")
    theirs.run()
    shift(committed, 2)
    committed.run()
    with committed.dvc() as repo:
        repo.push()
    commit(committed, "another shift")
    theirs.git("pull", "-q")
    assert theirs.reasons() == {
        "left": ("build/left.json differs from dvc.lock",),
        "join": ("input build/left.json changed", "build/joined differs from dvc.lock", "after left"),
    }
    events: list[Event] = []
    assert by_status(theirs.run(events=events.append)) == {**FRESH, "left": "restored", "join": "restored"}
    assert messages(events, Waiting) == [
        f"fetching '{path}' from the remote 'box'" for path in ("build/left.json", "build/joined")
    ]
    assert theirs.json("build/left.json") == {"n": 32}
    assert_up_to_date(theirs)


def test_the_run_cache_of_a_colleague(committed: SmallProject, tmp_path: Path) -> None:
    shift(committed, 2)
    committed.run()
    # DVC pushes what it knows of earlier runs, but only the objects of this one.
    committed.share(tmp_path / "box", "repo")
    shift(committed, 1)
    committed.run()
    with committed.dvc() as repo:
        repo.push(run_cache=True)
    commit(committed, "a remote")
    theirs = clone(committed, tmp_path / "theirs")
    subprocess.run(["dvc", "pull", "-q", "--run-cache"], cwd=theirs.root, check=True)
    shift(theirs, 2)
    assert by_status(theirs.run()) == {**FRESH, "left": "restored", "join": "restored"}
    assert theirs.json("build/left.json") == {"n": 32}
    assert_up_to_date(theirs)


@pytest.mark.parametrize("group", [False, True], ids=["", "for a group"])
def test_a_clone_with_a_shared_cache(committed: SmallProject, tmp_path: Path, group: bool) -> None:
    shared = f"[cache]\n    dir = {tmp_path}/shared\n" + ("    shared = group\n" if group else "")
    committed.set_dvc(shared, "config")
    shutil.move(committed.root / ".dvc/cache", tmp_path / "shared")
    assert by_status(committed.run()) == FRESH
    shift(committed, 2)
    committed.run()
    commit(committed, "a shared cache")
    theirs = clone(committed, tmp_path / "theirs")
    assert by_status(theirs.run()) == RESTORED
    shift(theirs, 1)
    assert by_status(theirs.run()) == {**FRESH, "left": "restored", "join": "restored"}
    shift(theirs, 3)
    assert by_status(theirs.run())["left"] == "ran"
    assert not (theirs.root / ".dvc/cache").exists()
    assert theirs.damaged_objects(tmp_path / "shared") == []
    assert_up_to_date(theirs)
    shift(committed, 3)
    assert by_status(committed.run()) == {**FRESH, "left": "restored", "join": "restored"}
    if group:
        new = tmp_path / "shared/files/md5" / theirs.digest("build/left.json")[:2]
        assert stat.S_IMODE(new.stat().st_mode) & 0o770 == 0o770


def test_a_cache_that_was_copied_over(committed: SmallProject, tmp_path: Path) -> None:
    theirs = clone(committed, tmp_path / "theirs")
    shutil.copytree(committed.root / ".dvc/cache", theirs.root / ".dvc/cache")
    assert by_status(theirs.run()) == RESTORED
    assert_up_to_date(theirs)


def test_a_clone_without_data_or_remote_says_what_is_missing(
    committed: SmallProject, tmp_path: Path, mlx: Any, light: None
) -> None:
    theirs = clone(committed, tmp_path / "theirs")
    result = mlx("run", "-q", "-C", theirs.root)
    assert (result.code, result.err) == (
        2,
        "error: 'data/raw.json' is neither here nor in the cache, and no remote is named that could have it\n"
        "  stage 'clean' reads it\n"
        "hint: put it there, or name a remote with `dvc remote add -d NAME URL`\n",
    )
    theirs.write({"data/raw.json": {"n": 5}})
    assert by_status(theirs.run()) == dict.fromkeys(ALL, "ran")
    assert theirs.git("status", "--porcelain") == ""
    assert theirs.dvc_status() == {}


def test_a_shallow_clone(committed: SmallProject, tmp_path: Path) -> None:
    committed.share(tmp_path / "box", "repo")
    commit(committed, "a remote")
    theirs = clone(committed, tmp_path / "theirs", "--depth", "1")
    assert theirs.git("rev-list", "--count", "HEAD") == "1"
    result = theirs.run()
    assert by_status(result) == RESTORED
    assert result.git_commit == committed.git("rev-parse", "HEAD")
    shift(theirs, 2)
    result = theirs.run()
    assert (by_status(result)["left"], result.dirty) == ("ran", True)
    assert_up_to_date(theirs)


def test_a_branch_switch_restores_and_reruns_nothing(committed: SmallProject) -> None:
    committed.git("checkout", "-q", "-b", "shifted")
    shift(committed, 2)
    committed.run()
    commit(committed, "another shift")
    for branch, value in (("main", 31), ("shifted", 32), ("main", 31)):
        committed.git("checkout", "-q", branch)
        assert by_status(committed.run()) == {**FRESH, "left": "restored", "join": "restored"}
        assert committed.json("build/left.json") == {"n": value}
        assert committed.git("status", "--porcelain") == ""
        assert_up_to_date(committed)
    # The run cache is not needed for it: dvc.lock says what belongs to the branch.
    committed.remove(".dvc/cache/runs")
    committed.git("checkout", "-q", "shifted")
    assert by_status(committed.run())["left"] == "restored"


def worktree(project: SmallProject, folder: Path) -> SmallProject:
    project.git("worktree", "add", "-q", "-b", "feature", str(folder))
    return SmallProject(folder)


def test_a_worktree_pulls_from_the_remote(committed: SmallProject, tmp_path: Path) -> None:
    committed.share(tmp_path / "box", "repo")
    commit(committed, "a remote")
    tree = worktree(committed, tmp_path / "tree")
    before = committed.snapshot()
    assert by_status(tree.run()) == RESTORED
    shift(tree, 2)
    assert by_status(tree.run())["left"] == "ran"
    assert_up_to_date(tree)
    tree_git = ".git/worktrees/"
    after = committed.snapshot()
    assert {name: v for name, v in after.items() if not name.startswith(tree_git)} == {
        name: v for name, v in before.items() if not name.startswith(tree_git)
    }
    assert_up_to_date(committed)


def test_a_worktree_without_a_remote_is_led_to_the_main_trees_cache(
    committed: SmallProject, tmp_path: Path, mlx: Any, light: None
) -> None:
    tree = worktree(committed, tmp_path / "tree")
    result = mlx("run", "-q", "-C", tree.root)
    cache = committed.root / ".dvc/cache"
    assert (result.code, result.err) == (
        2,
        "error: 'data/raw.json' is neither here nor in the cache, and no remote is named that could have it\n"
        "  stage 'clean' reads it\n"
        "  this is a worktree, and the main one has a cache of its own\n"
        f"hint: share it with `dvc cache dir --local {cache}`\n",
    )
    subprocess.run(["dvc", "cache", "dir", "--local", cache], cwd=tree.root, check=True, capture_output=True)
    assert by_status(tree.run()) == RESTORED
    assert_up_to_date(tree)


def test_runs_in_a_worktree_and_in_the_main_tree_at_once(committed: SmallProject, tmp_path: Path) -> None:
    committed.set_dvc(f"[cache]\n    dir = {tmp_path}/shared\n", "config")
    shutil.move(committed.root / ".dvc/cache", tmp_path / "shared")
    commit(committed, "a shared cache")
    tree = worktree(committed, tmp_path / "tree")
    # Each stage 'right' waits until that of the other tree runs.
    wait = "touch {mine}; for i in $(seq 3000); do [ -e {other} ] && break; sleep 0.02; done; [ -e {other} ]"
    marks = [tmp_path / "one", tmp_path / "two"]
    for project, mine, other, value in ((committed, *marks, 5), (tree, *reversed(marks), 6)):
        shift(project, value)
        project.change_stage(
            "right", cmd=f"{wait.format(mine=mine, other=other)} && python scripts/right.py # {value}"
        )
    command = [sys.executable, "-m", "mlxkit", "run", "-q"]
    both = [subprocess.Popen(command, cwd=project.root) for project in (committed, tree)]
    assert [process.wait() for process in both] == [0, 0]
    for project, value in ((committed, 35), (tree, 36)):
        assert project.json("build/left.json") == {"n": value}
        assert project.json("build/joined/sum.json") == 1500 + value
        assert_up_to_date(project)
        assert project.damaged_objects(tmp_path / "shared") == []


def test_a_worktree_whose_main_tree_was_moved(
    committed: SmallProject, tmp_path: Path, mlx: Any, light: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = worktree(committed, tmp_path / "tree")
    monkeypatch.chdir(tree.root)
    committed.root.rename(tmp_path / "moved")
    found = {check["name"]: check for check in mlx("doctor", "--json").json["checks"]}["repository"]
    assert (found["state"], found["text"]) == (
        "problem",
        f"not a git repository: {committed.root}/.git/worktrees/tree",
    )
    assert found["remedy"] == f"git worktree repair '{tree.root}', in the main working tree"
    SmallProject(tmp_path / "moved").git("worktree", "repair", str(tree.root))
    found = {check["name"]: check for check in mlx("doctor", "--json").json["checks"]}["repository"]
    assert found["state"] == "ok"


@pytest.mark.parametrize("remote", [False, True], ids=["", "with a remote"])
def test_a_moved_project_is_right_at_once(
    committed: SmallProject,
    tmp_path: Path,
    mlx: Any,
    light: None,
    monkeypatch: pytest.MonkeyPatch,
    remote: bool,
) -> None:
    if remote:
        committed.share(tmp_path / "box")
    old = committed.root
    monkeypatch.chdir(tmp_path)
    old.rename(tmp_path / NAME)
    moved = SmallProject(tmp_path / NAME)
    monkeypatch.chdir(moved.root)
    assert mlx("status", "--check").code == 0
    assert mlx("run").out.startswith("everything is up to date (")
    assert moved.dvc_status() == {}
    shift(moved, 2)
    moved.write({"src/demo/shared.py": "def double(value):\n    return value * 3\n"})
    assert by_status(moved.run()) == {**dict.fromkeys(ALL, "ran"), "right": "fresh"}
    assert moved.json("build/left.json") == {"n": 47}
    moved.remove("build")
    assert by_status(moved.run()) == RESTORED
    assert (moved.dvc_status(), moved.damaged_objects()) == ({}, [])
    assert not old.exists()


def test_another_project_in_the_place_of_a_moved_one(
    committed: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = committed.root
    monkeypatch.chdir(tmp_path)
    old.rename(tmp_path / NAME)
    moved = SmallProject(tmp_path / NAME)
    other = moved.copy_to(old)
    other.write({"data/raw.json": {"n": 6}, "src/demo/steps.py": STEPS.replace("cleaning", "tidying!")})
    assert set(by_status(other.run()).values()) == {"ran"}
    assert by_status(moved.run()) == FRESH
    assert (moved.json("build/left.json"), other.json("build/left.json")) == ({"n": 31}, {"n": 37})
    assert (moved.dvc_status(), other.dvc_status()) == ({}, {})


@pytest.mark.parametrize("times", [False, True], ids=["", "with its times"])
def test_a_copied_project_never_touches_the_original(
    committed: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: bool
) -> None:
    target = tmp_path / NAME
    command = ["cp", "-a" if times else "-r", str(committed.root), str(target)]
    subprocess.run(command, check=True)
    copy = SmallProject(target)
    monkeypatch.chdir(copy.root)
    before = {str(p): (p.lstat()[:2], p.lstat().st_mtime_ns) for p in committed.root.rglob("*")}
    text = copy.text("data/raw.json")
    copy.write({"data/raw.json": text.replace("5", "7")})
    info = (committed.root / "data/raw.json").stat()
    os.utime(copy.root / "data/raw.json", ns=(info.st_atime_ns, info.st_mtime_ns))
    # Same size, same time, another inode: the memo came along and must not be believed.
    assert copy.reasons()["clean"] == ("input data/raw.json changed",)
    assert by_status(copy.run()) == dict.fromkeys(ALL, "ran")
    copy.write({"data/raw.json": text})
    assert by_status(copy.run()) == RESTORED
    assert copy.dvc_status() == {}
    after = {str(p): (p.lstat()[:2], p.lstat().st_mtime_ns) for p in committed.root.rglob("*")}
    assert after == before
    events: list[Event] = []
    assert by_status(committed.run(events=events.append)) == FRESH
    assert messages(events, Warned) == []


def test_a_project_reached_through_a_link(
    committed: SmallProject, tmp_path: Path, mlx: Any, light: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(committed.root)
    monkeypatch.chdir(tmp_path / "link")
    monkeypatch.setenv("PWD", str(tmp_path / "link"))
    assert mlx("run").out.startswith("everything is up to date (")
    committed.remove("build")
    assert mlx("run", "-C", tmp_path / "link", "-q").code == 0
    assert (committed.reasons(), committed.dvc_status()) == ({}, {})
