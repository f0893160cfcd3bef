"""What of DVC's cache is garbage: ages, listings, the run cache, links, other users of the cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from history import History
from machine import unprivileged

from mlxkit.errors import LockTimeout, Refused, ToolError, UsageError
from mlxkit.pipeline.events import Event, Waiting
from mlxkit.pipeline.gc import gc
from mlxkit.pipeline.lock import one_of_its_kind

if TYPE_CHECKING:
    from pathlib import Path

    from small_project import SmallProject

    from mlxkit.pipeline.garbage import Garbage

DAY = 86400.0
LATER = time.time() + 15 * DAY
"""When all that a test has made is older than two weeks."""


@pytest.fixture
def cache(bare: SmallProject) -> SmallProject:
    """A project with one stage and an empty cache."""
    bare.configure({"copy": {"cmd": "cp in.txt out.txt", "inputs": ["in.txt"], "outputs": ["out.txt"]}})
    (bare.root / ".dvc/cache").mkdir(exist_ok=True)
    return bare


def put(project: SmallProject, content: str | bytes, suffix: str = "") -> str:
    """Put an object into the cache, and return its name."""
    data = content.encode() if isinstance(content, str) else content
    name = hashlib.md5(data, usedforsecurity=False).hexdigest()
    project.write({f".dvc/cache/files/md5/{name[:2]}/{name[2:]}{suffix}": data})
    return f"{name}{suffix}"


def put_folder(project: SmallProject, *contents: str) -> tuple[str, set[str]]:
    """Put a directory into the cache: its listing, and its files."""
    files = {f"{number}.txt": put(project, content) for number, content in enumerate(contents)}
    listing = json.dumps([{"md5": name, "relpath": path} for path, name in files.items()])
    return put(project, listing, ".dir"), set(files.values())


def put_run(project: SmallProject, *outputs: str, key: str = "a", entry: str = "b") -> Path:
    """Put an entry into the run cache."""
    outs = [{"path": f"out{number}", "hash": "md5", "md5": name} for number, name in enumerate(outputs)]
    path = f".dvc/cache/runs/{key * 2}/{key * 64}/{entry * 64}"
    deps = [{"path": "in.txt", "hash": "md5", "md5": "0" * 32}]
    text = yaml_of({"cmd": "cp in.txt out.txt", "deps": deps, "outs": outs})
    return project.write({path: text}).root / path


def yaml_of(value: object) -> str:
    import yaml

    return yaml.safe_dump(value, sort_keys=False)


def path_of(project: SmallProject, name: str) -> Path:
    return project.root / ".dvc/cache/files/md5" / name[:2] / name[2:]


def objects(project: SmallProject) -> set[str]:
    return {f"{p.parent.name}{p.name}" for p in (project.root / ".dvc/cache/files/md5").glob("??/*")}


def is_young(path: Path) -> None:
    """Let a file be of the time at which the tests look."""
    os.utime(path, (LATER, LATER))


def heap(garbage: Garbage, kind: str, place: str = "cache") -> tuple[int, int]:
    """Return how many things of a kind lie in a place, and how many of them nothing needs."""
    (found,) = (heap for heap in garbage.heaps if (heap.place, heap.kind) == (place, kind))
    return found.number, len(found.waste)


def collect(project: SmallProject, days: float = 0, now: float = LATER) -> Garbage:
    """Collect, and see that a second time there is nothing to do."""
    garbage = gc(project.root, older_than=days, delete=True, now=now)
    assert garbage.failed == ()
    assert len(garbage.deleted) == len(garbage.waste)
    assert gc(project.root, older_than=days, delete=True, now=now).deleted == ()
    return garbage


def test_what_nobody_names_goes_with_its_bytes(cache: SmallProject) -> None:
    put(cache, "twelve bytes")
    garbage = collect(cache)
    assert objects(cache) == set()
    assert [waste.size for waste in garbage.deleted] == [12]


def test_looking_deletes_nothing(cache: SmallProject) -> None:
    name = put(cache, "1")
    garbage = gc(cache.root, older_than=0)
    assert heap(garbage, "objects") == (1, 1)
    assert (garbage.deleted, objects(cache)) == ((), {name})


@pytest.mark.parametrize(("days", "now", "stays"), [(14, LATER, False), (16, LATER, True), (0, 0.0, False)])
def test_the_age(cache: SmallProject, days: float, now: float, stays: bool) -> None:
    put(cache, "1")
    collect(cache, days, now)
    assert (objects(cache) != set()) is stays


def test_an_old_file_that_dvc_took_over_lately_is_young(cache: SmallProject) -> None:
    name = put(cache, "1")
    os.utime(path_of(cache, name), (0, 0))
    collect(cache, 14, time.time())
    assert objects(cache) == {name}


def test_a_young_listing_keeps_its_old_files(cache: SmallProject) -> None:
    listing, files = put_folder(cache, "1", "2")
    is_young(path_of(cache, listing))
    put(cache, "3")
    collect(cache, 14)
    assert objects(cache) == {listing, *files}


def test_a_file_that_a_needed_and_a_useless_listing_share_stays(cache: SmallProject) -> None:
    needed, files = put_folder(cache, "1", "2")
    put_folder(cache, "2", "3")
    cache.write({"data.dvc": yaml_of({"outs": [{"md5": needed, "path": "data"}]})})
    collect(cache)
    assert objects(cache) == {needed, *files}


@pytest.mark.parametrize(
    "path", ["dvc.lock", "data.dvc", "deep/größe & mehr/x.dvc", ".dvc/tmp/exps/standalone/dvc.lock"]
)
def test_what_the_workspace_names_stays(cache: SmallProject, path: str) -> None:
    name = put(cache, "1")
    cache.write({path: yaml_of({"outs": [{"path": "x", "md5": name}]})})
    collect(cache)
    assert objects(cache) == {name}


def test_both_sides_of_a_conflict_are_named(cache: SmallProject) -> None:
    ours, theirs = put(cache, "1"), put(cache, "2")
    sides = [f"    - path: x\n      md5: {name}\n" for name in (ours, theirs)]
    cache.write({"dvc.lock": f"outs:\n<<<<<<< HEAD\n{sides[0]}=======\n{sides[1]}>>>>>>> side\n"})
    collect(cache)
    assert objects(cache) == {ours, theirs}


@pytest.mark.parametrize("path", ["mlruns/demo/run/artifacts/dvc.lock", ".venv/dvc.lock"])
def test_copies_in_other_tools_folders_are_no_need(cache: SmallProject, path: str) -> None:
    name = put(cache, "1")
    cache.write({path: f"md5: {name}\n", ".venv/pyvenv.cfg": ""})
    collect(cache)
    assert objects(cache) == set()


def test_a_workspace_without_git_is_the_only_need(cache: SmallProject) -> None:
    names = [put(cache, text) for text in "12"]
    cache.write({"dvc.lock": f"md5: {names[0]}\n"})
    garbage = collect(cache)
    assert objects(cache) == {names[0]}
    assert garbage.notes == ()


def test_an_object_that_a_link_leads_to_stays(cache: SmallProject) -> None:
    linked, other = put(cache, "1"), put(cache, "2")
    (cache.root / "old").mkdir()
    (cache.root / "old/model").symlink_to(path_of(cache, linked))
    (cache.root / "second").symlink_to("old/model")
    (cache.root / "loop").symlink_to("loop")
    collect(cache)
    assert objects(cache) == {linked}
    assert (cache.root / "second").read_text() == "1"
    assert other not in objects(cache)


def test_a_hard_link_keeps_its_content_without_the_object(cache: SmallProject) -> None:
    name = put(cache, "1")
    (cache.root / "model").hardlink_to(path_of(cache, name))
    garbage = collect(cache)
    assert objects(cache) == set()
    assert [waste.size for waste in garbage.deleted] == [0]
    assert (cache.root / "model").read_text() == "1"


def test_an_entry_of_the_run_cache_goes_with_its_objects(cache: SmallProject) -> None:
    listing, _ = put_folder(cache, "1")
    needed = put(cache, "2")
    cache.write({"dvc.lock": f"md5: {needed}\n"})
    lost, kept = put_run(cache, needed, listing), put_run(cache, needed, key="c")
    garbage = collect(cache)
    assert heap(garbage, "runs to restore") == (2, 1)
    assert kept.exists()
    assert not lost.parent.exists()


def test_a_young_entry_keeps_its_old_objects(cache: SmallProject) -> None:
    listing, files = put_folder(cache, "1")
    is_young(put_run(cache, listing))
    garbage = collect(cache, 14)
    assert objects(cache) == {listing, *files}
    assert heap(garbage, "runs to restore") == (1, 0)


def test_one_of_two_entries_for_the_same_inputs_goes(cache: SmallProject) -> None:
    needed = put(cache, "1")
    cache.write({"dvc.lock": f"md5: {needed}\n"})
    kept, lost = put_run(cache, needed), put_run(cache, put(cache, "2"), entry="c")
    collect(cache)
    assert (kept.exists(), lost.exists()) == (True, False)


@pytest.mark.parametrize("text", ["", "outs", "cmd: x\n"])
def test_a_damaged_entry_is_garbage(cache: SmallProject, text: str) -> None:
    entry = put_run(cache, "0" * 32)
    entry.write_text(text)
    assert heap(collect(cache), "runs to restore") == (1, 1)


def test_dvc_finds_its_run_cache_in_order(cache: SmallProject) -> None:
    """DVC fails on an empty folder where entries were."""
    for text in ("1", "2"):
        cache.write({"in.txt": text})
        assert cache.run().error is None
    collect(cache)
    assert len([*(cache.root / ".dvc/cache/runs").glob("*/*")]) == 1
    cache.write({"in.txt": "1"})
    assert cache.run().stages[0].status == "ran"
    cache.write({"in.txt": "2"})
    assert cache.run().stages[0].status == "restored"


TEMPORARY = [
    ".dvc/cache/files/md5/.AbCdEfGhIjKlMnOpQrStU_.tmp",
    ".dvc/cache/files/md5/ab/cdef.AbCdEfGhIjKlMnOpQrStU-.tmp",
    f".dvc/cache/runs/aa/{'a' * 64}/.AbCdEfGhIjKlMnOpQrStUv.tmp",
    f".dvc/cache/runs/aa/.{'a' * 64}.AbCdEfGhIjKlMnOpQrStUv.tmp/{'b' * 64}",
]


@pytest.mark.parametrize("path", TEMPORARY)
@pytest.mark.parametrize(("days", "hours", "goes"), [(0, 25, True), (0, 23, False), (14, 25, False)])
def test_half_written_files_go_when_no_live_process_can_have_them(
    cache: SmallProject, path: str, days: float, hours: float, goes: bool
) -> None:
    cache.write({path: "half"})
    garbage = gc(cache.root, older_than=days, delete=True, now=time.time() + hours * 3600)
    assert heap(garbage, "temporary files") == (1, int(goes))
    left = [p for p in (cache.root / ".dvc/cache").rglob("*") if p.is_file()]
    assert (left == []) is goes
    assert not (goes and (cache.root / f".dvc/cache/runs/aa/{'a' * 64}").exists())


def test_files_of_other_names_and_links_in_the_cache_are_left_alone(cache: SmallProject) -> None:
    cache.write(
        {
            ".dvc/cache/files/md5/notes.txt": "1",
            ".dvc/cache/files/md5/ab/README": "1",
            f".dvc/cache/ab/{'c' * 30}": "an object of DVC 2",
        }
    )
    (cache.root / ".dvc/cache/files/md5/ab" / ("d" * 30)).symlink_to("README")
    before = cache.snapshot()
    collect(cache)
    assert cache.snapshot() == before


def test_a_project_that_has_never_run(bare: SmallProject) -> None:
    bare.configure({"copy": {"cmd": "true", "outputs": ["out.txt"]}})
    shutil.rmtree(bare.root / ".dvc")
    assert heap(collect(bare), "objects") == (0, 0)


@pytest.mark.parametrize("by", ["configuration", "link"])
def test_a_cache_that_others_may_use_is_left_alone(cache: SmallProject, tmp_path: Path, by: str) -> None:
    name = put(cache, "1")
    shared = tmp_path / "shared"
    (cache.root / ".dvc/cache").rename(shared)
    if by == "configuration":
        cache.write({".dvc/config.local": f"[cache]\n    dir = {shared}\n"})
    else:
        (cache.root / ".dvc/cache").symlink_to(shared)
    garbage = collect(cache)
    assert garbage.notes == (
        f"the cache {shared} is not in this repository's '.dvc', so others may use it: it is left alone",
    )
    assert [heap for heap in garbage.heaps if heap.place == "cache"] == []
    assert (shared / "files/md5" / name[:2] / name[2:]).read_text() == "1"


def test_dvc_that_has_its_cache_elsewhere_is_believed(
    cache: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = put(cache, "1")
    (tmp_path / "global").mkdir()
    (tmp_path / "global/config").write_text(f"[cache]\n    dir = {tmp_path / 'elsewhere'}\n")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    (note,) = gc(cache.root, older_than=0, delete=True).notes
    assert note.startswith(f"the cache {tmp_path / 'elsewhere'} is not in this repository's '.dvc'")
    assert objects(cache) == {name}


@pytest.fixture
def history(bare: SmallProject) -> History:
    """A project with one commit."""
    history = History(bare).start()
    history.data(a="1").commit()
    return history


def test_a_shallow_clone_is_refused(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.data(a="2").commit()
    history.git("clone", "-q", "--depth", "1", f"file://{history.root}", str(tmp_path / "clone"))
    clone = tmp_path / "clone"
    shutil.copytree(history.root / ".dvc", clone / ".dvc", dirs_exist_ok=True)
    monkeypatch.chdir(clone)
    with pytest.raises(Refused, match="this clone lacks the older part of git's history") as caught:
        gc(clone, older_than=0)
    assert (caught.value.exit_code, caught.value.hint) == (3, "run `git fetch --unshallow`")
    history.git("fetch", "-q", "--unshallow", folder=clone)
    assert gc(clone, older_than=0).waste == ()


def test_a_shallow_clone_without_a_cache_is_no_problem(history: History, tmp_path: Path) -> None:
    history.git("clone", "-q", "--depth", "1", f"file://{history.root}", str(tmp_path / "clone"))
    assert gc(tmp_path / "clone", older_than=0).waste == ()


def test_what_a_stash_and_a_worktree_have_stays(history: History, tmp_path: Path) -> None:
    history.data(a="stashed")
    stashed = history.objects()
    history.git("stash", "-q")
    history.git("worktree", "add", "-q", "--detach", "../tree")
    history.data(a="in the other tree")
    for file in ("dvc.lock", "data/in.dvc"):
        shutil.copy(history.root / file, tmp_path / "tree" / file)
    both = history.objects()
    history.git("checkout", "-q", ".")
    history.data(a="3")
    history.git("checkout", "-q", ".")
    collect(history.project)
    assert stashed < both == history.objects()
    history.git("stash", "drop", "-q")
    history.git("worktree", "remove", "--force", str(tmp_path / "tree"))
    collect(history.project)
    assert history.objects() == history.needed()


def test_an_abandoned_commit_stays_as_long_as_git_remembers_it(history: History) -> None:
    lost = history.data(a="2").commit()
    history.checkout("HEAD~1")
    history.git("branch", "-q", "-f", "main", "HEAD")
    history.git("checkout", "-q", "main")
    collect(history.project, 14)
    history.checkout(lost)
    assert history.content() == history.expected[lost]
    history.checkout("main")
    collect(history.project, 0)
    assert history.objects() == history.needed()


def test_a_project_in_a_folder_of_a_repository(history: History) -> None:
    """The commits are those of the whole repository: the folder may have moved."""
    before = history.objects()
    (history.root / "sub").mkdir()
    for name in (".dvc", "mlx.yaml", "dvc.yaml", "dvc.lock", "data", "build", ".gitignore"):
        (history.root / name).rename(history.root / "sub" / name)
    history.git("add", "-A")
    history.git("commit", "-q", "-m", "moved")
    garbage = gc(history.root / "sub", older_than=0, delete=True)
    assert garbage.deleted == ()
    assert {
        f"{p.parent.name}{p.name}" for p in (history.root / "sub/.dvc/cache/files/md5").glob("??/*")
    } == before


def test_a_damaged_listing_that_is_needed_stops_everything(cache: SmallProject) -> None:
    listing, files = put_folder(cache, "1")
    other = put(cache, "2")
    cache.write({"dvc.lock": f"md5: {listing}\n"})
    path_of(cache, listing).write_text("[{")
    with pytest.raises(ToolError, match="a directory's listing in DVC's cache is damaged") as caught:
        gc(cache.root, older_than=0, delete=True)
    assert caught.value.context == (str(path_of(cache, listing)),)
    assert objects(cache) == {listing, other, *files}


def test_a_damaged_listing_that_nothing_needs_goes(cache: SmallProject) -> None:
    put(cache, "[{", ".dir")
    collect(cache)
    assert objects(cache) == set()


def test_a_listing_that_is_not_here_needs_nothing(cache: SmallProject) -> None:
    cache.write({"dvc.lock": f"md5: {'a' * 32}.dir\n"})
    put(cache, "1")
    collect(cache)
    assert objects(cache) == set()


KILLED = """
import os, signal, sys
from pathlib import Path
from mlxkit.pipeline.gc import gc

left = int(sys.argv[1])


def count(event, arguments):
    global left
    if event in ("os.remove", "os.rename", "os.rmdir") and ".dvc/cache" in str(arguments[0]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(count)
gc(Path.cwd(), older_than=0, delete=True)
"""


def test_killed_at_any_moment_the_cache_is_consistent(cache: SmallProject) -> None:
    """Every listing has its files, every entry its objects, and the rest goes next time."""
    for steps in range(20):
        listing, files = put_folder(cache, "1", "2")
        entry = put_run(cache, listing)
        done = subprocess.run([sys.executable, "-c", KILLED, str(steps)], cwd=cache.root, check=False)
        assert not entry.parent.exists() or entry.exists()
        assert not entry.exists() or path_of(cache, listing).exists()
        assert not path_of(cache, listing).exists() or files <= objects(cache)
        if done.returncode == 0:
            break
        assert done.returncode == -9
    # A folder of the run cache moves, its entry goes, and the folder; then the listing and two files.
    assert steps == 6
    collect(cache)
    assert [path for path in (cache.root / ".dvc/cache").rglob("*") if path.is_file()] == []


def test_what_cannot_be_deleted_is_reported_and_keeps_what_it_names(cache: SmallProject) -> None:
    listing, files = put_folder(cache, "1", "2")
    entry = put_run(cache, put(cache, "in an entry"))
    other = put(cache, "3")
    locked = [path_of(cache, listing).parent, entry.parents[1]]
    for folder in locked:
        folder.chmod(0o555)
    try:
        done = subprocess.run(
            unprivileged(sys.executable, "-m", "mlxkit", "gc", "--older-than", "0", "--yes"),
            cwd=cache.root,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        for folder in locked:
            folder.chmod(0o755)
    assert done.returncode == 5
    assert done.stdout.endswith("\n\nnothing needs 6 objects, 313 B\ndeleted 1 object, 1 B\n")
    assert done.stderr == (
        "error: 2 of 6 could not be deleted\n"
        f"  {entry.parent}: permission denied\n"
        f"  {path_of(cache, listing)}: permission denied\n"
        f"hint: look at owner and permissions with `ls -ld '{entry.parents[1]}'`\n"
    )
    assert other not in objects(cache)
    assert objects(cache) == {listing, *files, *put_run_names(entry)}
    assert len(collect(cache).deleted) == 5


def put_run_names(entry: Path) -> set[str]:
    """Return the objects that an entry made by `put_run` names."""
    import yaml

    return {out["md5"] for out in yaml.safe_load(entry.read_text())["outs"]}


def test_a_run_that_goes_on_is_waited_for(cache: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlxkit.pipeline.events import ignore
    from mlxkit.pipeline.lock import run_lock

    name = put(cache, "1")
    monkeypatch.setenv("MLX_LOCK_TIMEOUT", "0.1")
    events: list[Event] = []
    with (
        run_lock(cache.root / ".mlx/run.lock", ignore),
        pytest.raises(LockTimeout, match="another run in this project does not end"),
    ):
        gc(cache.root, older_than=0, delete=True, events=events.append)
    assert [type(event) for event in events] == [Waiting]
    assert objects(cache) == {name}


def test_a_dvc_command_that_goes_on_is_waited_for(
    cache: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlxkit.adapters.dvc import Dvc

    name = put(cache, "1")
    monkeypatch.setattr("mlxkit.adapters.dvc_locks.LOCK_DEADLINE_SECONDS", 0.1)
    other = Dvc(cache.root)
    with other.exclusive(), pytest.raises(LockTimeout, match="another DVC command does not end"):
        gc(cache.root, older_than=0, delete=True)
    other.close()
    assert objects(cache) == {name}


def test_looking_waits_for_nobody(cache: SmallProject) -> None:
    from mlxkit.adapters.dvc import Dvc

    put(cache, "1")
    other = Dvc(cache.root)
    with other.exclusive():
        assert heap(gc(cache.root, older_than=0), "objects") == (1, 1)
    other.close()


def test_a_stage_cannot_collect_while_it_runs(cache: SmallProject) -> None:
    with (
        one_of_its_kind(cache.root),
        pytest.raises(UsageError, match="a stage of this project started this run"),
    ):
        gc(cache.root, delete=True)


def test_a_worktree_that_uses_the_cache_of_another_leaves_it_alone(history: History, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    history.git("worktree", "add", "-q", str(tree))
    (tree / ".dvc/config.local").write_text(f"[cache]\n    dir = {history.root / '.dvc/cache'}\n")
    history.data(a="never committed")
    before = history.objects()
    garbage = gc(tree, older_than=0, delete=True)
    assert len(garbage.notes) == 1
    assert history.objects() == before
