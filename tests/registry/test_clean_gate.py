"""Does a model load where only its requirements are installed? Most environments here are made up."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from trials import DEV, project, verdict

from mlxkit.adapters import mlflow_model
from mlxkit.project.gates import LoadsGate, SizeGate
from mlxkit.registry.contest import Contender, Rows
from mlxkit.registry.gates import clean
from mlxkit.registry.gates.judge import judge
from mlxkit.registry.gates.trial import Trial

if TYPE_CHECKING:
    from pathlib import Path

ROWS = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "y": ["No", "No", "No", "Yes", "Yes", "Yes"]})


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """A trial of a small model, in a folder of its own."""
    model = LogisticRegression().fit(ROWS[["x"]], ROWS["y"])
    directory = tmp_path / "model"
    mlflow_model.save_model(model, directory, example=ROWS[["x"]], predictions=model.predict(ROWS[["x"]]))
    of, rows = project(tmp_path), Rows(ROWS)
    return Trial(of, DEV, Contender.of(of, directory, {}, rows), rows)


def requirements(trial: Trial) -> Path:
    return trial.challenger.directory / "requirements.txt"


def earlier(trial: Trial) -> Path:
    """Leave an environment for this model as an earlier promotion does; its interpreter is this one."""
    environment = trial.project.state_dir / clean.FOLDER / clean._name(requirements(trial))
    (environment / "bin").mkdir(parents=True)
    python = environment / "bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (environment / "complete").touch()
    return environment


@pytest.mark.slow
def test_an_environment_is_built_from_the_requirements(trial: Trial) -> None:
    found = verdict(LoadsGate(), trial)
    assert (found.passed, found.reason) == (
        True,
        "it predicts 5 rows in a new environment of its requirements.txt",
    )
    (environment,) = (trial.project.state_dir / clean.FOLDER).iterdir()
    built = (environment / "bin/python").stat().st_mtime_ns
    assert verdict(LoadsGate(), trial).passed
    assert (environment / "bin/python").stat().st_mtime_ns == built


def test_it_is_not_tried_when_another_gate_refuses(trial: Trial) -> None:
    loads, size = judge([LoadsGate(), SizeGate(1, "1B")], trial)
    assert not size.passed
    assert (loads.passed, loads.reason) == (False, "not tried, because other gates refused")
    assert not trial.project.state_dir.exists()


def test_an_environment_of_an_earlier_time_is_taken(trial: Trial) -> None:
    earlier(trial)
    assert verdict(LoadsGate(), trial).passed


def test_a_model_that_does_not_load_there(trial: Trial) -> None:
    earlier(trial)
    (trial.challenger.directory / "model.skops").write_bytes(b"no archive")
    trial.__dict__["model"] = None
    found = verdict(LoadsGate(), trial)
    assert not found.passed
    assert found.reason.startswith("it does not load and predict in a new environment: ")
    assert "File is not a zip file" in found.reason


def test_requirements_that_cannot_be_installed(trial: Trial) -> None:
    requirements(trial).write_text("./there-is-no-such-thing-1.0-py3-none-any.whl\n")
    found = verdict(LoadsGate(), trial)
    assert not found.passed
    assert found.reason.startswith("its requirements cannot be installed: pip says ")
    assert "there-is-no-such-thing" in found.reason
    assert not [*(trial.project.state_dir / clean.FOLDER).glob("*/complete")]


def test_uv_builds_it_where_there_is_one(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = tmp_path / "bin/uv"
    uv.parent.mkdir()
    uv.write_text(
        '#!/bin/sh\necho "$@" >> "$0.log"\n[ "$1" = venv ] && exit 0\n'
        'echo "  x No solution found:" >&2\necho "  because of x" >&2\nexit 1\n'
    )
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}{os.pathsep}{os.environ['PATH']}")
    found = verdict(LoadsGate(), trial)
    assert found.reason == ("its requirements cannot be installed: uv says x No solution found: because of x")
    made, installed = (tmp_path / "bin/uv.log").read_text().splitlines()
    environment = trial.project.state_dir / clean.FOLDER / clean._name(requirements(trial))
    assert made == f"venv --quiet --python {sys.executable} {environment}"
    assert installed == f"pip install --quiet --python {environment}/bin/python -r {requirements(trial)}"


def test_the_time_is_limited(trial: Trial) -> None:
    found = verdict(LoadsGate(timeout=0.01), trial)
    assert not found.passed
    assert found.reason == "cannot be judged: it took longer than 0.01 s, the limit of the gate"


def test_a_model_without_requirements(trial: Trial) -> None:
    requirements(trial).unlink()
    assert verdict(LoadsGate(), trial).reason.startswith(
        "cannot be judged: the model records no requirements: "
    )


def test_few_environments_are_kept(trial: Trial) -> None:
    current = earlier(trial)
    for number in range(4):
        other = current.with_name(f"other{number}")
        shutil.copytree(current, other)
        os.utime(other / "complete", (number, number))
    half = current.with_name("half")
    half.mkdir()
    assert verdict(LoadsGate(), trial).passed
    assert {path.name for path in current.parent.iterdir()} == {current.name, "other3"}


def test_who_builds_the_same_environment_is_waited_for(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another promotion holds the lock; its environment is half-made until it lets go."""
    environment = earlier(trial)
    (environment / "complete").unlink()
    holder = os.open(trial.project.state_dir / "environments.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)

    sleep, waited = time.sleep, []

    def ends(seconds: float) -> None:
        if not waited:
            (environment / "complete").touch()
            os.close(holder)
        waited.append(seconds)
        sleep(seconds)

    with monkeypatch.context() as patch:
        patch.setattr(clean.time, "sleep", ends)
        assert verdict(LoadsGate(), trial).passed
    assert waited


def test_who_builds_for_longer_than_the_gate_has_is_not_waited_for(trial: Trial) -> None:
    environment = earlier(trial)
    holder = os.open(trial.project.state_dir / "environments.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    found = verdict(LoadsGate(timeout=0.2), trial)
    os.close(holder)
    assert not found.passed
    assert "it took longer than 0.2 s, the limit of the gate" in found.reason
    assert environment.is_dir()


def test_other_requirements_have_another_environment(trial: Trial) -> None:
    environment = earlier(trial)
    assert clean._name(requirements(trial)) == environment.name
    requirements(trial).write_text(requirements(trial).read_text() + "# changed\n")
    assert clean._name(requirements(trial)) != environment.name
