"""The command as the shell sees it: pipes, signals, failures, and what it costs to start."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Mlx, Shell, TmpDir

HEAVY = {"dvc", "mlflow", "pandas", "numpy", "pydantic", "rich", "jinja2", "sklearn", "ruamel", "scipy"}


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["run", "--help"],
        ["status"],
        ["status", "--json"],
        ["check"],
        ["check", "--fix"],
        ["env"],
        ["gc"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(ran: TmpDir, argv: list[str]) -> None:
    script = (
        "import sys\n"
        "from mlxkit.cli.app import main\n"
        f"main({argv!r})\n"
        f"sys.stderr.write(' '.join({HEAVY!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout
    # `mlx check` says on stderr that dvc.yaml is missing.
    assert done.stderr.splitlines()[2 if argv == ["check"] else 0 :] == []


def test_installed_command(tmp_dir: TmpDir) -> None:
    command = shutil.which("mlx")
    assert command is not None
    done = subprocess.run([command, "status"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: there is no mlx.yaml in this folder or above it\n")


def test_output_may_be_cut_off(copies: TmpDir, shell: Shell) -> None:
    first_line = "environment  in use  store                               requires  branch   takes\n"
    done = shell("mlx env | head -1", COLUMNS="120")
    assert (done.returncode, done.stdout, done.stderr) == (0, first_line, "")


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        ("env", 0),
        ("env --json", 0),
        ("--help", 0),
        ("run --help", 0),
        ("status --check", 3),
        ("env --env x", 2),
        ("env --env x --json", 2),
        ("statuz", 2),
    ],
)
def test_reader_that_has_gone(copies: TmpDir, argv: str, code: int) -> None:
    """As in `mlx runs | head -1`: no complaint, and the exit code that the command would have had."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "mlxkit", *argv.split()]
    try:
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert "BrokenPipe" not in done.stderr
        # `2>&1`
        assert subprocess.run(command, stdout=writer, stderr=writer, check=False).returncode == code
    finally:
        os.close(writer)


def test_full_disk(copies: TmpDir, shell: Shell) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("only Linux has a disk that is always full")
    done = shell("mlx env > /dev/full")
    assert done.returncode == 5
    assert done.stderr == (
        "error: there is no space left on the disk\n"
        "hint: free some, for instance with `mlx gc`, then run the same command again\n"
    )


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_interrupt(copies: TmpDir, options: list[str]) -> None:
    (copies / "params.yaml").unlink(missing_ok=True)
    os.mkfifo(copies / "params.yaml")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlxkit", "check", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Returns as soon as the command reads the file; it then waits for its end.
    with (copies / "params.yaml").open("w"):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    document = {"kind": "interrupted", "message": "interrupted", "context": [], "hint": ""}
    if options:
        assert (json.loads(out), err) == ({"error": document}, "")
    else:
        assert (out, err) == ("", "error: interrupted\n")


@pytest.fixture
def _bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in mlx, which no test can rely on otherwise."""

    def load(root: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("mlxkit.project.load.load", load)


BUG = "a bug in mlx: ZeroDivisionError: division by zero"
REPORT = "run the same command with --debug, and report what it shows"


@pytest.mark.usefixtures("_bug")
def test_bug(mlx: Mlx, copies: TmpDir) -> None:
    result = mlx("status")
    assert (result.code, result.out, result.err) == (70, "", f"error: {BUG}\nhint: {REPORT}\n")


@pytest.mark.usefixtures("_bug")
def test_bug_as_json(mlx: Mlx, copies: TmpDir) -> None:
    result = mlx("status", "--json")
    assert (result.code, result.err) == (70, "")
    assert result.json == {"error": {"kind": "bug", "message": BUG, "context": [], "hint": REPORT}}


@pytest.mark.usefixtures("_bug")
@pytest.mark.parametrize("argv", [["status", "--debug"], ["status", "--debug", "--json"]])
def test_bug_with_its_traceback(mlx: Mlx, copies: TmpDir, argv: list[str]) -> None:
    result = mlx(*argv)
    assert result.code == 70
    assert result.err.startswith("Traceback (most recent call last):\n")
    assert 'raise ZeroDivisionError("division by zero")' in result.err


def test_no_traceback_for_what_the_user_can_mend(mlx: Mlx, tmp_dir: TmpDir) -> None:
    assert "Traceback" not in mlx("status").err
    assert "Traceback" in mlx("status", "--debug").err


def test_file_that_may_not_be_read(mlx: Mlx, copies: TmpDir) -> None:
    copies.gen("dvc.yaml", "")
    (copies / "dvc.yaml").chmod(0)
    if os.access(copies / "dvc.yaml", os.R_OK):
        pytest.skip("root may read everything")
    result = mlx("check")
    assert (result.code, result.out) == (5, "")
    assert result.err == (
        "error: a file may not be read or written\n"
        f"  {copies / 'dvc.yaml'}\n"
        f"hint: look at owner and permissions with `ls -ld {copies / 'dvc.yaml'}`\n"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "ascii:backslashreplace"])
def test_terminal_without_unicode(copies: TmpDir, shell: Shell, encoding: str) -> None:
    copies.gen("mlx.yaml", "größe: 1\n")
    done = shell("mlx check", PYTHONIOENCODING=encoding)
    assert done.returncode == 4
    shown = "größe" if encoding == "utf-8" else r"gr\xf6\xdfe"
    assert re.search(rf"mlx.yaml:1:1 {re.escape(shown)}: unknown key\n", done.stderr)
