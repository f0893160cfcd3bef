from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from edits import CHANGES, params
from small_project import STEPS, by_status

from mlxkit.pipeline.lockfile import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from small_project import SmallProject


def test_nothing_has_run_yet(small: SmallProject) -> None:
    assert small.reasons() == dict.fromkeys(("clean", "left", "right", "join"), ("never run",))
    assert {state.state for state in small.states().values()} == {"never"}


def test_everything_is_fresh_after_a_run(ran: SmallProject) -> None:
    assert ran.reasons() == {}
    assert {state.state for state in ran.states().values()} == {"fresh"}


def test_only_what_a_stage_needs_is_looked_at(ran: SmallProject) -> None:
    assert list(ran.states("left")) == ["clean", "left"]


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_stale_stage_says_why(
    ran: SmallProject, change: Callable[[SmallProject], Any], expected: dict[str, tuple[str, ...]]
) -> None:
    change(ran)
    assert ran.reasons() == expected


def test_a_machine_without_the_data_can_still_ask(ran: SmallProject) -> None:
    with ran.dvc() as repo:
        repo.add([str(ran.root / "data/raw.json")])
    shutil.rmtree(ran.root / "build")
    (ran.root / "data/raw.json").unlink()
    states = ran.states()
    assert {state.state for state in states.values()} == {"fresh"}
    assert {name: state.missing for name, state in states.items()} == {
        "clean": ("build/clean.json",),
        "left": ("build/left.json",),
        "right": ("build/right.txt",),
        "join": ("build/joined",),
    }


def test_a_machine_without_data_and_cache_can_still_ask(ran: SmallProject) -> None:
    shutil.rmtree(ran.root / "build")
    shutil.rmtree(ran.root / ".dvc/cache")
    assert ran.reasons() == {}


def test_what_a_stage_made_under_its_old_name_is_no_record(ran: SmallProject) -> None:
    config = yaml.safe_load(ran.text("mlx.yaml"))
    config["stages"]["better"] = config["stages"].pop("right")
    ran.write({"mlx.yaml": config, "scripts/right.py": ran.text("scripts/right.py").replace("100", "200")})
    assert by_status(ran.run())["better"] == "ran"
    assert "right" in yaml.safe_load(ran.text("dvc.lock"))["stages"]
    shutil.rmtree(ran.root / "build")
    assert ran.reasons() == {}


def test_without_the_data_a_change_still_shows(ran: SmallProject) -> None:
    shutil.rmtree(ran.root / "build")
    ran.write(params(shifting={"shift": 2, "unused": [1, 2]}))
    assert ran.reasons() == {"left": ("shifting.shift: 1 -> 2",), "join": ("after left",)}


def test_a_stage_behind_an_unchanged_output_stays_fresh(ran: SmallProject) -> None:
    ran.write({"src/demo/steps.py": STEPS.replace('print("cleaning")', 'print("still cleaning")')})
    ran.write({"scripts/right.py": ran.text("scripts/right.py") + "\n"})
    assert by_status(ran.run()) == {"clean": "ran", "left": "ran", "right": "ran", "join": "ran"}
    ran.write({"data/raw.json": '{"n":   5}'})
    assert by_status(ran.run()) == {"clean": "ran", "left": "fresh", "right": "fresh", "join": "fresh"}
    assert ran.reasons() == {}
    assert ran.dvc_status() == {}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: [", ""),
        ("stages: {clean: {}}", ""),
        ("stages: [1]", ""),
        ("stages: {clean: {cmd: a, deps: [1]}}", ""),
    ],
)
def test_a_damaged_lock_file_is_named(ran: SmallProject, mlx: Any, text: str, where: str) -> None:
    ran.write({"dvc.lock": text})
    result = mlx("status")
    assert (result.code, result.err) == (
        5,
        f"error: dvc.lock is damaged\n  {ran.root}/dvc.lock\nhint: run `git checkout -- dvc.lock`\n",
    )


@pytest.mark.parametrize("text", ["outs: []", "a: [", "outs: {}", "outs: [{md5: a}]", "outs: 1"])
def test_a_damaged_dvc_file_is_named(ran: SmallProject, mlx: Any, text: str) -> None:
    ran.write({"data/raw.json.dvc": text})
    (ran.root / "data/raw.json").unlink()
    result = mlx("status")
    assert (result.code, result.err) == (
        5,
        "error: 'data/raw.json.dvc' is damaged\n"
        "hint: run `git checkout -- 'data/raw.json.dvc'` or `dvc add 'data/raw.json'`\n",
    )


def test_status_is_a_table_or_a_document(ran: SmallProject, mlx: Any) -> None:
    assert mlx("status").out == (
        "stage  state  because\nclean  fresh\nleft   fresh\nright  fresh\njoin   fresh\n\n"
        "everything is up to date\n"
    )
    ran.write(params(shifting={"shift": 2, "unused": [1, 2]}))
    shutil.rmtree(ran.root / "build/joined")
    assert mlx("status").out == (
        "stage  state  because\nclean  fresh\nleft   stale  shifting.shift: 1 -> 2\nright  fresh\n"
        "join   stale  after left\n\n2 of 4 stages to run: mlx run\n"
    )
    assert mlx("status", "left", "--json").json == {
        "stages": [
            {"name": "clean", "state": "fresh", "reasons": []},
            {"name": "left", "state": "stale", "reasons": ["shifting.shift: 1 -> 2"]},
        ]
    }
    assert mlx("status", "--check").code == 3
    assert mlx("status", "--check", "clean").code == 0


def test_status_changes_nothing(ran: SmallProject, mlx: Any) -> None:
    ran.write({"data/raw.json": {"n": 6}})
    before = ran.snapshot()
    assert mlx("status").code == 0
    assert ran.snapshot() == before


def test_an_unknown_stage_is_refused(ran: SmallProject, mlx: Any) -> None:
    result = mlx("status", "joint")
    assert (result.code, result.err) == (
        2,
        "error: there is no stage 'joint', did you mean 'join'?\n"
        "  mlx.yaml has clean, left, right, join\n"
        "hint: run `mlx status`\n",
    )


@pytest.mark.parametrize("where", ["config", "config.local"])
def test_the_cache_may_lie_elsewhere(ran: SmallProject, where: str, tmp_path: Path) -> None:
    (ran.root / ".dvc/cache").rename(tmp_path / "shared cache")
    assert ran.reasons() != {}
    config = ran.root / ".dvc" / where
    text = config.read_text() if config.exists() else ""
    config.write_text(f"{text}[cache]\n    dir = ../../shared cache\n")
    assert cache_folder(ran.root).resolve() == tmp_path / "shared cache/files/md5"
    assert ran.reasons() == {}


def test_an_input_inside_a_folder_that_is_not_here_counts_by_the_listing_of_the_folder(
    bare: SmallProject,
) -> None:
    make = {"cmd": "mkdir -p out/d/e && echo 1 > out/d/e/x.txt", "outputs": ["out/d"]}
    file = {"cmd": "cp out/d/e/x.txt b.txt", "inputs": ["out/d/e/x.txt"], "outputs": ["b.txt"]}
    folder = {"cmd": "cp out/d/e/x.txt c.txt", "inputs": ["out/d/e"], "outputs": ["c.txt"]}
    bare.configure({"make": make, "file": file, "folder": folder})
    assert bare.run().error is None
    bare.remove("out", "b.txt", "c.txt")
    assert bare.reasons() == {}
