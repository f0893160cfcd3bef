"""Two users of one folder, which belongs to a group of both and to the other one of them."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from machine import unprivileged
from test_run_process import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from small_project import SmallProject

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to somebody else"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="root may read and write everything"),
]
THEM = next(
    number for number in range(12345, 20000) if number not in {user.pw_uid for user in pwd.getpwall()}
)


@pytest.fixture
def shared(ran: SmallProject) -> SmallProject:
    """The project that has run, by somebody else of this group."""
    for path in (ran.root, *ran.root.rglob("*")):
        os.chown(path, THEM, os.getegid(), follow_symlinks=False)
        if path.is_dir():
            path.chmod(0o775)
        elif not path.is_symlink() and "files/md5" not in path.as_posix():
            path.chmod(path.stat().st_mode | 0o060)
    return ran


def mlx(root: Path, *arguments: str) -> tuple[int, Any]:
    """Run a command as this user, who may do no more than others; returns its exit code and its document."""
    done = subprocess.run(
        unprivileged("mlx", *arguments, "--json"), cwd=root, capture_output=True, text=True, check=False
    )
    return done.returncode, json.loads(done.stdout)


def statuses(document: Any) -> set[str]:
    return {stage["status"] for stage in document["stages"]}


def test_nothing_to_do_is_seen_and_what_is_to_do_is_done(shared: SmallProject) -> None:
    code, document = mlx(shared.root, "run")
    assert (code, statuses(document)) == (0, {"fresh"})
    shared.write({"data/raw.json": {"n": 7}})
    code, document = mlx(shared.root, "run")
    assert (code, statuses(document)) == (0, {"ran"})
    assert shared.dvc_status() == {}


def test_what_only_the_other_one_may_read_in_the_state_is_found_or_written_anew(shared: SmallProject) -> None:
    state = shared.root / ".mlx"
    for name in ("recorded.json", "memo.json"):
        (state / name).write_text("{}")
        os.chown(state / name, THEM, os.getegid())
    theirs = [path for path in state.rglob("*") if path.is_file() and path.name != "run.lock"]
    assert {"seconds.json", "clean.log"} < {path.name for path in theirs}
    for path in theirs:
        path.chmod(0o600)
    code, document = mlx(shared.root, "status")
    assert (code, {stage["state"] for stage in document["stages"]}) == (0, {"fresh"})
    code, document = mlx(shared.root, "run")
    assert (code, statuses(document)) == (0, {"fresh"})
    code, document = mlx(shared.root, "run", "--force")
    assert (code, statuses(document)) == (0, {"ran"})
    assert "cleaning" in (state / "logs/clean.log").read_text()


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_lock_that_is_not_shared_names_who_can_share_it(shared: SmallProject, mode: int) -> None:
    lock = shared.root / ".mlx/run.lock"
    lock.chmod(mode)
    code, document = mlx(shared.root, "run")
    assert (code, document["error"]) == (
        5,
        {
            "kind": "tool",
            "message": "the project cannot be written: permission denied",
            "context": [str(lock)],
            "hint": f"let its owner '{THEM}' run `chmod g+rwX {lock}`",
        },
    )
    subprocess.run(["chmod", "g+rwX", str(lock)], check=True)
    assert mlx(shared.root, "run")[0] == 0


HOLDER = """\
import fcntl, json, os, sys
from pathlib import Path

os.setuid(int(sys.argv[1]))
file = Path("run.lock").open("a+")
fcntl.flock(file, fcntl.LOCK_EX)
file.truncate(0)
os.write(file.fileno(), json.dumps({"pid": os.getpid(), "since": "now"}).encode())
print("held", flush=True)
sys.stdin.read()
"""


def test_a_run_of_the_other_one_is_waited_for_and_its_lock_ends_with_it(
    shared: SmallProject, tmp_path: Path
) -> None:
    state = shared.root / ".mlx"
    # With the descriptor of a folder that the other user could not reach by its path.
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(THEM)],
        cwd=state,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder, (tmp_path / "said").open("w") as said:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        second = subprocess.Popen(unprivileged("mlx", "run"), cwd=shared.root, stderr=said, text=True)
        waiting = f"waiting for another run in this project (process {holder.pid}, since now)\n"
        assert eventually(lambda: (tmp_path / "said").read_text() == waiting, 60.0)
        holder.kill()
        assert second.wait() == 0
    assert stat.S_IMODE((state / "run.lock").stat().st_mode) & 0o060 == 0o060
