"""Outputs back without running anything: from the workspace, the cache, the run cache or a remote."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from edits import params
from small_project import PARAMS, STEPS, SmallProject, by_status, messages, without_times

from mlxkit.errors import DataError
from mlxkit.pipeline.events import Waiting, Warned

if TYPE_CHECKING:
    from pathlib import Path

    from mlxkit.pipeline.events import Event

ALL = ("clean", "left", "right", "join")
OUTPUTS = ("build/clean.json", "build/left.json", "build/right.txt", "build/joined")
SUM = hashlib.md5(b"1531").hexdigest()
"""The object of build/joined/sum.json, which is in no other output."""
SHIFT = {"params.yaml": {**PARAMS, "shifting": {"shift": 2}}}
FRESH = """\
stage state because
clean fresh
left fresh
right fresh
join fresh

everything is up to date
"""


def statuses(**changed: str) -> dict[str, str]:
    return {**dict.fromkeys(ALL, "fresh"), **changed}


def assert_up_to_date(project: SmallProject) -> None:
    """Everything is there, undamaged, and mlx and DVC say so."""
    assert project.reasons() == {}
    assert [state.missing for state in project.states().values()] == [()] * 4
    assert project.dvc_status() == {}
    assert project.damaged_objects() == []
    assert by_status(project.run()) == statuses()


def test_deleted_outputs_are_shown_and_come_back(ran: SmallProject, mlx: Any, light: None) -> None:
    ran.remove("build")
    assert (
        without_times(mlx("status").out)
        == """\
stage state because
clean fresh not here: build/clean.json
left fresh not here: build/left.json
right fresh not here: build/right.txt
join fresh not here: build/joined

everything is up to date; `mlx run` brings back what is not here
"""
    )
    assert mlx("status", "--check").code == 0
    assert mlx("status", "--json").json == {
        "stages": [{"name": name, "state": "fresh", "reasons": []} for name in ALL]
    }
    result = mlx("run")
    assert (
        without_times(result.out)
        == """\
stage status time memory because
clean restored N s build/clean.json was not here
left restored N s build/left.json was not here
right restored N s build/right.txt was not here
join restored N s build/joined was not here

done in N s
"""
    )
    assert without_times(result.err) == "".join(f"{name}: restored in N s\n" for name in ALL)
    assert without_times(mlx("status").out) == FRESH
    assert_up_to_date(ran)


def test_what_was_restored_is_named_in_the_document(ran: SmallProject, mlx: Any, light: None) -> None:
    ran.remove("build/joined")
    stages = mlx("run", "--json").json["stages"]
    assert [stage["status"] for stage in stages] == ["fresh", "fresh", "fresh", "restored"]
    assert (stages[3]["reasons"], stages[3]["log"]) == (["build/joined was not here"], None)


def test_a_file_missing_in_an_output_folder_comes_back(ran: SmallProject) -> None:
    ran.remove("build/joined/deep/größe.txt")
    assert ran.reasons() == {"join": ("build/joined differs from dvc.lock",)}
    assert by_status(ran.run()) == statuses(join="restored")
    assert ran.text("build/joined/deep/größe.txt") == "1500"
    assert_up_to_date(ran)


def test_a_file_where_a_folder_is_to_be_makes_way(ran: SmallProject) -> None:
    ran.remove("build/joined", "build/clean.json")
    ran.write({"build/joined": "edited", "build/clean.json": {"a folder": "edited"}})
    assert by_status(ran.run()) == statuses(clean="restored", join="restored")
    assert_up_to_date(ran)


def test_a_parameter_set_back_brings_the_old_result_back(ran: SmallProject) -> None:
    ran.write(SHIFT)
    assert by_status(ran.run()) == statuses(left="ran", join="ran")
    ran.write({"params.yaml": PARAMS})
    assert ran.reasons() == {
        "left": ("shifting.shift: 2 -> 1", "shifting.unused is new"),
        "join": ("after left",),
    }
    assert set(ran.dvc_status()) == {"left"}
    assert by_status(ran.run()) == statuses(left="restored", join="restored")
    assert ran.json("build/left.json") == {"n": 31}
    assert_up_to_date(ran)


def test_another_value_while_outputs_are_gone_does_not_bring_the_old_ones(ran: SmallProject) -> None:
    ran.remove("build")
    ran.write(SHIFT)
    assert by_status(ran.run()) == {
        "clean": "restored",
        "left": "ran",
        "right": "restored",
        "join": "ran",
    }
    assert ran.json("build/left.json") == {"n": 32}
    assert_up_to_date(ran)


def test_an_emptied_cache_is_filled_from_the_workspace(ran: SmallProject, mlx: Any, light: None) -> None:
    ran.remove(".dvc/cache")
    assert set(ran.dvc_status()) == set(ALL)
    assert ran.reasons() == {
        "clean": ("build/clean.json is not in the cache",),
        "left": ("build/left.json is not in the cache", "after clean"),
        "right": ("build/right.txt is not in the cache", "after clean"),
        "join": ("build/joined is not in the cache", "after left, right"),
    }
    assert mlx("status", "--check").code == 3
    assert "join restored N s build/joined is not in the cache\n" in without_times(mlx("run").out)
    assert_up_to_date(ran)
    # The run cache as well: with the outputs and dvc.lock gone, nothing has to run.
    ran.remove("build", "dvc.lock")
    assert by_status(ran.run()) == dict.fromkeys(ALL, "restored")


def test_an_object_missing_of_a_folder_in_the_cache_counts(ran: SmallProject) -> None:
    ran.object_of(SUM).unlink()
    assert ran.reasons() == {"join": ("build/joined is not in the cache",)}
    assert set(ran.dvc_status()) == {"join"}
    assert by_status(ran.run()) == statuses(join="restored")
    assert_up_to_date(ran)


def test_a_damaged_object_is_dropped_and_its_output_made_anew(ran: SmallProject) -> None:
    stored = ran.object_of(ran.digest("build/left.json"))
    stored.chmod(0o644)
    stored.write_text("damaged")
    stored.chmod(0o444)
    ran.remove("build/left.json")
    events: list[Event] = []
    assert by_status(ran.run(events=events.append)) == statuses(left="ran")
    assert messages(events, Warned) == ["the cache holds 'build/left.json' damaged, and drops it"]
    assert_up_to_date(ran)


def test_a_damaged_object_is_replaced_by_that_of_the_remote(ran: SmallProject, tmp_path: Path) -> None:
    ran.share(tmp_path / "box")
    for stored in (ran.root / ".dvc/cache/files/md5").rglob("*"):
        if stored.is_file():
            stored.chmod(0o644)
            stored.write_bytes(stored.read_bytes() + b" ")
            stored.chmod(0o444)
    ran.remove("build")
    assert by_status(ran.run()) == dict.fromkeys(ALL, "restored")
    assert_up_to_date(ran)


def objects(project: SmallProject) -> set[str]:
    folder = project.root / ".dvc/cache/files/md5"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_remote_gives_what_is_needed_and_no_more(committed: SmallProject, tmp_path: Path) -> None:
    committed.share(tmp_path / "box")
    held = objects(committed)
    committed.remove(".dvc/cache", "build", "data/raw.json")
    events: list[Event] = []
    assert by_status(committed.run(events=events.append)) == dict.fromkeys(ALL, "restored")
    assert messages(events, Waiting) == [f"fetching '{path}' from the remote 'box'" for path in OUTPUTS]
    assert messages(events, Warned) == []
    # The raw data is input of a stage that did not run.
    assert not (committed.root / "data/raw.json").exists()
    assert len(held - objects(committed)) == 1
    assert committed.reasons() == {}
    committed.write(params(cleaning={"scale": 4}))
    events = []
    assert by_status(committed.run(events=events.append)) == dict.fromkeys(ALL, "ran")
    assert messages(events, Waiting) == ["fetching 'data/raw.json' from the remote 'box'"]
    assert_up_to_date(committed)


def test_a_named_stage_fetches_what_it_needs(committed: SmallProject, tmp_path: Path) -> None:
    committed.share(tmp_path / "box").remove(".dvc/cache", "build")
    assert by_status(committed.run("left")) == {"clean": "restored", "left": "restored"}
    assert not (committed.root / "build/right.txt").exists()


def test_a_remote_that_holds_a_part_gives_that_part(committed: SmallProject, tmp_path: Path) -> None:
    committed.share(tmp_path / "box")
    (tmp_path / "box/files/md5" / SUM[:2] / SUM[2:]).unlink()
    committed.remove(".dvc/cache", "build")
    events: list[Event] = []
    result = committed.run(events=events.append)
    assert by_status(result) == {**dict.fromkeys(ALL, "restored"), "join": "ran"}
    assert result.stages[3].reasons == ("build/joined is neither here nor in the cache",)
    assert messages(events, Warned) == ["the remote 'box' does not have 'build/joined'"]
    assert_up_to_date(committed)


def test_a_remote_that_lacks_everything_is_named_and_stages_run(
    committed: SmallProject, tmp_path: Path, mlx: Any, light: None
) -> None:
    committed.share(tmp_path / "box").remove(".dvc/cache", "build")
    (tmp_path / "box").rename(tmp_path / "elsewhere")
    result = mlx("run", "left")
    assert result.code == 0
    told = without_times(result.err).splitlines()
    for line in (
        "fetching 'build/clean.json' from the remote 'box'",
        f"warning: the remote 'box' does not have 'build/clean.json': there is no folder '{tmp_path}/box'",
        "clean: running (build/clean.json is neither here nor in the cache)",
    ):
        assert line in told
    assert committed.reasons().keys() <= {"right", "join"}


def test_nothing_anywhere_is_a_clear_error(committed: SmallProject, mlx: Any, light: None) -> None:
    committed.remove(".dvc/cache", "build", "data/raw.json")
    assert mlx("status", "--check").code == 0
    result = mlx("run", "--json")
    assert result.code == 2
    assert result.json["error"] == {
        "kind": "data",
        "message": "'data/raw.json' is neither here nor in the cache, "
        "and no remote is named that could have it",
        "context": ["stage 'clean' reads it"],
        "hint": "put it there, or name a remote with `dvc remote add -d NAME URL`",
    }
    assert [stage["status"] for stage in result.json["stages"]] == ["skipped"] * 4


def test_a_remote_without_the_data_is_a_clear_error(
    committed: SmallProject, tmp_path: Path, mlx: Any, light: None
) -> None:
    committed.share(tmp_path / "box").remove(".dvc/cache", "build", "data/raw.json", "../box/files")
    result = mlx("run", "-q")
    assert result.code == 2
    assert result.err.endswith(
        "error: 'data/raw.json' is neither here nor in the cache, and the remote 'box' did not give it\n"
        "  stage 'clean' reads it\n"
        "hint: run `dvc push` where it is, then `mlx run` here\n"
    )


def test_a_kind_of_remote_that_is_not_installed_is_named_once(committed: SmallProject) -> None:
    committed.set_dvc("['remote \"box\"']\n    url = gs://bucket/box\n[core]\n    remote = box\n")
    committed.remove(".dvc/cache", "build")
    events: list[Event] = []
    assert by_status(committed.run(events=events.append)) == dict.fromkeys(ALL, "ran")
    (told,) = messages(events, Warned)
    assert told == "the remote 'box' cannot be read: gs is supported, but requires 'dvc-gs' to be installed"
    assert_up_to_date(committed)


def test_a_web_server_that_is_not_there_looks_empty_to_dvc(committed: SmallProject) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/box"
    committed.set_dvc(f"['remote \"box\"']\n    url = {url}\n[core]\n    remote = box\n")
    committed.remove(".dvc/cache", "build", "data/raw.json")
    events: list[Event] = []
    error = committed.run("clean", events=events.append).error
    assert isinstance(error, DataError)
    assert messages(events, Warned) == [
        f"the remote 'box' does not have '{path}', or does not answer"
        for path in ("build/clean.json", "data/raw.json")
    ]


def test_a_remote_that_hangs_is_named_and_left_with_ctrl_c(committed: SmallProject) -> None:
    """A server that takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/box"
        committed.set_dvc(f"['remote \"box\"']\n    url = {url}\n[core]\n    remote = box\n")
        committed.remove(".dvc/cache", "build")
        command = [sys.executable, "-m", "mlxkit", "run", "clean"]
        with subprocess.Popen(command, cwd=committed.root, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert process.stderr.readline() == "fetching 'build/clean.json' from the remote 'box'\n"
            connection, _ = server.accept()
            os.kill(process.pid, signal.SIGINT)
            said = process.stderr.read()
        connection.close()
    assert process.returncode == 130
    assert "error: interrupted; what had finished is kept\n" in said
    assert committed.reasons() == {}


def test_objects_of_an_earlier_run_come_from_the_remote(committed: SmallProject, tmp_path: Path) -> None:
    committed.write(SHIFT)
    committed.run()
    committed.share(tmp_path / "box")
    committed.write({"params.yaml": PARAMS})
    committed.run()
    with committed.dvc() as repo:
        repo.push()
    runs = committed.root / ".dvc/cache/runs"
    runs.rename(tmp_path / "runs")
    committed.remove(".dvc/cache", "build", "dvc.lock")
    (committed.root / ".dvc/cache").mkdir()
    (tmp_path / "runs").rename(runs)
    committed.git("checkout", "-q", "dvc.lock")
    committed.write(SHIFT)
    assert by_status(committed.run()) == dict.fromkeys(ALL, "restored")
    assert committed.json("build/left.json") == {"n": 32}
    assert_up_to_date(committed)


@pytest.mark.parametrize("cut", [None, "", "cmd: a\ndeps: [", "cmd: a\nouts:\n- path: build/clean.json\n"])
def test_a_result_that_was_cut_by_a_kill_is_none(ran: SmallProject, cut: str | None) -> None:
    """DVC writes results of the run cache beside their places, and looks at whatever lies there."""
    for folder in (ran.root / ".dvc/cache/runs").glob("*/*"):
        for entry in folder.iterdir():
            entry.unlink()
        if cut is not None:
            (folder / ".AbCdEfGhIjKlMnOpQrStUv.tmp").write_text(cut)
    ran.remove("dvc.lock")
    assert by_status(ran.run()) == dict.fromkeys(ALL, "ran")
    assert_up_to_date(ran)
    ran.remove("dvc.lock")
    assert by_status(ran.run()) == dict.fromkeys(ALL, "restored")
    assert_up_to_date(ran)


def test_after_dvc_gc_what_it_kept_is_fresh_and_the_rest_runs(ran: SmallProject) -> None:
    ran.write(SHIFT)
    ran.run()
    with ran.dvc() as repo:
        repo.gc(workspace=True)
    assert_up_to_date(ran)
    ran.remove("build")
    assert by_status(ran.run()) == dict.fromkeys(ALL, "restored")
    ran.write({"params.yaml": PARAMS})
    assert by_status(ran.run()) == statuses(left="ran", join="ran")
    assert_up_to_date(ran)


@pytest.mark.parametrize("file", ["config", "config.local"])
@pytest.mark.parametrize("place", ["{tmp}/shared cache", "../../shared cache", '"{tmp}/a, b # c"'])
def test_a_cache_elsewhere(small: SmallProject, tmp_path: Path, file: str, place: str) -> None:
    place = place.format(tmp=tmp_path)
    small.set_dvc(f"[cache]\n    dir = {place}\n", file)
    small.run()
    folder = tmp_path / ("shared cache" if "shared" in place else "a, b # c")
    assert not (small.root / ".dvc/cache").exists()
    assert small.damaged_objects(folder) == []
    assert (small.reasons(), small.dvc_status()) == ({}, {})
    small.remove("build")
    assert by_status(small.run()) == dict.fromkeys(ALL, "restored")


@pytest.mark.parametrize("variable", ["DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"])
def test_a_cache_that_the_machine_names(
    small: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    (tmp_path / "config").write_text(f"[cache]\ndir = {tmp_path}/shared\n")
    small.run()
    assert (tmp_path / "shared/files/md5").is_dir()
    assert (small.reasons(), small.dvc_status()) == ({}, {})


def test_no_link_of_the_wanted_kind_is_a_clear_error(small: SmallProject) -> None:
    small.set_dvc("[cache]\n    type = reflink\n")
    result = small.run("clean")
    if result.error is None:
        pytest.skip("this file system makes reflinks")
    assert str(result.error) == (
        "DVC cannot link a file to its cache: `cache.type` allows no kind of link that works here"
    )
    assert result.error.context == (str(small.root / "build/clean.json"),)
    assert result.error.hint == "run `dvc config --local cache.type copy`"
    subprocess.run(["dvc", "config", "--local", "cache.type", "copy"], check=True)
    assert by_status(small.run()) == {**dict.fromkeys(ALL, "ran"), "clean": "restored"}
    assert_up_to_date(small)


def test_a_code_edit_undone_brings_the_old_result_back(ran: SmallProject) -> None:
    ran.write({"src/demo/steps.py": STEPS.replace("scale}", "scale + 1}")})
    assert by_status(ran.run())["clean"] == "ran"
    ran.write({"src/demo/steps.py": STEPS})
    assert set(by_status(ran.run()).values()) == {"restored"}
    assert_up_to_date(ran)
