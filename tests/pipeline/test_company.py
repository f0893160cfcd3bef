"""Several at once in one project: ten runs, DVC's and MLflow's own commands, another user."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from tabular_project import TabularProject
from test_run_process import eventually
from tests.mlflow_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 300.0
"""How long a busy machine may take to import what a training needs."""


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
    assert eventually(lambda: sum("waiting for" in beside.err(number) for number in numbers) == 9, SECONDS)
    assert eventually((project.root / "trained").exists, SECONDS)
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


def dvc(project: TabularProject, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["dvc", *arguments], cwd=project.root, capture_output=True, text=True, check=False, timeout=120
    )


def test_plain_commands_of_dvc_and_mlflow_work_while_a_model_is_trained(
    project: TabularProject, beside: Beside, tmp_path: Path
) -> None:
    dvc(project, "remote", "add", "-d", "box", str(tmp_path / "box"))
    running = beside.start("mlx", "train")
    assert eventually((project.root / "trained").exists, SECONDS), beside.err(running)
    with serving(project.root) as ui:  # what `mlflow ui` does, on the project's own database
        assert dvc(project, "status").returncode == 0
        assert dvc(project, "push").returncode == 0
        assert dvc(project, "gc", "-w", "-f").returncode == 0
        refused = dvc(project, "repro", "train")
        assert (refused.returncode, "is busy" in refused.stderr) == (255, True)
        seen = MlflowClient(tracking_uri=ui.url)
        (experiment,) = seen.search_experiments(filter_string="name = 'patients'")
        (run,) = seen.search_runs([experiment.experiment_id])
        assert run.info.status == "RUNNING"
        (project.root / "go").touch()
        assert beside.started[running].wait() == 0, beside.err(running)
        assert seen.get_run(run.info.run_id).info.status == "FINISHED"
    assert "up to date" in dvc(project, "status", "train").stdout
    assert set(project.mlx("train").stages.values()) == {"fresh"}
