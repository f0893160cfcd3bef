"""The built wheel, installed beside the libraries: it makes projects that pass their own tests and hooks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.journey.conftest import call, good

REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(folder: Path) -> Path:
    """Install the wheel into a folder that comes before the source checkout on the path."""
    good(folder, sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "wheels", str(REPOSITORY))
    (wheel,) = (folder / "wheels").glob("mlxkit-*.whl")
    good(folder, sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", "site", str(wheel))
    return folder / "site"


@pytest.fixture(scope="module", params=["classification", "regression"])
def project(request: pytest.FixtureRequest, installed: Path, folder: Path) -> Path:
    name = f"from_{request.param}"
    module = (sys.executable, "-m", "mlxkit")
    where = "import mlxkit; print(mlxkit.__file__)"
    assert good(folder, sys.executable, "-c", where, PYTHONPATH=str(installed)).out.startswith(str(installed))
    good(folder, *module, "init", name, "--task", request.param, "-q", PYTHONPATH=str(installed))
    good(folder / name, *module, "run", "-q", PYTHONPATH=str(installed))
    return folder / name


def test_the_project_passes_its_own_tests(project: Path) -> None:
    assert " passed" in good(project, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider").out


def test_the_project_is_clean_to_ruff_and_mypy(project: Path) -> None:
    good(project, "ruff", "check", ".")
    good(project, "ruff", "format", "--check", ".")
    good(project, "mypy")


def test_the_hooks_pass_on_the_first_commit(project: Path) -> None:
    good(project, "git", "stash", "-uq", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b", GIT_COMMITTER_NAME="a",
         GIT_COMMITTER_EMAIL="a@b")  # fmt: skip
    hooks = call(project, "pre-commit", "run", "--all-files", PRE_COMMIT_HOME=os.environ["XDG_CACHE_HOME"])
    assert hooks.code == 0, hooks.out
    assert "Failed" not in hooks.out
