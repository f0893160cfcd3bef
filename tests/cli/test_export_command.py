"""`mlx export` on the command line: what it prints, writes and refuses."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Mlx, TmpDir

PROGRAMS = Path(sys.executable).parent
SCHEDULE = 'schedule: {train: "0 3 * * 1", drift: "@daily", new_rows: data/new.csv}\nenvironments:\n'


@pytest.fixture
def scheduled(copies: TmpDir) -> TmpDir:
    text = (copies / "mlx.yaml").read_text()
    return copies.gen("mlx.yaml", text.replace("environments:\n", SCHEDULE))


def test_airflow(scheduled: TmpDir, mlx: Mlx) -> None:
    done = mlx("export", "airflow")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "wrote dags/copies.py: the DAG 'copies' with 4 tasks, at '0 3 * * 1'",
        "wrote the DAG 'copies-drift', too, at '@daily'",
    ]
    first = (scheduled / "dags/copies.py").read_bytes()
    assert mlx("export", "airflow").code == 0
    assert (scheduled / "dags/copies.py").read_bytes() == first


def test_airflow_without_a_schedule(copies: TmpDir, mlx: Mlx) -> None:
    text = (
        (copies / "mlx.yaml")
        .read_text()
        .replace("    cmd: cp data/in", "    pool: small\n    cmd: cp data/in")
    )
    copies.gen("mlx.yaml", text)
    done = mlx("export", "airflow")
    assert done.out.splitlines() == [
        "wrote dags/copies.py: the DAG 'copies' with 4 tasks, when somebody starts it: mlx.yaml has no "
        "`schedule: train`",
        "next: make its pool with `airflow pools set small 1 mlx`",
    ]
    assert "schedule=None," in (copies / "dags/copies.py").read_text()


def test_airflow_into_a_folder_elsewhere(
    scheduled: TmpDir, mlx: Mlx, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dags = tmp_path_factory.mktemp("airflow dags")
    done = mlx("export", "airflow", "--output", dags, "--env", "staging", "--json")
    assert done.json == {
        "file": f"{dags}/copies-staging.py",
        "dag": "copies-staging",
        "environment": "staging",
        "schedule": "0 3 * * 1",
        "tasks": ["extract.data", "validate.configuration", "prepare.first", "prepare.second"],
        "pools": [],
        "variable": "MLX_PROJECT_COPIES",
    }
    assert f'    "{scheduled}",\n' in (dags / "copies-staging.py").read_text()


def test_cron(scheduled: TmpDir, mlx: Mlx) -> None:
    done = mlx("export", "cron")
    assert (done.code, done.err) == (0, "")
    start = f'cd {scheduled} && export PATH={PROGRAMS}:"$PATH" && mkdir -p .mlx/logs && {{ date; '
    assert done.out.splitlines() == [
        f"0 3 * * 1 {start}mlx run --env dev; }} >>.mlx/logs/cron-train.log 2>&1 || "
        "tail -n 20 .mlx/logs/cron-train.log  # mlx copies train",
        f"@daily {start}mlx drift --data data/new.csv --env dev; }} >>.mlx/logs/cron-drift.log 2>&1 || "
        "tail -n 20 .mlx/logs/cron-drift.log  # mlx copies drift",
    ]
    document = mlx("export", "cron", "--json").json
    assert document["environment"] == "dev"
    assert [job["line"] for job in document["jobs"]] == done.out.splitlines()
    assert {key: document["jobs"][0][key] for key in ("name", "schedule", "log")} == {
        "name": "train",
        "schedule": "0 3 * * 1",
        "log": ".mlx/logs/cron-train.log",
    }


def test_systemd(scheduled: TmpDir, mlx: Mlx) -> None:
    names = ["copies-train.service", "copies-train.timer", "copies-drift.service", "copies-drift.timer"]
    printed = mlx("export", "systemd").out
    document = mlx("export", "systemd", "--json").json
    assert [unit["name"] for unit in document["units"]] == names
    assert document["folder"] is None
    assert printed == "\n".join(f"# {unit['name']}\n{unit['text']}" for unit in document["units"])

    done = mlx("export", "systemd", "-o", "units/user")
    assert done.out.splitlines() == [
        *(f"wrote units/user/{name}" for name in names),
        "next: systemctl --user daemon-reload && systemctl --user enable --now copies-train.timer "
        "copies-drift.timer",
    ]
    for unit in document["units"]:
        assert (scheduled / "units/user" / unit["name"]).read_text() == unit["text"]

    text = (scheduled / "mlx.yaml").read_text()
    scheduled.gen("mlx.yaml", text.replace(', drift: "@daily", new_rows: data/new.csv', ""))
    assert mlx("export", "systemd", "-o", "units/user").err.splitlines() == [
        "warning: 'copies-drift.timer' is due no more: `systemctl --user disable --now copies-drift.timer`"
    ]


@pytest.mark.parametrize("scheduler", ["cron", "systemd"])
def test_nothing_is_scheduled(copies: TmpDir, mlx: Mlx, scheduler: str) -> None:
    done = mlx("export", scheduler)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "error: mlx.yaml does not say when anything runs",
        'hint: add `schedule: {train: "0 3 * * 1"}` to mlx.yaml, for Mondays at 3',
    ]


@pytest.mark.parametrize("scheduler", ["airflow", "cron", "systemd"])
def test_an_environment_that_does_not_exist(scheduled: TmpDir, mlx: Mlx, scheduler: str) -> None:
    done = mlx("export", scheduler, "--env", "stagin")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "error: there is no environment 'stagin', did you mean 'staging'?",
        "  named by --env; mlx.yaml has dev, staging",
        "hint: run `mlx env`",
    ]
    assert not (scheduled / "dags").exists()


def test_airflow_into_a_folder_that_is_not_there(scheduled: TmpDir, mlx: Mlx) -> None:
    done = mlx("export", "airflow", "--output", "air flow/dags")
    assert done.code == 2
    assert done.err.splitlines() == [
        "error: 'air flow/dags' is no folder, and no name of a DAG file, which ends with '.py'",
        "hint: run `mlx export airflow --output 'air flow/dags/copies.py'`",
    ]
    assert not (scheduled / "air flow").exists()


def test_a_file_in_the_way(scheduled: TmpDir, mlx: Mlx) -> None:
    scheduled.gen("dags/copies.py", "own = 1\n")
    done = mlx("export", "airflow")
    assert (done.code, done.out) == (3, "")
    assert done.err.splitlines() == [
        f"error: '{scheduled}/dags/copies.py' was not written by mlx, and would be overwritten",
        "hint: move it away, or name another place with `--output`",
    ]
    assert (scheduled / "dags/copies.py").read_text() == "own = 1\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(scheduled: TmpDir, mlx: Mlx) -> None:
    (scheduled / "dags").mkdir(mode=0o555)
    done = mlx("export", "airflow")
    assert done.code == 2
    assert done.err.splitlines() == [
        f"error: '{scheduled}/dags/copies.py' cannot be written: permission denied",
        "hint: name another file",
    ]


def test_a_file_where_a_folder_is_needed(scheduled: TmpDir, mlx: Mlx) -> None:
    scheduled.gen("units", "")
    done = mlx("export", "systemd", "--output", "units")
    assert done.code == 2
    assert done.err.startswith("error: 'units/copies-train.service' cannot be written: ")


def test_no_mlx_to_call(scheduled: TmpDir, mlx: Mlx, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    done = mlx("export", "cron")
    assert done.code == 5
    assert done.err.splitlines() == [
        "error: there is no 'mlx' that a scheduler could call",
        f"  {tmp_path}/bin",
        "hint: run `make setup`",
    ]


def test_help_names_what_can_be_written(mlx: Mlx) -> None:
    assert [
        name for name in ("airflow", "cron", "systemd") if f"  {name} " in mlx("export", "--help").out
    ] == [
        "airflow",
        "cron",
        "systemd",
    ]
