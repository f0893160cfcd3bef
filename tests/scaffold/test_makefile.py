"""The Makefile of a new project, by real make: one target, several at once, and with nothing set up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlxkit.scaffold.project_tree import scaffold
from mlxkit.scaffold.request import Request

if TYPE_CHECKING:
    from conftest import Mlx, TmpDir

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

TARGETS = [
    "setup",
    "hooks",
    "data",
    "train",
    "evaluate",
    "promote",
    "drift",
    "test",
    "lint",
    "ui",
    "clean",
    "help",
]
# In place of Python while an environment is made: it makes one whose programs only say that they were called.
BUILDER = """\
#!/bin/sh
echo "made $*" >> log
mkdir -p .venv/bin
for name in python mlx ruff mypy pre-commit; do
    printf '#!/bin/sh\\necho "%s $*" >> log\\n%s' $name "$BROKEN" > .venv/bin/$name
    chmod +x .venv/bin/$name
done
"""
INSTALL = "python -m pip install --editable .[dev]"


@pytest.fixture
def project(tmp_dir: TmpDir) -> Path:
    """A project in a folder whose name needs quotes."""
    (tmp_dir / "it's a folder").mkdir()
    root = scaffold(Request(tmp_dir / "it's a folder" / "made")).root
    (tmp_dir / "builder").write_text(BUILDER)
    (tmp_dir / "builder").chmod(0o755)
    return root


def make(root: Path, *words: str, bare: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make; on a bare machine there is neither mlx nor an environment, and PYTHON is the builder."""
    environment = {**os.environ, **variables}
    if bare:
        environment |= {"PATH": "/usr/bin:/bin", "PYTHON": "../../builder"}
    return subprocess.run(
        ["make", *words], cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def good(root: Path, *words: str, bare: bool = False) -> list[str]:
    """Run make; return the lines of the log of what was called."""
    done = make(root, *words, bare=bare)
    assert done.returncode == 0, done.stdout + done.stderr
    log = root / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def test_help_lists_every_target(project: Path) -> None:
    done = make(project)
    assert [line.split()[0] for line in done.stdout.splitlines()] == TARGETS
    assert make(project.parent, "-C", "made", "-f", "Makefile", "help").stdout.count("\n") >= len(TARGETS)


@pytest.mark.parametrize("target", ["data", "train", "evaluate", "promote", "drift", "ui"])
def test_a_target_is_one_command(project: Path, target: str) -> None:
    done = make(project, "-n", target)
    assert re.fullmatch(r"mlx \w+( features| --data data/external/new_rows.csv)?\n", done.stdout)


def test_on_a_fresh_clone_the_environment_is_made_once(project: Path) -> None:
    log = good(project, "-j", "setup", "test", "lint", "train", bare=True)
    assert log[:2] == ["made -m venv .venv", INSTALL]
    assert sorted(log[2:]) == [
        "mlx train",
        "mypy ",
        "python -m pytest",
        "ruff check .",
        "ruff format --check .",
    ]
    assert good(project, "setup", "train", bare=True) == ["mlx train"]


def test_a_target_makes_the_environment_that_it_lacks(project: Path) -> None:
    assert good(project, "train", bare=True) == ["made -m venv .venv", INSTALL, "mlx train"]


def test_another_list_of_requirements_is_installed(project: Path) -> None:
    good(project, "setup", bare=True)
    newer = (project / ".venv/.installed").stat().st_mtime + 10
    os.utime(project / "pyproject.toml", (newer, newer))
    assert good(project, "train", bare=True)[1:] == [INSTALL, "mlx train"]


def test_what_failed_in_the_middle_is_done_again(project: Path) -> None:
    assert make(project, "setup", bare=True, BROKEN="exit 1").returncode != 0
    (project / "log").unlink()
    assert good(project, "train", bare=True) == ["made -m venv .venv", INSTALL, "mlx train"]


def test_an_environment_made_in_another_way_is_used_as_it_is(project: Path) -> None:
    good(project, "setup", bare=True)
    (project / ".venv/.installed").unlink()
    assert good(project, "train", bare=True) == ["mlx train"]


def test_targets_wait_for_what_they_use(project: Path) -> None:
    good(project, "setup", bare=True)
    asked = ["drift", "promote", "evaluate", "train", "data"]
    assert good(project, "-j", *asked, bare=True) == [
        "mlx run features",
        "mlx train",
        "mlx evaluate",
        "mlx promote",
        "mlx drift --data data/external/new_rows.csv",
    ]


def test_clean_leaves_data_and_models(project: Path) -> None:
    for path in (
        "src/made/__pycache__/x.pyc",
        ".ruff_cache/x",
        "models/made/MLmodel",
        "data/interim/x.parquet",
    ):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text("")
    make(project, "-j", "clean")
    left = {path.name for path in project.rglob("*") if path.name in {"x.pyc", "x", "MLmodel", "x.parquet"}}
    assert left == {"MLmodel", "x.parquet"}


@pytest.mark.slow
def test_all_at_once(tmp_dir: TmpDir, mlx: Mlx) -> None:
    mlx("init", "whole", "--quiet")
    root = tmp_dir / "whole"
    (root / "Makefile").write_text((root / "Makefile").read_text() + "\nwhich: ; @command -v mlx\n")
    assert make(root, "which").stdout.strip() == str(Path(sys.executable).parent / "mlx")
    done = make(root, "-j", "data", "train", "evaluate", "promote", "drift")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "whole@dev is now version 1" in done.stdout
