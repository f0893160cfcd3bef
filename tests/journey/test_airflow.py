"""`mlx export airflow` under a real Airflow in an environment of its own: it trains, judges and promotes."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import IN_CI
from tests.journey.conftest import Done, call, good

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.slow

CONSTRAINTS = Path(__file__).with_name("airflow-constraints.txt")
LOOK = """\
import json
import sys

from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])
print(
    json.dumps(
        {
            "errors": bag.import_errors,
            "warnings": list(map(str, bag.captured_warnings.values())),
            "limits": [
                [task.retries, task.pool, task.execution_timeout.total_seconds()]
                for task in bag.dags["patients"].tasks
                if task.task_id == "train.train"
            ],
            "dags": {
                name: {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks}
                for name, dag in bag.dags.items()
            },
        }
    )
)
"""


@dataclass(frozen=True)
class Airflow:
    """An Airflow with a database of its own, which knows nothing of mlx but the DAG files."""

    programs: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "dags"),
            "PATH": f"{self.programs}:/usr/local/bin:/usr/bin:/bin",
            "VIRTUAL_ENV": str(self.programs.parent),
        }

    def look(self) -> Any:
        """Import the DAG files as Airflow's own processor does."""
        python = str(self.programs / "python")
        done = good(self.home, python, "-c", LOOK, str(self.home / "dags"), **self.environment)
        return json.loads(done.out.splitlines()[-1])

    def test(self, dag: str, date: str) -> Done:
        """Run a DAG, task by task, without a scheduler."""
        return call(self.home, "airflow", "dags", "test", dag, date, **self.environment)

    def due(self) -> dict[str, datetime]:
        """Return when Airflow runs each DAG next."""
        with contextlib.closing(sqlite3.connect(self.home / "airflow.db")) as database:
            rows = database.execute("select dag_id, next_dagrun from dag").fetchall()
            return {name: datetime.fromisoformat(time) for name, time in rows}

    def states(self, date: str) -> tuple[str, dict[str, str]]:
        """Return the state of a run, and those of its tasks."""
        with contextlib.closing(sqlite3.connect(self.home / "airflow.db")) as database:
            ((run, state),) = database.execute(
                "select run_id, state from dag_run where logical_date like ?", [f"{date}%"]
            ).fetchall()
            tasks = "select task_id, state from task_instance where run_id = ?"
            return state, dict(database.execute(tasks, [run]).fetchall())


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    place = tmp_path_factory.mktemp("airflow")
    good(place, sys.executable, "-m", "venv", "environment")
    programs = place / "environment/bin"
    pip = ("-m", "pip", "install", "-q", "--no-compile", "--constraint", str(CONSTRAINTS), "apache-airflow")
    installed = call(place, str(programs / "python"), *pip)
    if installed.code != 0:
        last = installed.err.strip().splitlines()[-1]
        if IN_CI:
            pytest.fail(f"CI must test with Airflow, which cannot be installed: {last}")
        pytest.skip(f"Airflow cannot be installed: {last}")
    found = Airflow(programs, place / "home")
    (found.home / "dags").mkdir(parents=True)
    good(found.home, "airflow", "db", "migrate", **found.environment)
    return found


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as DVC remote; DVC takes no umlaut in its name."""
    return tmp_path_factory.mktemp("box")


@pytest.fixture(scope="module")
def project(folder: Path, remote: Path) -> Path:
    """A project that has never run, and whose raw data is on its DVC remote alone."""
    good(folder, "mlx", "init", "patients", "--task", "regression", "--yes", "-q")
    root = folder / "patients"
    edit(root / "params.yaml", {"candidates: [linear, trees]": "candidates: [linear]"})
    schedule = 'schedule: {train: "30 4 * * SUN", drift: "@daily", new_rows: data/external/new_rows.csv}'
    model = "    outputs: {model: models/patients}\n"
    limits = "    timeout: 30m\n    retries: 2\n    pool: default_pool\n"
    config = root / "mlx.yaml"
    # Pictures take longer than the rest of the pipeline, and prove nothing more.
    text = re.sub(r"  figures:\n(    .*\n)+", "", config.read_text(encoding="utf-8"))
    config.write_text(text, encoding="utf-8")
    drift = "drift: {max_share: 0.3}"
    edit(config, {drift: f"{schedule}\n{drift}", model: model + limits})
    good(root, "mlx", "check", "--fix", "-q")
    good(root, "dvc", "remote", "add", "--default", "box", str(remote))
    good(root, "dvc", "push", "-q")
    (root / "data/raw/diabetes.csv").unlink()
    shutil.rmtree(root / ".dvc/cache")
    return root


def edit(file: Path, changes: Mapping[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def versions(project: Path) -> list[str]:
    """Return the versions of the registered model."""
    return [version["version"] for version in good(project, "mlx", "models", "--json").json["versions"]]


def objects(remote: Path) -> int:
    """Count what lies on the DVC remote."""
    return sum(path.is_file() for path in remote.rglob("*"))


def test_the_dag_trains_and_promotes(airflow: Airflow, project: Path, remote: Path) -> None:
    good(project, "mlx", "export", "airflow", "--output", str(airflow.home / "dags"))
    found = airflow.look()
    assert (found["errors"], found["warnings"]) == ({}, [])
    assert found["limits"] == [[2, "default_pool", 5400.0]]
    assert found["dags"]["patients-drift"] == {"drift": []}
    assert found["dags"]["patients"] == {
        "extract.data": [],
        "validate.configuration": ["extract.data"],
        "prepare.prepare": ["validate.configuration"],
        "prepare.features": ["prepare.prepare"],
        "prepare.choose": ["prepare.features"],
        "train.train": ["prepare.choose", "prepare.features"],
        "evaluate.evaluate": ["prepare.features", "train.train"],
        "validate_model.gates": ["evaluate.evaluate"],
        "upload.data": ["validate_model.gates"],
        "upload.model": ["upload.data"],
    }

    before = objects(remote)
    done = airflow.test("patients", "2026-01-01")
    assert done.code == 0, done.out
    state, tasks = airflow.states("2026-01-01")
    assert (state, set(tasks.values())) == ("success", {"success"})
    due = airflow.due()
    assert (due["patients"].strftime("%a %H:%M"), due["patients-drift"].strftime("%H:%M")) == (
        "Sun 04:30",
        "00:00",
    )
    assert versions(project) == ["1"]
    assert objects(remote) > before
    # The run of the training has the values of the evaluation, which was a call of its own.
    (run,) = good(project, "mlx", "runs", "--json").json["runs"]
    assert run["status"] == "FINISHED"
    assert run["metrics"]["r2"] == json.loads((project / "reports/metrics.json").read_text())["r2"]


def test_a_gate_that_refuses_skips_the_upload(airflow: Airflow, project: Path) -> None:
    edit(project / "mlx.yaml", {"{metric: r2, min: 0.1}": "{metric: r2, min: 0.99}"})
    done = airflow.test("patients", "2026-01-02")
    assert done.code == 0, done.out
    state, tasks = airflow.states("2026-01-02")
    assert state == "success"
    assert {name for name, one in tasks.items() if one == "skipped"} == {
        "validate_model.gates",
        "upload.data",
        "upload.model",
    }
    assert tasks["evaluate.evaluate"] == "success"
    assert versions(project) == ["1"]


def test_a_stage_that_fails_fails_the_dag(airflow: Airflow, project: Path) -> None:
    edit(project / "mlx.yaml", {"{metric: r2, min: 0.99}": "{metric: r2, min: 0.1}"})
    with (project / "src/patients/data/make_dataset.py").open("a", encoding="utf-8") as code:
        code.write('\n\nraise RuntimeError("no such luck")\n')
    done = airflow.test("patients", "2026-01-03")
    assert done.code == 1
    assert "no such luck" in done.out
    state, tasks = airflow.states("2026-01-03")
    assert (state, tasks["prepare.prepare"]) == ("failed", "failed")
    assert {tasks[name] for name in ("train.train", "validate_model.gates", "upload.model")} == {
        "upstream_failed"
    }
    assert versions(project) == ["1"]


def test_drift_fails_a_dag_of_its_own(airflow: Airflow, project: Path) -> None:
    rows = project / "data/external/new_rows.csv"
    head, *lines = rows.read_text(encoding="utf-8").splitlines()
    shifted = [",".join(str(float(value) + 1000) for value in line.split(",")) for line in lines]
    rows.write_text("\n".join([head, *shifted, ""]), encoding="utf-8")
    done = airflow.test("patients-drift", "2026-01-04")
    assert done.code == 1
    assert "exited with return code 3" in done.out
    assert airflow.states("2026-01-04") == ("failed", {"drift": "failed"})
