"""Processes on the box that end each other: the right ones, at the right time."""

from __future__ import annotations

import fcntl
import io
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from mlxkit.targets.box import receive, supervise
from mlxkit.targets.box.garbage import collect
from mlxkit.targets.box.places import Places
from mlxkit.targets.box.supervise import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = "train-1"
LONG_AGO = 1.0


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(tmp_path / "mlx")
    found.job(JOB).work.mkdir(parents=True)
    return found


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with mlx."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@pytest.fixture
def _own_signals() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="nothing tells what a process is")  # noqa: PTH112
def test_a_number_that_belongs_to_another_process_by_now_ends_none(
    places: Places, stranger: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has the lock has not written its number yet; there is that of one that ended long ago."""
    holder = os.open(places.job(JOB).receiving, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(holder, fcntl.LOCK_EX)
    os.write(holder, str(stranger.pid).encode())
    monkeypatch.setattr(receive.time, "sleep", lambda seconds: os.close(holder))
    found = receive.receive(places, {"job": JOB, "objects": []}, io.BytesIO())
    assert found == {"broken": [], "whole": True}
    assert places.job(JOB).receiving.read_bytes() == b""
    stranger.terminate()
    assert stranger.wait() == -signal.SIGTERM


@pytest.mark.usefixtures("_own_signals")
def test_a_second_wish_to_end_a_job_does_not_keep_its_end_from_being_said(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(places, places.job(JOB))

    def meanwhile() -> dict[str, str]:
        os.kill(os.getpid(), signal.SIGUSR1)
        return {}

    monkeypatch.setattr(supervise, "library_versions", meanwhile)
    supervisor.end({"exit_code": None, "signal": int(signal.SIGTERM)})
    end = places.job(JOB).read("end")
    assert end is not None
    assert (end["signal"], end["cancelled"]) == (signal.SIGTERM, True)


def test_a_job_whose_data_arrives_for_more_than_a_day_stays(places: Places) -> None:
    job = places.job(JOB)
    stored = places.object("0" * 32)
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"rows")
    job.write("wants", {"objects": ["0" * 32]})
    holder = os.open(job.receiving, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(holder, fcntl.LOCK_EX)
    for path in (stored, job.folder):
        os.utime(path, (LONG_AGO, LONG_AGO))
    request = {"days": 0, "delete": True, "closed": []}
    collect(places, request)
    assert (job.folder.is_dir(), stored.is_file()) == (True, True)
    os.close(holder)
    collect(places, request)
    assert (job.folder.exists(), stored.exists()) == (False, False)
