"""A model that was not trained here, or not in this folder: what MLflow gets to know, and where it writes."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tabular_project
import yaml

if TYPE_CHECKING:
    from tabular_project import TabularProject

# MLflow and SQLAlchemy, used as the test's own eyes, warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")

ALL = ("prepare", "features", "choose", "train", "evaluate", "figures")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> TabularProject:
    """A project that ran, committed, with a folder as its remote; nothing below changes it."""
    project = tabular_project.make(tmp_path_factory.mktemp("original"))
    assert project.mlx("run").code == 0
    box = project.root.parent / "box"
    for command in (
        f"dvc remote add -q -d box {box}",
        "dvc push -q",
        "git add -A",
        "git -c user.name=a -c user.email=a@b commit -q -m run",
    ):
        subprocess.run(command.split(), cwd=project.root, check=True, capture_output=True)
    return project


@pytest.fixture(scope="module")
def theirs(original: TabularProject, tmp_path_factory: pytest.TempPathFactory) -> TabularProject:
    """A colleague's clone, without a run yet; the tests below go on with it in order."""
    folder = tmp_path_factory.mktemp("theirs") / "patients"
    subprocess.run(["git", "clone", "-q", original.root, folder], check=True)
    return tabular_project.TabularProject(folder, original.commit)


def runs(project: TabularProject) -> list[Any]:
    experiment = project.store.get_experiment_by_name("patients")
    return list(project.store.search_runs([experiment.experiment_id]))


def test_a_colleague_gets_one_run_of_the_restored_model(
    original: TabularProject, theirs: TabularProject
) -> None:
    (known,) = runs(original)
    answer = theirs.mlx("run")
    assert answer.code == 0, answer.err
    assert answer.stages == dict.fromkeys(ALL, "restored")
    assert "How well does the model predict" in (theirs.root / "reports/evaluation.html").read_text()
    assert answer.record == {"run_id": known.info.run_id}
    (run,) = runs(theirs)
    assert run.info.run_id == answer.run_id != known.info.run_id
    assert run.data.tags["mlx.restored_from"] == known.info.run_id
    assert run.data.tags["mlx.model_hash"] == known.data.tags["mlx.model_hash"] == answer.model_hash
    assert run.data.metrics["r2"] == known.data.metrics["r2"]
    assert run.data.params["model.max_iter"] == known.data.params["model.max_iter"]
    assert run.info.status == "FINISHED"
    assert len(theirs.models_of(answer.run_id)) == 1


@pytest.mark.parametrize("forgotten", [(), (".mlx",), (".mlx", "models")], ids=["", "memo", "model"])
def test_another_run_adds_no_second_one(theirs: TabularProject, forgotten: tuple[str, ...]) -> None:
    (before,) = runs(theirs)
    for name in forgotten:
        shutil.rmtree(theirs.root / name)
    answer = theirs.mlx("run")
    assert answer.code == 0, answer.err
    (after,) = runs(theirs)
    assert answer.run_id == after.info.run_id == before.info.run_id
    assert len(theirs.models_of(answer.run_id)) == 1


def test_what_they_train_is_a_run_of_its_own(theirs: TabularProject) -> None:
    (restored,) = runs(theirs)
    theirs.edit("params.yaml", "max_iter: 100", "max_iter: 20")
    answer = theirs.mlx("run")
    assert answer.code == 0, answer.err
    assert answer.stages["train"] == "ran"
    latest, earlier = runs(theirs)
    assert (latest.info.run_id, earlier.info.run_id) == (answer.run_id, restored.info.run_id)
    assert "mlx.restored_from" not in latest.data.tags
    theirs.edit("params.yaml", "max_iter: 20", "max_iter: 100")
    answer = theirs.mlx("run")
    assert answer.stages["train"] == "restored"
    assert answer.run_id == restored.info.run_id
    assert len(runs(theirs)) == 2


def test_a_store_that_was_deleted_is_made_and_gets_the_run_again(theirs: TabularProject) -> None:
    (theirs.root / "mlflow.db").unlink()
    shutil.rmtree(theirs.root / "mlruns")
    answer = theirs.mlx("run")
    assert answer.code == 0, answer.err
    # MLflow's client in this process still has the deleted file open.
    with closing(sqlite3.connect(theirs.root / "mlflow.db")) as database:
        query = "SELECT run_uuid, value FROM runs JOIN tags USING (run_uuid) WHERE key = 'mlx.restored_from'"
        assert database.execute(query).fetchall() == [(answer.run_id, answer.record["run_id"])]
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (1,)


@pytest.fixture(scope="module")
def moved(original: TabularProject, tmp_path_factory: pytest.TempPathFactory) -> TabularProject:
    """The project in another folder, while the original still exists."""
    folder = tmp_path_factory.mktemp("moved") / "größtes Projekt 2"
    shutil.copytree(original.root, folder, symlinks=True)
    return tabular_project.TabularProject(folder, original.commit)


def everything(folder: Path) -> dict[str, Any]:
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


def test_a_moved_project_with_nothing_to_do_needs_no_store(
    original: TabularProject, moved: TabularProject
) -> None:
    (known,) = runs(original)
    answer = moved.mlx("run")
    assert (answer.code, answer.stages) == (0, dict.fromkeys(ALL, "fresh"))
    assert answer.run_id == known.info.run_id


def test_a_training_in_a_moved_project_is_refused_before_anything_runs(
    original: TabularProject, moved: TabularProject
) -> None:
    before = everything(original.root)
    (moved.root / "models/patients.run.json").unlink()
    lock = (moved.root / "dvc.lock").read_text()
    moved.edit("params.yaml", "test_share: 0.2", "test_share: 0.3")
    answer = moved.mlx("run")
    assert answer.code == 5
    assert answer.stages == dict.fromkeys(ALL, "skipped")
    assert answer.document["error"] == {
        "kind": "tool",
        "message": "the project's folder was moved or copied, and MLflow still stores to the old place",
        "context": [f"old: {original.root}", f"new: {moved.root}"],
        "hint": "run `mlx doctor --fix`",
    }
    assert (moved.root / "dvc.lock").read_text() == lock
    assert everything(original.root) == before


def test_the_doctor_mends_it_and_nothing_goes_to_the_old_folder(
    original: TabularProject, moved: TabularProject
) -> None:
    before = everything(original.root)
    done = subprocess.run(
        ["mlx", "doctor", "--fix", "--json"], cwd=moved.root, check=True, capture_output=True
    )
    (store,) = [c for c in json.loads(done.stdout)["checks"] if c["name"] == "store"]
    assert store["state"] == "mended"
    answer = moved.mlx("run")
    assert answer.code == 0, answer.err
    assert answer.stages["train"] == "ran"
    (model,) = moved.models_of(answer.run_id)
    for run in runs(moved):
        assert run.info.artifact_uri.startswith(f"{moved.root}/mlruns/")
        assert moved.store.list_artifacts(run.info.run_id)
    assert model.artifact_location.startswith(f"{moved.root}/mlruns/")
    promoted = subprocess.run(
        ["mlx", "promote", "--json"], cwd=moved.root, check=False, capture_output=True, text=True
    )
    assert promoted.returncode == 0, promoted.stdout
    assert everything(original.root) == before


def test_in_a_moved_project_the_files_of_the_old_runs_are_found(
    original: TabularProject, moved: TabularProject
) -> None:
    (known,) = runs(original)
    lock = Path(moved.store.download_artifacts(known.info.run_id, "dvc.lock"))
    assert yaml.safe_load(lock.read_text())["stages"].keys() == set(ALL)
