from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ci.fake_forge import FakeForge, forge
from tests.ci.runner import Runner
from tests.journey.conftest import good
from tests.mlflow_server import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our wheel, as a package index would have it."""
    folder = tmp_path_factory.mktemp("wheels")
    good(folder, sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", ".", str(REPOSITORY))
    return folder


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment for jobs to install into."""
    folder = tmp_path_factory.mktemp("python") / "venv"
    good(folder.parent, sys.executable, "-m", "venv", str(folder))
    # What the project itself is built with, so that a job may do without an environment for that.
    good(folder.parent, str(folder / "bin/pip"), "install", "-q", "hatchling", "editables")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("mlflow")) as running:
        yield running


@pytest.fixture(scope="module")
def place() -> Iterator[FakeForge]:
    with forge() as state:
        yield state


class Repository:
    """A user's clone of a project, with a DVC remote and a git remote that are folders of this machine."""

    def __init__(self, folder: Path, *init: str) -> None:
        self.root = folder / "mine" / "cells"
        self.origin = folder / "origin.git"
        self.store = folder / "store"
        self.root.parent.mkdir()
        self.store.mkdir()
        self.mlx("init", "cells", "--task", "classification", "-q", *init, folder=self.root.parent)
        self.git("init", "-q", "--bare", "-b", "main", str(self.origin), folder=folder)
        self.git("remote", "add", "origin", f"file://{self.origin}")

    def mlx(self, *words: str, folder: Path | None = None) -> None:
        good(folder or self.root, sys.executable, "-m", "mlxkit", *words)

    def git(self, *words: str, folder: Path | None = None) -> str:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        return good(folder or self.root, "git", *identity, *words).out.strip()

    def dvc(self, *words: str) -> None:
        good(self.root, sys.executable, "-m", "dvc", *words)

    def push(self, message: str, branch: str = "main") -> list[str]:
        """Commit everything and push it; returns the files that changed."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.git("push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("diff", "--name-only", "HEAD~1", "HEAD").split()


def job_environment(wheels: Path, place: FakeForge) -> dict[str, str]:
    """Return what each job finds set: where packages come from, and the forge."""
    links = " ".join(filter(None, [str(wheels), os.environ.get("PIP_FIND_LINKS")]))
    return {
        "PIP_FIND_LINKS": links,
        "PIP_CONSTRAINT": str(REPOSITORY / "constraints.txt"),
        "PIP_QUIET": "1",
        "GITHUB_API_URL": place.url,
        "CI_API_V4_URL": f"{place.url}/api/v4",
    }


def tags(origin: Path) -> list[str]:
    done = subprocess.run(["git", "tag"], cwd=origin, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture(scope="module")
def mine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A person's clone of a project, whose `main` they ran, committed and pushed."""
    init = getattr(request.module, "INIT", ())
    repository = Repository(tmp_path_factory.mktemp("mine"), *init)
    repository.dvc("remote", "add", "--default", "store", str(repository.store))
    repository.mlx("run", "-q")
    repository.dvc("push", "-q")
    repository.push("Train a first model")
    return repository


@pytest.fixture(scope="module")
def runner(
    tmp_path_factory: pytest.TempPathFactory,
    wheels: Path,
    python: Path,
    place: FakeForge,
    mine: Repository,
) -> Runner:
    """A runner for the project on GitHub."""
    folder = tmp_path_factory.mktemp("the runner")
    return Runner(mine.origin, folder, python, environment=job_environment(wheels, place))
