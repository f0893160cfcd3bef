"""`mlx gc`: what it shows, when it asks, and what it does then."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Mlx, TmpDir

NAMED, LOST = ".dvc/cache/files/md5/ba/8d2b9408ed255ee92a112fe7ba59be", f".dvc/cache/files/md5/ab/{'c' * 30}"

TABLE = """\
place      what lies there  number     size  nothing needs
workspace  files                 5    962 B
workspace  logs of stages        1      4 B  1, 4 B
workspace  temporary files       0      0 B
DVC cache  objects               2  2.0 MiB  1, 2.0 MiB
DVC cache  runs to restore       0      0 B
DVC cache  temporary files       0      0 B

"""
CLEAN = """\
place      what lies there  number   size  nothing needs
workspace  files                 5  962 B
workspace  logs of stages        0    0 B
workspace  temporary files       0    0 B
DVC cache  objects               1    3 B
DVC cache  runs to restore       0    0 B
DVC cache  temporary files       0    0 B

there is nothing to delete
"""


@pytest.fixture
def littered(ran: TmpDir) -> TmpDir:
    """A project with an object of 2 MiB that nothing names, and the log of a stage that is gone."""
    ran.gen(".dvc/config", "[core]\n    no_scm = true\n")
    return ran.gen({LOST: bytes(2 << 20), ".mlx/logs/gone.log": "text"})


def is_there(project: TmpDir) -> bool:
    return (project / LOST).exists()


def test_without_a_terminal_it_only_shows(mlx: Mlx, littered: TmpDir) -> None:
    result = mlx("gc", "--older-than", "0")
    assert (result.code, result.out) == (0, f"{TABLE}nothing needs 2 objects, 2.0 MiB\n")
    assert result.err == "nothing was deleted: there is no terminal to ask on, so say `mlx gc --yes`\n"
    assert is_there(littered)


def test_dry_run(mlx: Mlx, littered: TmpDir) -> None:
    result = mlx("gc", "--older-than", "0", "--dry-run")
    assert (result.code, result.out) == (0, f"{TABLE}nothing needs 2 objects, 2.0 MiB\n")
    assert result.err == ""
    assert is_there(littered)


def test_yes(mlx: Mlx, littered: TmpDir) -> None:
    result = mlx("gc", "--older-than", "0", "--yes")
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{TABLE}nothing needs 2 objects, 2.0 MiB\ndeleted 2 objects, 2.0 MiB\n"
    assert not is_there(littered)
    assert (littered / NAMED).exists()
    again = mlx("gc", "--older-than", "0", "--yes")
    assert (again.code, again.out, again.err) == (0, CLEAN, "")


def test_what_is_young_is_no_garbage(mlx: Mlx, littered: TmpDir) -> None:
    result = mlx("gc")
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith("\n\nthere is nothing to delete\n")


def test_the_age_is_told(mlx: Mlx, littered: TmpDir) -> None:
    os.utime(littered / LOST, (0, 0))
    result = mlx("gc", "--older-than", "1e-9", "--dry-run")
    assert result.out.splitlines()[-1] == "nothing needs 2 objects, 2.0 MiB, of what is older than 1e-09 days"


def test_json(mlx: Mlx, littered: TmpDir) -> None:
    result = mlx("gc", "--older-than", "0", "--json")
    assert (result.code, result.err) == (0, "")
    document = result.json
    assert document.pop("heaps")[3] == {
        "place": "cache",
        "kind": "objects",
        "number": 2,
        "bytes": 2097155,
        "unneeded": 1,
        "unneeded_bytes": 2097152,
    }
    assert document == {
        "older_than": 0,
        "unneeded": 2,
        "unneeded_bytes": 2097156,
        "deleted": 0,
        "deleted_bytes": 0,
        "failed": [],
        "notes": [],
    }
    assert is_there(littered)


def test_json_and_yes(mlx: Mlx, littered: TmpDir) -> None:
    result = mlx("gc", "--older-than", "0", "--json", "--yes")
    assert (result.code, result.err) == (0, "")
    assert (result.json["deleted"], result.json["deleted_bytes"]) == (2, 2097156)
    assert not is_there(littered)


def test_quiet(mlx: Mlx, littered: TmpDir) -> None:
    result = mlx("gc", "--older-than", "0", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert is_there(littered)
    result = mlx("gc", "--older-than", "0", "--quiet", "--yes")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert not is_there(littered)


def at_a_terminal(
    project: TmpDir, answer: bytes, meanwhile: Callable[[], object] = lambda: None
) -> tuple[int, bytes, bytes]:
    """Type an answer to `mlx gc`; returns the code, standard output, and what the terminal shows besides."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "mlxkit", "gc", "--older-than", "0"],
        cwd=project,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "NO_COLOR": "1"},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        said = b""
        while not said.endswith(b"[y/N] "):
            said += os.read(ours, 1000)
        meanwhile()
        os.write(ours, answer)
        with suppress(OSError):  # Linux says so when the other side is closed
            while more := os.read(ours, 1000):
                said += more
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(ours)
    return process.returncode, out, said.replace(b"\r\n", b"\n")


QUESTION = b"delete 2 objects, 2.0 MiB? [y/N] "
SHOWN = f"{TABLE}nothing needs 2 objects, 2.0 MiB\n".encode()


@pytest.mark.parametrize("answer", [b"y\n", b"Yes\n"])
def test_asked_and_answered_with_yes(littered: TmpDir, answer: bytes) -> None:
    code, out, said = at_a_terminal(littered, answer)
    assert (code, out) == (0, SHOWN + b"deleted 2 objects, 2.0 MiB\n")
    assert said == QUESTION + answer
    assert not is_there(littered)


@pytest.mark.parametrize(("answer", "echo"), [(b"\n", b"\n"), (b"no\n", b"no\n"), (b"\x04", b"\n")])
def test_asked_and_answered_with_no(littered: TmpDir, answer: bytes, echo: bytes) -> None:
    code, out, said = at_a_terminal(littered, answer)
    assert (code, out) == (0, SHOWN)
    assert said == QUESTION + echo + b"nothing was deleted\n"
    assert is_there(littered)


def test_asked_about_what_is_gone_meanwhile(littered: TmpDir) -> None:
    """What is deleted is found once more after the answer, with the locks held."""
    naming = f"outs:\n- md5: ab{'c' * 30}\n  path: again\n"
    code, out, _ = at_a_terminal(littered, b"y\n", lambda: littered.gen("again.dvc", naming))
    assert (code, out) == (0, SHOWN + b"deleted 1 object, 4 B\n")
    assert is_there(littered)


def test_yes_and_dry_run_contradict_each_other(mlx: Mlx, littered: TmpDir) -> None:
    result = mlx("gc", "--yes", "--dry-run")
    assert (result.code, result.out) == (2, "")
    assert (
        result.err == "error: --dry-run deletes nothing, so it takes no --yes\nhint: leave one of them out\n"
    )


@pytest.mark.parametrize("days", ["-1", "two"])
def test_days_that_are_none(mlx: Mlx, littered: TmpDir, days: str) -> None:
    reason = "-1.0 is not in the range x>=0" if days == "-1" else "'two' is not a valid float range"
    assert mlx("gc", "--older-than", days).err == (
        f"error: invalid value for '--older-than': {reason}\nhint: run `mlx gc --help`\n"
    )


def test_a_note_says_what_was_left_alone(
    mlx: Mlx, littered: TmpDir, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = tmp_path_factory.mktemp("shared")
    littered.gen(".dvc/config.local", f"[cache]\n    dir = {shared}\n")
    note = f"the cache {shared} is not in this repository's '.dvc', so others may use it: it is left alone"
    result = mlx("gc", "--older-than", "0", "--dry-run")
    assert result.code == 0
    assert result.out.endswith(f"\n\nnote: {note}\nnothing needs 1 object, 4 B\n")
    assert mlx("gc", "--json").json["notes"] == [note]


@pytest.mark.parametrize("how", [["--json"], []])
def test_a_shallow_clone(mlx: Mlx, littered: TmpDir, how: list[str]) -> None:
    for command in ("init -q -b main", "add -A", "-c user.name=a -c user.email=a@b.c commit -q -m 1"):
        subprocess.run(["git", *command.split()], cwd=littered, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, check=True).stdout
    (littered / ".git/shallow").write_bytes(head)
    result = mlx("gc", "--yes", *how)
    message = "this clone lacks the older part of git's history, and what that needs of the cache is unknown"
    assert result.code == 3
    if how:
        assert result.json == {
            "error": {
                "kind": "refused",
                "message": message,
                "context": [str(littered)],
                "hint": "run `git fetch --unshallow`",
            }
        }
    else:
        assert result.err == f"error: {message}\n  {littered}\nhint: run `git fetch --unshallow`\n"
    assert is_there(littered)
