"""What of the workspace is garbage: temporary files of dead processes, logs of stages that are gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from history import History

from mlxkit.pipeline.gc import gc

if TYPE_CHECKING:
    from pathlib import Path

    from small_project import SmallProject

    from mlxkit.pipeline.garbage import Garbage

HOUR = 3600.0
TRAIN = {"call": "demo.steps:train", "outputs": {"model": "models/demo"}}


@pytest.fixture
def project(bare: SmallProject) -> SmallProject:
    """A project with a train stage that never ran."""
    bare.write({"src/demo/steps.py": "def train():\n    return None\n"})
    return bare.configure({"train": TRAIN})


def paths(project: SmallProject, garbage: Garbage) -> list[str]:
    """Return what nothing needs, relative to the root."""
    return sorted(waste.path.relative_to(project.root).as_posix() for waste in garbage.waste)


def collected(project: SmallProject, *, days: float = 0, hours: float = 25) -> list[str]:
    garbage = gc(project.root, older_than=days, delete=True, now=time.time() + hours * HOUR)
    assert garbage.failed == ()
    assert len(garbage.deleted) == len(garbage.waste)
    assert not any(waste.path.exists() for waste in garbage.waste)
    return paths(project, garbage)


TEMPORARY = [
    ".dvc.lock.abc_1234",
    ".dvc.yaml.abcdefgh",
    ".params.yaml.abcdefgh",
    ".mlx/.memo.json.abcdefgh",
    ".mlx/.recorded.json.abcdefgh",
    ".mlflow.db.4711",
    ".mlflow.db.4711-journal",
    "data/.AbCdEfGhIjKlMnOpQrSt_-.tmp",
    "data/deep/größe.csv.AbCdEfGhIjKlMnOpQrSt_-.tmp",
    f"reports/.drift.html.{'0' * 32}",
]
FOLDERS = ["models/.demo.new", "models/.demo.old", ".mlx/models/.fetch-abcdefgh", ".dvc/tmp/tmpabcdefgh"]


@pytest.mark.parametrize("path", TEMPORARY)
def test_a_temporary_file_goes(project: SmallProject, path: str) -> None:
    project.write({path: "half"})
    assert collected(project) == [path]


@pytest.mark.parametrize("path", FOLDERS)
def test_a_temporary_folder_goes(project: SmallProject, path: str) -> None:
    project.write({f"{path}/deep/file": "half", f"{path}/other": "half"})
    garbage = gc(project.root, older_than=0, now=time.time() + 25 * HOUR)
    assert [waste.size for waste in garbage.waste] == [8]
    assert collected(project) == [path]


@pytest.mark.parametrize(("days", "hours"), [(0, 23), (14, 25)])
def test_what_a_live_process_may_have_stays(project: SmallProject, days: float, hours: float) -> None:
    project.write(dict.fromkeys(TEMPORARY, "half") | {f"{path}/file": "half" for path in FOLDERS})
    assert collected(project, days=days, hours=hours) == []


def test_one_young_file_keeps_the_whole_folder(project: SmallProject) -> None:
    project.write({"models/.demo.new/old": "1", "models/.demo.new/young": "1"})
    later = time.time() + 25 * HOUR
    os.utime(project.root / "models/.demo.new/young", (later, later))
    assert collected(project) == []


OTHERS = [
    ".mlflow.db",
    ".env.disabled",
    ".dvc.lock.my-own-copy",
    ".dvc/tmp/btime",
    ".dvc/tmp/exps/x",
    "data/.dvc.lock.abcdefgh",
    "data/notes.tmp",
    "models/.demo.bak/x",
    "models/.other.new/x",
    ".mlx/models/m-1/MLmodel",
    "reports/drift.html",
]


def test_other_files_stay(project: SmallProject) -> None:
    project.write(dict.fromkeys(OTHERS, "mine"))
    assert collected(project, hours=1000) == []


def test_what_git_has_is_no_temporary_file(bare: SmallProject) -> None:
    history = History(bare).start()
    names = ["x.AbCdEfGhIjKlMnOpQrSt_-.tmp", ".dvc.lock.abcdefgh", ".dvc/tmp/tmpabcdefgh/x"]
    bare.write(dict.fromkeys(names, "mine"))
    history.git("add", "-f", *names)
    history.commit()
    bare.write({"y.AbCdEfGhIjKlMnOpQrSt_-.tmp": "1"})
    assert collected(bare) == ["y.AbCdEfGhIjKlMnOpQrSt_-.tmp"]


def test_logs_of_stages_that_are_gone(project: SmallProject) -> None:
    logs = ["train", "renamed", "record-open", "record-close", "record-complete"]
    project.write({f".mlx/logs/{name}.log": "text" for name in logs})
    garbage = gc(project.root, older_than=0)
    assert [(heap.kind, heap.number, heap.size, len(heap.waste)) for heap in garbage.heaps[:3]] == [
        ("files", 4, sum(size_of(project, ".dvcignore", "mlx.yaml", "src/demo/steps.py")), 0),
        ("logs of stages", 5, 20, 1),
        ("temporary files", 0, 0, 0),
    ]
    assert collected(project, days=14) == []
    assert collected(project, hours=0) == [".mlx/logs/renamed.log"]


def size_of(project: SmallProject, *names: str) -> list[int]:
    return [(project.root / name).stat().st_size for name in names]


KILLED = """
import os, signal, sys
from pathlib import Path
from mlxkit.project.files import write_atomically


def stop(event, arguments):
    if event == "os.rename":
        os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(stop)
write_atomically(Path(sys.argv[1]), b"content")
"""


@pytest.mark.parametrize("name", ["dvc.lock", "params.yaml", ".mlx/memo.json"])
def test_what_a_killed_process_leaves_is_found(project: SmallProject, name: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, project.root / name], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = (project.root / name).parent.glob(f".{name.rpartition('/')[2]}.*")
    assert collected(project) == [left.relative_to(project.root).as_posix()]


def test_a_link_among_temporary_files_goes_without_its_target(project: SmallProject, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (project.root / ".AbCdEfGhIjKlMnOpQrSt_-.tmp").symlink_to(tmp_path / "mine")
    assert collected(project) == [".AbCdEfGhIjKlMnOpQrSt_-.tmp"]
    assert (tmp_path / "mine").is_dir()
