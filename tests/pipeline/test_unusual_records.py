"""What dvc.lock and `.dvc` files may say beyond the md5 of DVC 3: mlx and DVC agree on all of it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from small_project import by_status, messages

from mlxkit.pipeline.events import Waiting, Warned

if TYPE_CHECKING:
    from collections.abc import Callable

    from small_project import SmallProject

    from mlxkit.pipeline.events import Event

RAW = "data/raw.json"
AFTER_CLEAN = {"left": ("after clean",), "right": ("after clean",), "join": ("after left, right",)}
CLOUD = {"box": {"etag": "0123", "version_id": "v1"}}


def edit(project: SmallProject, name: str, change: Callable[[Any], Any]) -> SmallProject:
    """Change the content of a YAML file of DVC."""
    content = yaml.safe_load(project.text(name))
    change(content)
    return project.write({name: yaml.safe_dump(content, sort_keys=False)})


def edit_entry(project: SmallProject, stage: str, kind: str, **changes: Any) -> SmallProject:
    """Change keys of the first dependency or output of a stage in dvc.lock; None removes one."""

    def change(lock: Any) -> None:
        entry = lock["stages"][stage][kind][0]
        entry.update(changes)
        lock["stages"][stage][kind][0] = {key: value for key, value in entry.items() if value is not None}

    return edit(project, "dvc.lock", change)


def edit_data(project: SmallProject, top: dict[str, Any] | None = None, **changes: Any) -> SmallProject:
    """Change keys of the only output in `data/raw.json.dvc`, and of the file itself; None removes one."""

    def change(data: Any) -> None:
        merged = {**data["outs"][0], **changes}
        data["outs"][0] = {key: value for key, value in merged.items() if value is not None}
        data.update(top or {})

    return edit(project, f"{RAW}.dvc", change)


def to_dvc2_cache(project: SmallProject, digest: str) -> None:
    """Copy an object, with all that it lists, to where DVC 2 kept it."""
    here, there = project.object_of(digest), project.root / ".dvc/cache" / digest[:2] / digest[2:]
    if digest.endswith(".dir"):
        for entry in json.loads(here.read_bytes()):
            to_dvc2_cache(project, entry["md5"])
    there.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(here, there)


def as_dvc2(project: SmallProject, stage: str) -> SmallProject:
    """Record a stage as DVC 2 did: hashes of unnamed kind, objects in its layout of the cache too."""

    def change(lock: Any) -> None:
        entry = lock["stages"][stage]
        for item in (*entry["deps"], *entry["outs"]):
            del item["hash"]
        for out in entry["outs"]:
            to_dvc2_cache(project, out["md5"])

    return edit(project, "dvc.lock", change)


def with_windows_lines(project: SmallProject) -> SmallProject:
    """Give a script Windows line ends, which the hash of DVC 2 does not see."""
    unix = project.text("scripts/right.py")
    project.write({"scripts/right.py": unix.replace("\n", "\r\n").encode()})
    assert project.run().error is None

    def change(lock: Any) -> None:
        for dep in lock["stages"]["right"]["deps"]:
            if dep["path"] == "scripts/right.py":
                dep["md5"] = hashlib.md5(unix.encode()).hexdigest()

    return edit(as_dvc2(project, "right"), "dvc.lock", change)


def with_files(project: SmallProject) -> SmallProject:
    """Record a directory as DVC does after a push to a remote with versions: file by file."""

    def change(lock: Any) -> None:
        out = lock["stages"]["join"]["outs"][0]
        listing = json.loads(project.object_of(out["md5"]).read_bytes())
        files = [{**entry, "size": 1, "cloud": CLOUD} for entry in listing]
        lock["stages"]["join"]["outs"][0] = {"path": out["path"], "hash": "md5", "files": files}

    return edit(project, "dvc.lock", change)


def without_object(project: SmallProject, path: str) -> SmallProject:
    """Lose the object of an output in the layout of DVC 3."""
    project.object_of(project.digest(path)).unlink()
    return project


IN_LOCK: dict[str, tuple[Callable[[SmallProject], Any], dict[str, tuple[str, ...]]]] = {
    "a stage of DVC 2": (lambda p: without_object(as_dvc2(p, "clean"), "build/clean.json"), {}),
    "a stage of DVC 2, its input changed": (
        lambda p: as_dvc2(p, "clean").write({RAW: {"n": 7}}),
        {"clean": ("input data/raw.json changed",), **AFTER_CLEAN},
    ),
    "a stage of DVC 2, its output changed": (
        lambda p: as_dvc2(p, "left").write({"build/left.json": "{}"}),
        {
            "left": ("build/left.json differs from dvc.lock",),
            "join": ("input build/left.json changed", "after left"),
        },
    ),
    "a stage of DVC 2, its object lost": (
        lambda p: edit_entry(p, "left", "outs", hash=None),
        {"left": ("build/left.json is not in the cache",), "join": ("after left",)},
    ),
    "a directory of DVC 2": (lambda p: without_object(as_dvc2(p, "join"), "build/joined"), {}),
    "a directory of DVC 2, with one file more": (
        lambda p: as_dvc2(p, "join").write({"build/joined/more.txt": ""}),
        {"join": ("build/joined differs from dvc.lock",)},
    ),
    "Windows line ends in DVC 2": (with_windows_lines, {}),
    "Windows line ends in DVC 2, another input changed": (
        lambda p: with_windows_lines(p).write({RAW: {"n": 7}}),
        {"clean": ("input data/raw.json changed",), **AFTER_CLEAN},
    ),
    "a version in the cloud": (lambda p: edit_entry(p, "clean", "outs", cloud=CLOUD), {}),
    "versions of a directory in the cloud": (with_files, {}),
    "versions of a directory in the cloud, one file changed": (
        lambda p: with_files(p).write({"build/joined/sum.json": "0"}),
        {"join": ("build/joined differs from dvc.lock",)},
    ),
    "an etag": (lambda p: edit_entry(p, "clean", "deps", etag="0123"), {}),
    "a checksum": (lambda p: edit_entry(p, "clean", "deps", checksum="0123"), {}),
    "a version": (lambda p: edit_entry(p, "clean", "deps", version_id="v1"), {}),
    "an output without a hash": (
        lambda p: edit_entry(p, "left", "outs", md5=None),
        {"left": ("build/left.json differs from dvc.lock",), "join": ("after left",)},
    ),
    "an output without a hash that is not here": (
        lambda p: edit_entry(p, "left", "outs", md5=None).remove("build/left.json"),
        {
            "left": ("build/left.json differs from dvc.lock",),
            "join": ("input build/left.json is missing", "after left"),
        },
    ),
    "an input without a hash": (
        lambda p: edit_entry(p, "clean", "deps", md5=None),
        {"clean": ("input data/raw.json changed",), **AFTER_CLEAN},
    ),
    "a command as a list": (
        lambda p: edit(
            p, "dvc.lock", lambda lock: lock["stages"]["right"].update(cmd=["python scripts/right.py"])
        ),
        {"right": ("its command changed",), "join": ("after right",)},
    ),
    "an executable, its size and number of files": (
        lambda p: edit_entry(p, "clean", "outs", isexec=True, nfiles=3, size=1),
        {},
    ),
    "parameters of another file": (
        lambda p: edit(
            p, "dvc.lock", lambda lock: lock["stages"]["clean"]["params"].update({"more.yaml": {"a": 1}})
        ),
        {},
    ),
    "data sets": (lambda p: edit(p, "dvc.lock", lambda lock: lock.update(datasets=[])), {}),
}


@pytest.mark.parametrize(("change", "expected"), IN_LOCK.values(), ids=IN_LOCK)
def test_what_dvc_lock_says_means_the_same_to_both(
    ran: SmallProject, change: Callable[[SmallProject], Any], expected: dict[str, tuple[str, ...]]
) -> None:
    change(ran)
    assert ran.reasons() == expected
    assert ran.changed_for_mlx() == ran.changed_for_dvc()
    _assert_dry_run_and_run_agree(ran, expected)


def _assert_dry_run_and_run_agree(project: SmallProject, expected: dict[str, tuple[str, ...]]) -> None:
    dry = project.run(dry_run=True)
    assert {stage.name: stage.reasons for stage in dry.stages if stage.status != "fresh"} == expected
    lock = project.text("dvc.lock")
    result = project.run()
    assert result.error is None
    assert project.reasons() == {}
    assert project.dvc_status() == {}
    assert project.dvc_repro() == []
    if not expected:
        assert set(by_status(result).values()) == {"fresh"}
        assert project.text("dvc.lock") == lock


@pytest.fixture
def tracked(ran: SmallProject) -> SmallProject:
    """The project that has run, its raw data tracked by DVC."""
    with ran.dvc() as repo:
        repo.add([RAW])
    return ran


def as_dvc2_data(project: SmallProject, content: bytes = b'{"n": 5}') -> SmallProject:
    """Track the raw data as DVC 2 did."""
    if content != (project.root / RAW).read_bytes():
        project.write({RAW: content})
        assert project.run().error is None
    digest = hashlib.md5(content).hexdigest()
    to_dvc2_cache(project, digest)
    project.object_of(digest).unlink()
    legacy = hashlib.md5(content.replace(b"\r\n", b"\n")).hexdigest()
    if legacy != digest:
        there = project.root / ".dvc/cache" / legacy[:2] / legacy[2:]
        there.parent.mkdir(parents=True)
        shutil.move(project.root / ".dvc/cache" / digest[:2] / digest[2:], there)
    return edit_data(project, hash=None, md5=legacy)


def several(project: SmallProject) -> SmallProject:
    """Track the raw data and others by one `.dvc` file."""
    project.write({"data/aa.json": "{}", "data/zz.json": "[]"})
    with project.dvc() as repo:
        repo.add(["data/aa.json", "data/zz.json"])
    names = ("data/aa.json.dvc", f"{RAW}.dvc", "data/zz.json.dvc")
    outs = [yaml.safe_load(project.text(name))["outs"][0] for name in names]
    return project.remove(*names).write({f"{RAW}.dvc": {"outs": outs}})


def renamed(project: SmallProject) -> SmallProject:
    """Name the `.dvc` file otherwise, and let its paths start elsewhere."""
    edit_data(project, path=RAW, top={"wdir": ".."})
    (project.root / f"{RAW}.dvc").rename(project.root / "data/sources.dvc")
    return project


def imported(project: SmallProject, **options: Any) -> SmallProject:
    """Import the raw data from a file outside."""
    source = project.root.parent / "source.json"
    source.write_text('{"n": 5}')
    project.remove(RAW, f"{RAW}.dvc")
    with project.dvc() as repo:
        repo.imp_url(str(source), RAW, force=True, **options)
    return project


def unfrozen(project: SmallProject) -> SmallProject:
    """Import the raw data so that `dvc repro` follows its source."""
    with imported(project).dvc() as repo:
        repo.unfreeze(f"{RAW}.dvc")
    return project


def change_source(project: SmallProject) -> SmallProject:
    """Change what the raw data was imported from."""
    (project.root.parent / "source.json").write_text('{"n": 66}')
    return project


def imported_from_repository(project: SmallProject) -> SmallProject:
    """Import the raw data from another repository of DVC."""
    from mlxkit.adapters import dvc

    other = type(project)(project.root.parent / "other").write({"source.json": '{"n": 5}'})
    other.git("init", "-q")
    dvc.init(other.root, subdir=False, scm=True)
    with other.dvc() as repo:
        repo.add(["source.json"])
    other.git("add", "-A")
    other.git("commit", "-q", "-m", "data")
    project.remove(RAW, f"{RAW}.dvc")
    with project.dvc() as repo:
        repo.imp(str(other.root), "source.json", RAW)
    return project


NEW = {"n": 7}
CHANGED = {"clean": ("input data/raw.json changed",), **AFTER_CLEAN}
SOURCE = {"clean": ("the source of data/raw.json changed",), **AFTER_CLEAN}
MISSING = {"clean": ("input data/raw.json is missing",), **AFTER_CLEAN}
NOTES: dict[str, Any] = {
    "desc": "raw",
    "type": "table",
    "labels": ["a"],
    "meta": {"a": 1},
    "remote": "box",
    "push": False,
    "persist": True,
}
DATA: dict[str, tuple[Callable[[SmallProject], Any], dict[str, tuple[str, ...]]]] = {
    "DVC 2": (as_dvc2_data, {}),
    "DVC 2, changed": (lambda p: as_dvc2_data(p).write({RAW: NEW}), CHANGED),
    "DVC 2, Windows line ends": (lambda p: as_dvc2_data(p, b'{"n":\r\n5}'), {}),
    "a folder to start at": (lambda p: edit_data(p, path=RAW, top={"wdir": ".."}), {}),
    "a folder to start at, changed": (
        lambda p: edit_data(p, path=RAW, top={"wdir": ".."}).write({RAW: NEW}),
        CHANGED,
    ),
    "several in one file": (several, {}),
    "several in one file, changed": (lambda p: several(p).write({RAW: NEW}), CHANGED),
    "another name": (renamed, {}),
    "another name, changed": (lambda p: renamed(p).write({RAW: NEW}), CHANGED),
    "frozen": (lambda p: edit_data(p, top={"frozen": True}), {}),
    "frozen, changed": (lambda p: edit_data(p, top={"frozen": True}).write({RAW: NEW}), CHANGED),
    "notes": (
        lambda p: edit_data(p, top={"desc": "a", "meta": {"b": 2}}, isexec=True, nfiles=1, **NOTES),
        {},
    ),
    "kept out of the cache": (lambda p: edit_data(p, cache=False), {}),
    "kept out of the cache, changed": (lambda p: edit_data(p, cache=False).write({RAW: NEW}), CHANGED),
    "a version in the cloud": (lambda p: edit_data(p, cloud=CLOUD), {}),
    "an etag": (lambda p: edit_data(p, etag="0123"), {}),
    "a hash of the file itself": (lambda p: edit_data(p, top={"md5": "0" * 32}), {}),
    "no hash": (lambda p: edit_data(p, md5=None), {}),
    "an import": (imported, {}),
    "an import, its source changed": (lambda p: change_source(imported(p)), {}),
    "an import, changed here": (lambda p: imported(p).write({RAW: NEW}), CHANGED),
    "an import from a repository": (imported_from_repository, {}),
    "an import that follows its source": (unfrozen, {}),
    "an import that follows its source, which changed": (lambda p: change_source(unfrozen(p)), SOURCE),
    "an import that was not downloaded": (lambda p: imported(p, no_download=True), MISSING),
    "an import that was not downloaded, its source changed": (
        lambda p: change_source(imported(p, no_download=True)),
        MISSING,
    ),
}


@pytest.mark.parametrize(("change", "expected"), DATA.values(), ids=DATA)
def test_what_a_dvc_file_says_means_the_same_to_both(
    tracked: SmallProject, change: Callable[[SmallProject], Any], expected: dict[str, tuple[str, ...]]
) -> None:
    change(tracked)
    assert tracked.reasons() == expected
    # To DVC a new source changes the import, and not yet what reads it.
    for_dvc = {"clean" if expected == SOURCE else name for name in tracked.changed_for_dvc()}
    assert tracked.changed_for_mlx() == {name for name in for_dvc if not name.endswith(".dvc")}
    _assert_dry_run_and_run_agree(tracked, expected)


def test_data_that_is_always_changed_changes_no_stage(tracked: SmallProject) -> None:
    edit_data(tracked, top={"always_changed": True})
    assert tracked.dvc_status() == {f"{RAW}.dvc": ["always changed"]}
    assert tracked.reasons() == {}
    assert set(by_status(tracked.run()).values()) == {"fresh"}


@pytest.mark.parametrize("name", [name for name, (_, expected) in DATA.items() if not expected])
def test_where_the_data_is_not_here_its_record_counts(tracked: SmallProject, name: str) -> None:
    change, _ = DATA[name]
    change(tracked)
    tracked.remove(RAW)
    if name == "no hash":
        assert tracked.reasons() == MISSING
    elif name == "DVC 2, Windows line ends":
        # Which hash of DVC 3 belongs to this one of DVC 2 nobody knows before the file is here.
        assert tracked.reasons() == CHANGED
    else:
        assert tracked.reasons() == {}


@pytest.mark.parametrize("name", ["another name", "several in one file", "DVC 2", "an import"])
def test_data_that_is_not_here_comes_back_for_a_stage(tracked: SmallProject, name: str) -> None:
    change, _ = DATA[name]
    change(tracked)
    tracked.remove(RAW)
    assert by_status(tracked.run("clean", force=True)) == {"clean": "ran"}
    assert tracked.json(RAW) == {"n": 5}
    assert tracked.dvc_status() == {}


def test_imported_data_comes_back_from_its_repository(tracked: SmallProject) -> None:
    imported_from_repository(tracked).remove(RAW)
    tracked.object_of(hashlib.md5(b'{"n": 5}').hexdigest()).unlink()
    events: list[Event] = []
    assert by_status(tracked.run("clean", force=True, events=events.append)) == {"clean": "ran"}
    source = tracked.root.parent / "other"
    assert messages(events, Waiting) == [f"fetching '{RAW}' from the repository '{source}'"]
    assert tracked.json(RAW) == {"n": 5}
    assert tracked.dvc_status() == {}


def test_imported_data_whose_repository_is_gone(tracked: SmallProject) -> None:
    imported_from_repository(tracked).remove(RAW)
    tracked.object_of(hashlib.md5(b'{"n": 5}').hexdigest()).unlink()
    source = tracked.root.parent / "other"
    shutil.rmtree(source)
    events: list[Event] = []
    error = tracked.run("clean", force=True, events=events.append).error
    assert error is not None
    assert error.message == f"'{RAW}' was imported, and is neither here nor in the cache"
    assert error.hint == f"import it again with `dvc update {RAW}.dvc`"
    assert messages(events, Warned) == [
        f"the repository '{source}' does not have '{RAW}', or does not answer"
    ]


def test_an_import_that_follows_a_source_that_is_gone(tracked: SmallProject) -> None:
    unfrozen(tracked)
    source = tracked.root.parent / "source.json"
    source.unlink()
    assert tracked.reasons() == SOURCE
    error = tracked.run().error
    assert error is not None
    assert (error.message, error.context, error.hint) == (
        f"what '{RAW}.dvc' imports is gone, or does not answer",
        (str(source),),
        f"run `dvc freeze {RAW}.dvc` to keep the data as it is",
    )
    assert tracked.json(RAW) == {"n": 5}


@pytest.mark.parametrize("entry", ["file", "folder"])
def test_what_a_folder_of_dvc_2_held_is_on_record(bare: SmallProject, entry: str) -> None:
    bare.write({"data/rows/deep/a.txt": "1", "data/rows/b.txt": "2"})
    path = {"file": "data/rows/deep/a.txt", "folder": "data/rows/deep"}[entry]
    bare.configure({"count": {"cmd": "echo 1 > n.txt", "inputs": [path], "outputs": ["n.txt"]}})
    with bare.dvc() as repo:
        repo.add(["data/rows"])
    assert bare.run().error is None

    def change(data: Any) -> None:
        del data["outs"][0]["hash"]
        to_dvc2_cache(bare, data["outs"][0]["md5"])
        bare.object_of(data["outs"][0]["md5"]).unlink()

    edit(bare, "data/rows.dvc", change).remove("data/rows")
    assert bare.reasons() == {}


LOCK_REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a key of an output": (
        lambda lock: lock["stages"]["clean"]["outs"][0].update(isdir=True),
        "stages.clean.outs.0.isdir: extra keys not allowed",
    ),
    "a key of a stage": (
        lambda lock: lock["stages"]["clean"].update(frozen=True),
        "stages.clean.frozen: extra keys not allowed",
    ),
    "a key of a stage that mlx.yaml does not have": (
        lambda lock: lock["stages"].update(other={"cmd": "a", "always_changed": True}),
        "stages.other.always_changed: extra keys not allowed",
    ),
    "a key of the file": (lambda lock: lock.update(more=1), "more: extra keys not allowed"),
    "another format": (lambda lock: lock.update(schema="3.0"), "schema: invalid schema version"),
    "no format": (lambda lock: lock.pop("schema"), "schema: required key not provided"),
}


@pytest.mark.parametrize(("change", "reason"), LOCK_REFUSED.values(), ids=LOCK_REFUSED)
@pytest.mark.parametrize("command", ["status", "run"])
def test_a_dvc_lock_that_dvc_refuses_is_refused(
    ran: SmallProject, mlx: Any, command: str, change: Callable[[Any], Any], reason: str
) -> None:
    edit(ran, "dvc.lock", change)
    result = mlx(command)
    assert result.code == 5
    assert result.err.endswith(
        f"error: DVC cannot read 'dvc.lock'\n  {reason}\nhint: see the line with `dvc status`\n"
    )


@pytest.mark.parametrize(
    ("top", "changes", "reason"),
    [
        ({}, {"compressed": True}, "outs.0.compressed: extra keys not allowed"),
        ({"cmd": "wget"}, {}, "cmd: extra keys not allowed"),
        ({"always_changed": 2}, {"md5": None}, "always_changed: expected bool"),
    ],
)
def test_a_dvc_file_that_dvc_refuses_is_refused(
    tracked: SmallProject, mlx: Any, top: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    edit_data(tracked, top=top, **changes)
    result = mlx("run")
    assert result.code == 5
    assert result.err.endswith(
        f"error: DVC cannot read 'data/raw.json.dvc'\n  {reason}\nhint: see the line with `dvc status`\n"
    )


@pytest.mark.parametrize("name", ["sha256", "md4", "etag", "nonsense"])
@pytest.mark.parametrize("command", ["status", "run"])
@pytest.mark.parametrize(("kind", "path", "line"), [("deps", RAW, 8), ("outs", "build/clean.json", 29)])
def test_a_hash_in_dvc_lock_that_dvc_does_not_have(
    ran: SmallProject, mlx: Any, command: str, name: str, kind: str, path: str, line: int
) -> None:
    edit_entry(ran, "clean", kind, hash=name)
    result = mlx(command)
    assert (result.code, result.err) == (
        5,
        f"error: 'dvc.lock' records a hash that DVC does not have: '{name}', of '{path}'\n"
        f"  dvc.lock:{line}: hash: {name}\n"
        "hint: run `git checkout -- dvc.lock`, or write `hash: md5` there with the content's md5\n",
    )


@pytest.mark.parametrize("name", ["sha256", "md4", "etag", "nonsense"])
@pytest.mark.parametrize("command", ["status", "run"])
@pytest.mark.parametrize("is_here", [True, False], ids=["", "not here"])
def test_a_hash_in_a_dvc_file_that_dvc_does_not_have(
    tracked: SmallProject, mlx: Any, command: str, name: str, is_here: bool
) -> None:
    edit_data(tracked, hash=name)
    if not is_here:
        tracked.remove(RAW)
    result = mlx(command)
    assert (result.code, result.err) == (
        5,
        f"error: '{RAW}.dvc' records a hash that DVC does not have: '{name}', of '{RAW}'\n"
        f"  {RAW}.dvc:4: hash: {name}\n"
        f"hint: run `git checkout -- {RAW}.dvc`, or write `hash: md5` there with the content's md5\n",
    )


@pytest.mark.parametrize("name", ["several in one file", "another name", "frozen", "notes", "an import"])
def test_what_mlx_understands_itself_needs_no_dvc(tracked: SmallProject, name: str) -> None:
    change, _ = DATA[name]
    change(tracked)
    script = (
        "import sys\n"
        "from mlxkit.cli.app import main\n"
        "assert main(['status', '--check']) == 0\n"
        "assert main(['run']) == 0\n"
        "assert 'dvc' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
