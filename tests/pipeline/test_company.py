"""Several at once in one project: ten runs, DVC's and MLflow's own commands, another user."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from tabular_project import TabularProject
from test_run_process import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def project(trainable: TabularProject, tmp_path: Path) -> TabularProject:
    """A generated project that has not run yet, and whose training waits for a file named `go`."""
    project = TabularProject(tmp_path / "patients", trainable.commit)
    shutil.copytree(trainable.root, project.root, symlinks=True)
    (project.root / "at_the_end.sh").write_text("echo 1 >> trained; until [ -e go ]; do sleep 0.05; done")
    return project


class Beside:
    """Commands under way in a folder, with what they say in files."""

    def __init__(self, root: Path, said: Path) -> None:
        self._root, self._said = root, said
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *argv: str) -> int:
        """Start a command; returns its number."""
        number = len(self.started)
        with (self._said / f"{number}.out").open("w") as out, (self._said / f"{number}.err").open("w") as err:
            self.started.append(subprocess.Popen(argv, cwd=self._root, stdout=out, stderr=err, text=True))
        return number

    def out(self, number: int) -> str:
        """What one wrote to standard output until now."""
        return (self._said / f"{number}.out").read_text()

    def err(self, number: int) -> str:
        """What one wrote to standard error until now."""
        return (self._said / f"{number}.err").read_text()


@pytest.fixture
def beside(project: TabularProject, tmp_path: Path) -> Iterator[Beside]:
    (tmp_path / "said").mkdir()
    commands = Beside(project.root, tmp_path / "said")
    yield commands
    (project.root / "go").touch()
    for process in commands.started:
        process.wait()


def test_ten_runs_at_once_do_the_work_once(project: TabularProject, beside: Beside) -> None:
    numbers = [beside.start("mlx", "train") for _ in range(10)]
    assert eventually(lambda: sum("waiting for" in beside.err(number) for number in numbers) == 9)
    assert eventually((project.root / "trained").exists)
    (first,) = [number for number in numbers if "waiting for" not in beside.err(number)]
    holder = beside.started[first].pid
    (project.root / "go").touch()
    assert [process.wait() for process in beside.started] == [0] * 10

    assert "\ndone in " in beside.out(first)
    run_id = project.mlx("runs").document["runs"][0]["id"]
    for number in set(numbers) - {first}:
        said = beside.err(number).splitlines()
        assert re.fullmatch(
            rf"waiting for another run in this project \(process {holder}, since 20\d\d-[\d:+T-]+\)", said[0]
        )
        assert beside.out(number).startswith("everything is up to date")
    assert (project.root / "trained").read_text() == "1\n"
    assert [run["id"] for run in project.mlx("runs").document["runs"]] == [run_id]
    assert subprocess.run(["dvc", "status", "train"], cwd=project.root, capture_output=True, check=True)
