"""Every kind of link between the workspace and DVC's cache: nothing that mlx does may damage the cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from small_project import PARAMS, STAGES, SmallProject, by_status, default_files

if TYPE_CHECKING:
    from pathlib import Path

ALL = ("clean", "left", "right", "join")
FICLONE = 0x40049409
KINDS = ("copy", "hardlink", "symlink", "reflink")


def makes_reflinks(folder: Path) -> bool:
    """Whether the file system of a folder clones files."""
    with (folder / "from").open("w+b") as old, (folder / "to").open("wb") as new:
        old.write(b"x" * 4096)
        old.flush()
        try:
            fcntl.ioctl(new, FICLONE, old.fileno())
        except OSError:
            return False
        return True


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "reflink" and not makes_reflinks(tmp_path):
        pytest.skip("the file system of the temporary folder makes no reflinks")
    return str(request.param)


@pytest.fixture
def linked(bare: SmallProject, kind: str) -> SmallProject:
    """The four-stage project with everything up to date, its outputs linked to the cache."""
    bare.set_dvc(f"[cache]\n    type = {kind}\n", "config")
    bare.write(default_files()).configure(STAGES)
    assert by_status(bare.run()) == dict.fromkeys(ALL, "ran")
    return bare


def link_of(path: Path) -> str:
    """Tell how a file is linked; a reflink looks like a copy."""
    if path.is_symlink():
        return "symlink"
    return "hardlink" if path.stat().st_nlink > 1 else "copy"


def assert_sound(project: SmallProject, kind: str) -> None:
    """The cache is undamaged, mlx and DVC have nothing to do, and outputs are linked as they should be."""
    assert project.damaged_objects() == []
    assert (project.reasons(), project.dvc_status()) == ({}, {})
    expected = "copy" if kind == "reflink" else kind
    for path in (
        "build/left.json",
        "build/right.txt",
        "build/joined/sum.json",
        "build/joined/deep/größe.txt",
    ):
        assert link_of(project.root / path) == expected, path


def run_shifted(project: SmallProject, shift: int) -> dict[str, str]:
    project.write({"params.yaml": {**PARAMS, "shifting": {**PARAMS["shifting"], "shift": shift}}})
    return by_status(project.run())


def test_run_change_and_restore(linked: SmallProject, kind: str) -> None:
    assert_sound(linked, kind)
    assert run_shifted(linked, 2) == {"clean": "fresh", "left": "ran", "right": "fresh", "join": "ran"}
    assert_sound(linked, kind)
    assert run_shifted(linked, 1) == {
        "clean": "fresh",
        "left": "restored",
        "right": "fresh",
        "join": "restored",
    }
    assert linked.json("build/joined/sum.json") == 1531
    assert_sound(linked, kind)
    linked.remove("build")
    assert by_status(linked.run()) == dict.fromkeys(ALL, "restored")
    assert_sound(linked, kind)
    assert by_status(linked.run(force=True)) == dict.fromkeys(ALL, "ran")
    assert_sound(linked, kind)


def test_data_that_the_user_changed_is_taken_over_and_not_replaced(linked: SmallProject, kind: str) -> None:
    """A kill between the two would leave the old version on record, or an empty file as a new one."""
    with linked.dvc() as repo:
        repo.add([str(linked.root / "data/raw.json")])
    raw = linked.root / "data/raw.json"
    raw.unlink()
    linked.write({"data/raw.json": {"n": 8}})
    inode = raw.stat().st_ino
    assert by_status(linked.run())["clean"] == "ran"
    assert (raw.stat().st_ino, link_of(raw)) == (inode, "copy")
    assert linked.digest("build/clean.json")
    assert_sound(linked, kind)
    raw.unlink()
    linked.write({"params.yaml": {**PARAMS, "cleaning": {"scale": 7}}})
    assert by_status(linked.run())["clean"] == "ran"
    assert linked.json("data/raw.json") == {"n": 8}


def test_a_reflink_has_its_name_once_it_has_its_content(
    bare: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dvc_objects.fs import system

    from mlxkit.adapters.dvc import Dvc

    Dvc(bare.root).close()
    (tmp_path / "from").write_text("data")

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fcntl.ioctl", killed)
    with pytest.raises(KeyboardInterrupt):
        system.reflink(str(tmp_path / "from"), str(tmp_path / "to"))
    assert not (tmp_path / "to").exists()
    monkeypatch.setattr("fcntl.ioctl", lambda target, order, source: os.write(target, os.read(source, 9)))
    system.reflink(str(tmp_path / "from"), str(tmp_path / "to"))
    assert (tmp_path / "to").read_text() == "data"


def test_an_emptied_cache(linked: SmallProject, kind: str) -> None:
    """What links to it is gone too with symlinks, and else the workspace has it all."""
    linked.remove(".dvc/cache")
    assert set(by_status(linked.run()).values()) == {"ran" if kind == "symlink" else "restored"}
    assert_sound(linked, kind)


def test_an_output_edited_by_hand(linked: SmallProject, kind: str) -> None:
    outputs = ["build/left.json", "build/joined"]
    subprocess.run(["dvc", "unprotect", *outputs], cwd=linked.root, check=True, capture_output=True)
    linked.write({"build/left.json": {"n": 0}, "build/joined/sum.json": "0", "build/joined/more.txt": "x"})
    assert linked.reasons() == {
        "left": ("build/left.json differs from dvc.lock",),
        "join": ("input build/left.json changed", "build/joined differs from dvc.lock", "after left"),
    }
    assert by_status(linked.run()) == {
        "clean": "fresh",
        "left": "restored",
        "right": "fresh",
        "join": "restored",
    }
    assert sorted(path.name for path in (linked.root / "build/joined").iterdir()) == ["deep", "sum.json"]
    # What was unprotected and not edited stays the copy that it is.
    linked.remove("build/joined/deep")
    linked.run()
    assert_sound(linked, kind)


def test_the_users_own_dvc_checkout_and_commit(linked: SmallProject, kind: str) -> None:
    linked.remove("build")
    subprocess.run(["dvc", "checkout", "-q"], cwd=linked.root, check=True)
    assert_sound(linked, kind)
    assert set(by_status(linked.run()).values()) == {"fresh"}


WRITERS = {
    "appends": "echo {n} >> {out}",
    "opens r+ where there is a file": (
        "python -c \"import os,sys; f=open(sys.argv[1], 'r+' if os.path.exists(sys.argv[1]) else 'w'); "
        'f.write(sys.argv[2])" {out} {n}'
    ),
    "truncates": "echo {n} > {out}",
    "replaces": "echo {n} > new1 && python -c \"import os; os.replace('new1', '{out}')\"",
    "copies a read-only file": "echo {n} > new2 && chmod 444 new2 && cp -fp new2 {out} && rm -f new2",
    "fills a folder that is there": "mkdir -p {out} && echo {n} >> {out}/a && echo {n} > {out}/b{n}",
}


def test_however_a_stage_writes_it_never_writes_into_the_cache(bare: SmallProject, kind: str) -> None:
    bare.set_dvc(f"[cache]\n    type = {kind}\n", "config")
    for number in (1, 2, 1):
        bare.configure(
            {
                f"stage{index}": {
                    "cmd": cmd.format(n=number, out=f"out{index}"),
                    "outputs": [f"out{index}"],
                    # With variables of its own a command runs through `mlx exec`.
                    "env": {"N": "1"} if index == 0 else {},
                }
                for index, cmd in enumerate(WRITERS.values())
            }
        )
        assert bare.run().error is None
        assert bare.damaged_objects() == []
        assert (bare.reasons(), bare.dvc_status()) == ({}, {})
        for index, name in enumerate(WRITERS):
            out = bare.root / f"out{index}"
            content = [path.read_text().strip() for path in (out.glob("*") if out.is_dir() else [out])]
            assert set(content) == {str(number)}, name


def test_a_function_that_writes_its_own_folder(bare: SmallProject, kind: str) -> None:
    code = (
        "from pathlib import Path\n\n\ndef write(folder: Path, n):\n"
        "    folder.mkdir(exist_ok=True)\n"
        "    with (folder / 'a').open('a') as file:\n        file.write(str(n))\n"
    )
    bare.set_dvc(f"[cache]\n    type = {kind}\n", "config")
    bare.write({"src/demo/steps.py": code})
    bare.configure({"w": {"call": "demo.steps:write", "outputs": {"folder": "out"}, "params": ["p"]}})
    for number in (1, 2, 1):
        bare.write({"params.yaml": {"p": {"n": number}}})
        assert bare.run().error is None
        assert bare.text("out/a") == str(number)
        assert bare.damaged_objects() == []


def test_a_stage_that_fails_halfway_leaves_the_cache_alone(linked: SmallProject, kind: str) -> None:
    linked.change_stage("right", cmd="echo half > build/right.txt; exit 3")
    assert by_status(linked.run())["right"] == "failed"
    assert linked.damaged_objects() == []
    linked.change_stage("right", cmd=STAGES["right"]["cmd"])
    assert by_status(linked.run())["right"] == "restored"
    assert_sound(linked, kind)


def test_a_change_of_the_link_type_needs_nothing(linked: SmallProject, kind: str) -> None:
    other = "copy" if kind != "copy" else "hardlink"
    linked.set_dvc(f"[cache]\n    type = {other}\n")
    assert set(by_status(linked.run()).values()) == {"fresh"}
    linked.remove("build")
    assert set(by_status(linked.run()).values()) == {"restored"}
    assert_sound(linked, other)


def test_a_moved_project_links_anew(
    linked: SmallProject, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    linked.root.rename(tmp_path / "größer & neu")
    moved = SmallProject(tmp_path / "größer & neu")
    assert moved.reasons() == {}
    gone = kind == "symlink"
    missing = {name: state.missing for name, state in moved.states().items()}
    assert missing["join"] == (("build/joined",) if gone else ())
    assert set(by_status(moved.run()).values()) == {"restored" if gone else "fresh"}
    assert_sound(moved, kind)
    assert run_shifted(moved, 2) == {"clean": "fresh", "left": "ran", "right": "fresh", "join": "ran"}
    assert_sound(moved, kind)
    assert not linked.root.exists()


def test_raw_data_in_a_moved_project(
    bare: SmallProject, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dvc add` links raw data as well: a folder and a file."""
    bare.set_dvc(f"[cache]\n    type = {kind}\n", "config")
    bare.write({"data/folder/a.txt": "1", "data/one.txt": "2"})
    with bare.dvc() as repo:
        repo.add([str(bare.root / "data/folder"), str(bare.root / "data/one.txt")])
    read = {"inputs": ["data/folder/a.txt", "data/folder", "data/one.txt"], "outputs": ["out.txt"]}
    bare.configure({"read": {"cmd": "cat data/folder/a.txt data/one.txt > out.txt", **read}})
    assert bare.run().error is None
    monkeypatch.chdir(tmp_path)
    bare.root.rename(tmp_path / "moved")
    moved = SmallProject(tmp_path / "moved")
    assert moved.reasons() == {}
    moved.configure({"read": {"cmd": "cat data/one.txt data/folder/a.txt > out.txt", **read}})
    assert by_status(moved.run()) == {"read": "ran"}
    assert moved.text("out.txt") == "21"
    assert (moved.reasons(), moved.dvc_status(), moved.damaged_objects()) == ({}, {}, [])


def test_a_copy_leaves_the_original_alone(
    linked: SmallProject, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With symlinks, outputs of the copy are links into the original's cache."""
    copy = linked.copy_to(tmp_path / "copy")
    before = everything(linked)
    monkeypatch.chdir(copy.root)
    assert set(by_status(copy.run()).values()) == {"fresh"}
    assert run_shifted(copy, 2)["left"] == "ran"
    assert run_shifted(copy, 1)["left"] == "restored"
    assert by_status(copy.run(force=True)) == dict.fromkeys(ALL, "ran")
    copy.remove(".dvc/cache", "build/joined")
    assert by_status(copy.run()).keys() == set(ALL)
    assert (copy.reasons(), copy.dvc_status(), copy.damaged_objects()) == ({}, {}, [])
    assert everything(linked) == before
    shutil.rmtree(linked.root)
    assert copy.run().error is None
    assert (copy.reasons(), copy.dvc_status()) == ({}, {})


def everything(project: SmallProject) -> dict[str, Any]:
    """Return content, mode, time and inode of every file, locks and memos included."""
    return {
        str(path): (path.lstat()[:2], path.lstat().st_mtime_ns, path.read_bytes())
        for path in project.root.rglob("*")
        if path.is_file()
    }


def test_a_symlink_that_the_user_broke_is_named(bare: SmallProject) -> None:
    bare.write({"data/a.txt": "1"})
    (bare.root / "data/b.txt").symlink_to("gone.txt")
    bare.configure({"read": {"cmd": "cat data/a.txt > out", "inputs": ["data"], "outputs": ["out"]}})
    error = bare.run().error
    assert error is not None
    assert str(error) == "DVC failed: No such file or directory"
    assert error.context == (f"{bare.root}/data/b.txt",)
    assert error.hint == f"remove the broken link '{bare.root}/data/b.txt'"
    assert (bare.root / "data/b.txt").is_symlink()
