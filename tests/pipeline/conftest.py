"""Projects to run: bare, with four small stages, the same after its first run; and one with a model."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import tabular_project
from away_project import starting, waiting_at, with_box
from machine import SmallDisks, small_disks
from small_project import STAGES, FreshWorkers, SmallProject, default_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from away_project import Start
    from tabular_project import Answer, TabularProject
    from tests.box import Box


@pytest.fixture(scope="session")
def _dvc_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC repository without git, made once and copied: `dvc init` takes longer than most tests."""
    from mlxkit.adapters import dvc

    root = tmp_path_factory.mktemp("dvc")
    dvc.init(root, subdir=False, scm=False)
    return root


@pytest.fixture
def bare(tmp_path: Path, _dvc_folder: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A DVC repository with an empty package `demo`, which is also the working folder."""
    root = tmp_path / "project"
    shutil.copytree(_dvc_folder, root)
    monkeypatch.chdir(root)
    return SmallProject(root).write({"src/demo/__init__.py": ""})


@pytest.fixture
def small(bare: SmallProject) -> SmallProject:
    """The four-stage project, not run yet."""
    return bare.write(default_files()).configure(STAGES)


@pytest.fixture(scope="session")
def _ran_once(tmp_path_factory: pytest.TempPathFactory, _dvc_folder: Path) -> SmallProject:
    root = tmp_path_factory.mktemp("ran") / "project"
    shutil.copytree(_dvc_folder, root)
    project = SmallProject(root).write(default_files()).configure(STAGES)
    assert project.run().error is None
    return project


@pytest.fixture
def ran(_ran_once: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """The four-stage project with everything up to date."""
    project = _ran_once.copy_to(tmp_path / "project")
    monkeypatch.chdir(project.root)
    return project


@pytest.fixture(scope="session")
def _committed(tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    from mlxkit.adapters import dvc

    project = SmallProject(tmp_path_factory.mktemp("committed") / "project")
    project.write({**default_files(), ".gitignore": "/build\n/.mlx\n__pycache__\n"}).configure(STAGES)
    project.git("init", "-q", "-b", "main")
    dvc.init(project.root, subdir=False, scm=True)
    with project.dvc() as repo:
        repo.add([str(project.root / "data/raw.json")])
    assert project.run().error is None
    project.git("add", "-A")
    project.git("commit", "-q", "-m", "the first run")
    return project


@pytest.fixture
def committed(_committed: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """The four-stage project in git, its raw data tracked by DVC, with everything committed."""
    project = _committed.copy_to(tmp_path / "project")
    monkeypatch.chdir(project.root)
    return project


@pytest.fixture
def away(committed: SmallProject, box: Box) -> SmallProject:
    """The four-stage project, with a target and nothing run."""
    return with_box(committed)


@pytest.fixture
def gate(box: Box, away: SmallProject, tmp_path: Path) -> Path:
    """A file for which the stage `clean` waits on the box; `begun` beside it says that it does."""
    path = tmp_path / "gate" / "open"
    waiting_at(away, path)
    return path


@pytest.fixture
def start() -> Iterator[Start]:
    """Start an `mlx` command in a project; what still runs at the end of the test is killed."""
    with starting() as begin:
        yield begin


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `mlx run` use workers that import nothing ahead; what they do is the same."""
    monkeypatch.setattr("mlxkit.pipeline.run.Workers", FreshWorkers)


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[SmallDisks]:
    """Small disks below `tmp_path`, which only commands that run through them see."""
    with small_disks(tmp_path) as found:
        if found is None:
            pytest.skip("this machine lets nobody mount a disk in a namespace of their own")
        yield found


@pytest.fixture(scope="session")
def tabular(tmp_path_factory: pytest.TempPathFactory) -> TabularProject:
    """A generated project; the fixtures below run it, one after the other."""
    return tabular_project.make(tmp_path_factory.mktemp("tabular"))


@pytest.fixture(scope="session")
def trainable(tmp_path_factory: pytest.TempPathFactory) -> TabularProject:
    """A generated project that has never run; tests run copies of it."""
    return tabular_project.make_trainable(tmp_path_factory.mktemp("trainable"))


@pytest.fixture(scope="session")
def first_run(tabular: TabularProject) -> Answer:
    """Everything, for the first time, with an uncommitted edit."""
    return tabular.mlx("run")


@pytest.fixture(scope="session")
def second_training(tabular: TabularProject, first_run: Answer) -> Answer:
    """The same training once more."""
    return tabular.mlx("train", "--force")


@pytest.fixture(scope="session")
def evaluation(tabular: TabularProject, second_training: Answer) -> Answer:
    """An evaluation with a metric of the user's own."""
    (tabular.root / "src/patients/cost.py").write_text(tabular_project.COST)
    tabular.edit("mlx.yaml", "  evaluate: {}", "  evaluate: {call: patients.cost:cost}")
    return tabular.mlx("run")


@pytest.fixture(scope="session")
def after_repro(tabular: TabularProject, evaluation: Answer) -> Answer:
    """A run after DVC alone has trained another model."""
    tabular.edit("params.yaml", "max_iter: 100", "max_iter: 20")
    subprocess.run(["dvc", "repro", "-q"], cwd=tabular.root, check=True, capture_output=True)
    return tabular.mlx("run")
