"""What schedulers get: a DAG for Airflow, lines for cron, units for systemd."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlxkit.errors import DataError, Refused, UsageError
from mlxkit.pipeline.export.airflow import dag_file, dag_name
from mlxkit.pipeline.export.cron import crontab
from mlxkit.pipeline.export.job import Job, jobs_of, notes_on
from mlxkit.pipeline.export.marked import mark_of, write_marked
from mlxkit.pipeline.export.steps import steps_of
from mlxkit.pipeline.export.systemd import calendar, no_longer_scheduled, units
from mlxkit.project.cron import Cron, read_cron
from mlxkit.project.environments import DEFAULTS
from mlxkit.project.gates import CheckedGate
from mlxkit.project.models import Environment, Project, Schedule, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import TmpDir

GOLDEN = Path(__file__).parent / "golden" / "dag.py"
PROGRAMS = Path("/opt/ml/bin")
STRANGE = "größtes Projekt; $HOME 'x' \"y\" 100%"
TRACKED = "outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e\n  size: 0\n  hash: md5\n  path: {}\n"


def stage(name: str, inputs: str = "", outputs: str = "", **more: object) -> Stage:
    """Make a stage: of a kind by its name, with paths divided by spaces."""
    kind = name if name in ("train", "evaluate") else "stage"
    values = {"cmd": "true", **more}
    return Stage(
        name,
        kind,  # type: ignore[arg-type]
        inputs={path: path for path in inputs.split()},
        outputs={path: path for path in outputs.split()},
        **values,  # type: ignore[arg-type]
    )


STAGES = (
    stage("check-rows", "raw.csv", "checked.txt"),
    stage("two-lines", "raw.csv größe.csv", "rows.csv", pool="small machines"),
    stage("features", "rows.csv", "train.csv test.csv"),
    stage("train", "train.csv", "models/churn", timeout=1800.0, retries=2, pool="gpu"),
    stage("evaluate", "test.csv models/churn", "metrics.json"),
    stage("figures", "rows.csv", "figures"),
    stage("a-stage-with-a-name-that-is-longer-than-any-other", "models/churn", "deep.txt"),
)


def project_at(root: Path, *stages: Stage, **more: object) -> Project:
    values = {
        "gates": (CheckedGate("check-rows"),),
        "schedule": Schedule("0 3 * * 1", "@daily", "data/new rows.csv"),
        "environments": {**DEFAULTS, "dev": Environment("dev", remote="box")},
        **more,
    }
    return Project(
        root,
        "churn",
        "churn",
        "regression",
        "y",
        {one.name: one for one in stages or STAGES},
        **values,  # type: ignore[arg-type]
    )


@pytest.fixture
def project(tmp_dir: TmpDir) -> Project:
    return project_at(tmp_dir.gen({"größe.csv.dvc": TRACKED.format("größe.csv")}))


def dag_text(project: Project, environment: str = "dev", *, path: Path | None = None) -> str:
    found = dag_file(
        project,
        project.environments[environment],
        programs=PROGRAMS,
        path=path or project.root / "dags/churn.py",
    )
    return found.text


# --- Airflow


def test_the_dag_is_written_like_this(project: Project) -> None:
    assert dag_text(project) == GOLDEN.read_text(encoding="utf-8")


def test_what_is_in_the_dag(project: Project) -> None:
    found = dag_file(
        project, project.environments["dev"], programs=PROGRAMS, path=project.root / "dags/churn.py"
    )
    assert found.tasks == (
        "extract.data",
        "validate.configuration",
        "validate.check-rows",
        "prepare.two-lines",
        "prepare.features",
        "prepare.figures",
        "train.train",
        "evaluate.evaluate",
        "evaluate.a-stage-with-a-name-that-is-longer-than-any-other",
        "validate_model.gates",
        "upload.data",
        "upload.model",
    )
    assert (found.dag, found.variable) == ("churn", "MLX_PROJECT_CHURN")
    assert found.pools == ("small machines", "gpu")


@pytest.mark.parametrize("width", [88, 110])
def test_a_formatter_leaves_the_dag_as_it_is(project: Project, width: int) -> None:
    deep = replace(project, name="a-project-with-a-name-that-is-longer-than-that-of-any-other-one")
    for made in (project, deep, project_at(project.root, stage("only"), schedule=Schedule())):
        for path in (project.root / "dags/churn.py", Path("/elsewhere/churn.py")):
            text = dag_file(
                made, made.environments["dev"], programs=Path("/opt" + "/longer" * 12), path=path
            ).text
            done = subprocess.run(
                [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", str(width), "-"],
                input=text,
                capture_output=True,
                text=True,
                check=True,
            )
            assert done.stdout == text


def test_a_dag_elsewhere_names_the_project(project: Project, tmp_path: Path) -> None:
    strange = replace(project, root=tmp_path / STRANGE)
    text = dag_text(strange, path=Path("/elsewhere/churn.py"))
    compile(text, "churn.py", "exec")
    folder = re.search(r'FOLDER = os\.environ\.get\(\n    "MLX_PROJECT_CHURN",\n    (.*),\n\)', text)
    assert folder is not None
    assert eval(folder[1]) == str(strange.root)


def test_programs_of_the_project_move_with_it(project: Project) -> None:
    programs = project.root / ".venv/bin"
    path = project.root / "deep/er/churn.py"
    text = dag_file(project, project.environments["dev"], programs=programs, path=path).text
    assert 'PROGRAMS = PROJECT / ".venv" / "bin"\n' in text
    assert "    Path(__file__).resolve().parents[2],\n" in text
    assert str(project.root) not in text


def test_a_project_without_a_model_has_nothing_to_promote(project: Project) -> None:
    text = dag_text(project_at(project.root, stage("only", "", "out.txt"), schedule=Schedule()))
    assert 'with TaskGroup("upload")' not in text
    assert "mlx promote" not in text
    assert "schedule=None," in text
    assert "extract" not in text
    assert '    chain(validate, stages["only"])\n' in text


def test_a_project_of_checks_alone(project: Project) -> None:
    text = dag_text(project_at(project.root, STAGES[0], schedule=Schedule()))
    assert text.endswith("    chain(extract, validate)\n")


def test_each_environment_has_a_dag_of_its_own(project: Project) -> None:
    assert dag_name(project, project.environments["staging"]) == "churn-staging"
    text = dag_text(project, "staging")
    assert 'dag_id="churn-staging"' in text
    assert 'bash_command="mlx promote --to staging",' in text
    assert "dvc config core.remote" in text


def test_only_a_check_of_raw_data_validates_it(project: Project) -> None:
    late = stage("check-rows", "rows.csv", "checked.txt")
    steps = steps_of(project_at(project.root, *STAGES[1:], late))
    assert steps.stages["validate"] == ()
    assert late in steps.stages["prepare"]
    assert ("two-lines", "check-rows") in steps.edges


def test_what_airflow_would_read_as_a_template_is_refused(project: Project) -> None:
    with pytest.raises(UsageError) as caught:
        dag_text(project_at(project.root, stage("only", "{{x}}.csv", "out.txt")))
    assert caught.value.message == "Airflow would read a name as a template of its own"
    assert caught.value.context == ("(ls -d '{{x}}.csv')",)


# --- cron


def test_a_line_for_each_job(project: Project) -> None:
    root = Path("/home/ann/churn")
    jobs = jobs_of(project, project.environments["dev"])
    assert [line.line for line in crontab("churn", root, root / ".venv/bin", jobs)] == [
        '0 3 * * 1 cd /home/ann/churn && export PATH="$PWD/.venv/bin:$PATH" && mkdir -p .mlx/logs && '
        "{ date; mlx run --env dev && mlx promote --to dev; } >>.mlx/logs/cron-train.log 2>&1 || "
        "tail -n 20 .mlx/logs/cron-train.log  # mlx churn train",
        '@daily cd /home/ann/churn && export PATH="$PWD/.venv/bin:$PATH" && mkdir -p .mlx/logs && '
        "{ date; mlx drift --data 'data/new rows.csv' --env dev; } >>.mlx/logs/cron-drift.log 2>&1 || "
        "tail -n 20 .mlx/logs/cron-drift.log  # mlx churn drift",
    ]


@pytest.mark.parametrize("code", [0, 1, 3])
@pytest.mark.parametrize("inside", [True, False])
def test_a_line_does_what_it_says_in_any_folder(tmp_path: Path, *, code: int, inside: bool) -> None:
    root = tmp_path / STRANGE
    programs = root / ".venv/bin" if inside else tmp_path / "pro'grams $x"
    for folder in (root, programs):
        folder.mkdir(parents=True)
    mlx = programs / "mlx"
    mlx.write_text(f'#!/bin/sh\necho "$@"; pwd; exit {code}\n')
    mlx.chmod(0o755)
    (line,) = crontab("churn", root, programs, [Job("train", "@daily", (("mlx", "run", "a%b'c"),))])
    # As cron does it: a percent sign that is not escaped ends the command.
    command = line.line.removeprefix("@daily ")
    assert not re.search(r"(?<!\\)%", command)
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace(r"\%", "%")],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "HOME": "/"},
        capture_output=True,
        text=True,
        check=True,
    )
    log = (root / line.log).read_text()
    assert log.splitlines()[1:] == ["run a%b'c", str(root)]
    assert done.stdout == ("" if code == 0 else log)


def test_what_cron_cannot_take(tmp_path: Path) -> None:
    job = Job("train", "@daily", (("mlx", "run"),))
    with pytest.raises(UsageError) as caught:
        crontab("churn", Path("/" + "a/" * 450), PROGRAMS, [job])
    assert caught.value.message == ("cron takes no command of more than 998 characters, and 'train' has 1072")
    with pytest.raises(UsageError) as caught:
        crontab("churn", tmp_path / "a\nb", PROGRAMS, [job])
    assert caught.value.message == "no scheduler takes a folder with a line break in its name"


def test_a_schedule_is_needed(project: Project) -> None:
    with pytest.raises(UsageError) as caught:
        jobs_of(replace(project, schedule=Schedule()), project.environments["dev"])
    assert caught.value.message == "mlx.yaml does not say when anything runs"
    assert caught.value.hint == 'add `schedule: {train: "0 3 * * 1"}` to mlx.yaml, for Mondays at 3'


def test_who_takes_no_model_of_a_scheduler_is_named(project: Project) -> None:
    assert notes_on(project, project.environments["dev"]) == ()
    assert notes_on(project, project.environments["staging"]) == (
        "'staging' takes only models that a commit holds, and nobody commits what a scheduler trains: new "
        "models are refused there; 'dev' takes them",
    )


# --- systemd

CALENDARS = {
    "* * * * *": ("*-*-* *:*:00",),
    "0 3 * * 1": ("Mon *-*-* 03:00:00",),
    "30 6 * * MON-FRI": ("Mon..Fri *-*-* 06:30:00",),
    "0 0 * * 5-7": ("Fri..Sun *-*-* 00:00:00",),
    "0 0 * * 0,1": ("Mon,Sun *-*-* 00:00:00",),
    "*/15 9-17 * * *": ("*-*-* 09..17:00,15,30,45:00",),
    "5 4 1,2,15-18 */6 *": ("*-01,07-01,02,15..18 04:05:00",),
    "0 12 13 * FRI": ("*-*-13 12:00:00", "Fri *-*-* 12:00:00"),
    "0 0 29 2 *": ("*-02-29 00:00:00",),
    "@hourly": ("*-*-* *:00:00",),
    "@weekly": ("Sun *-*-* 00:00:00",),
    "@yearly": ("*-01-01 00:00:00",),
}


@pytest.mark.parametrize(("text", "times"), CALENDARS.items(), ids=CALENDARS)
def test_times_of_cron_as_systemd_writes_them(text: str, times: tuple[str, ...]) -> None:
    assert calendar(text) == times


@pytest.mark.parametrize("text", CALENDARS)
def test_systemd_means_the_same_times(text: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("'systemd-analyze' is not installed: run `apt-get install systemd`")
    start = datetime(2026, 11, 29, 10, 12)
    wanted = list(itertools.islice(due(read_cron(text), start), 5))
    found = set()
    for time in calendar(text):
        done = subprocess.run(
            ["systemd-analyze", "calendar", "--iterations=5", f"--base-time={start:%Y-%m-%d %H:%M:%S}", time],
            env={**os.environ, "TZ": "UTC", "SYSTEMD_COLORS": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
        named = re.findall(r"(?:Next elapse|Iteration #\d+|Iter\. #\d+): \w+ (\S+ \S+) UTC", done.stdout)
        found.update(datetime.fromisoformat(one) for one in named)
    assert sorted(found)[:5] == wanted


def due(cron: Cron, after: datetime) -> Iterator[datetime]:
    """Yield the minutes at which cron starts something, as crontab(5) defines them."""
    day = after.replace(hour=0, minute=0)
    while True:
        in_month = cron.months is None or day.month in cron.months
        by_day = cron.days is None or day.day in cron.days
        by_weekday = cron.weekdays is None or day.isoweekday() % 7 in cron.weekdays
        either = cron.days is not None and cron.weekdays is not None
        if in_month and (by_day or by_weekday if either else by_day and by_weekday):
            for hour, minute in itertools.product(cron.hours or range(24), cron.minutes or range(60)):
                if (moment := day.replace(hour=hour, minute=minute)) > after:
                    yield moment
        day += timedelta(days=1)


def test_units(project: Project) -> None:
    root = Path("/home/ann/churn")
    found = units("churn", root, root / ".venv/bin", jobs_of(project, project.environments["dev"]))
    assert list(found) == [
        "churn-train.service",
        "churn-train.timer",
        "churn-drift.service",
        "churn-drift.timer",
    ]
    assert found["churn-train.service"] == (
        "# Generated by mlx from mlx.yaml; `mlx export systemd` writes it anew.\n"
        "[Unit]\n"
        "Description=mlx: train churn\n"
        "\n"
        "[Service]\n"
        "Type=oneshot\n"
        "WorkingDirectory=/home/ann/churn\n"
        'Environment="PATH=/home/ann/churn/.venv/bin:'
        '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"\n'
        "ExecStart=/usr/bin/env mlx run --env dev\n"
        "ExecStart=/usr/bin/env mlx promote --to dev\n"
        "# Gates that refuse a model are no failure.\n"
        "SuccessExitStatus=3\n"
    )
    assert found["churn-train.timer"] == (
        "# Generated by mlx from mlx.yaml; `mlx export systemd` writes it anew.\n"
        "[Unit]\n"
        "Description=mlx: when to train churn\n"
        "\n"
        "[Timer]\n"
        "OnCalendar=Mon *-*-* 03:00:00\n"
        "# What was due while the machine was off is done when it is on again.\n"
        "Persistent=true\n"
        "\n"
        "[Install]\n"
        "WantedBy=timers.target\n"
    )
    assert "SuccessExitStatus" not in found["churn-drift.service"]
    assert (
        'ExecStart=/usr/bin/env mlx drift --data "data/new rows.csv" --env dev\n'
        in (found["churn-drift.service"])
    )


def test_systemd_understands_the_units_of_any_folder(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("'systemd-analyze' is not installed: run `apt-get install systemd`")
    root = tmp_path / f"{STRANGE} \\n %h"
    programs, folder, runtime = root / ".venv/bin", tmp_path / "units", tmp_path / "run"
    for made in (programs, folder, runtime):
        made.mkdir(parents=True, mode=0o700)
    job = Job("train", "0 12 13 * FRI", (("mlx", "run", "a b", "$HOME", "%h", "'", '"', "\\", ";"),))
    for name, text in units("churn", root, programs, [job]).items():
        (folder / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", *map(str, sorted(folder.iterdir()))],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_timer_of_before_is_named(tmp_path: Path) -> None:
    (tmp_path / "churn-drift.timer").write_text(f"{mark_of('systemd')}\n")
    (tmp_path / "churn-train.timer").write_text("[Timer]\n")
    assert no_longer_scheduled("churn", tmp_path, {}) == ("churn-drift.timer",)
    assert no_longer_scheduled("churn", tmp_path, {"churn-drift.timer": ""}) == ()


# --- files


def test_a_file_of_somebody_else_stays(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "a.py", tmp_path / "b.py"
    theirs.write_text("own = 1\n")
    text = f"{mark_of('airflow')}\n"
    with pytest.raises(Refused) as caught:
        write_marked({mine: text, theirs: text}, "airflow")
    assert caught.value.message == f"'{theirs}' was not written by mlx, and would be overwritten"
    assert not mine.exists()
    assert theirs.read_text() == "own = 1\n"
    write_marked({mine: text}, "airflow")
    write_marked({mine: f"{text}1\n"}, "airflow")
    assert mine.read_text() == f"{text}1\n"


@pytest.mark.parametrize("there", ["folder", "broken link"])
def test_what_is_no_file_stays(tmp_path: Path, there: str) -> None:
    path = tmp_path / "churn.py"
    path.mkdir() if there == "folder" else path.symlink_to(tmp_path / "gone")
    with pytest.raises(Refused):
        write_marked({path: mark_of("airflow")}, "airflow")
    assert path.is_symlink() or path.is_dir()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "dags").write_text("")
    with pytest.raises(DataError) as caught:
        write_marked({tmp_path / "dags/churn.py": mark_of("airflow")}, "airflow")
    assert caught.value.message.startswith(f"'{tmp_path}/dags/churn.py' cannot be written: ")
