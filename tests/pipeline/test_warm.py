"""How long the workers stay warm, and what they import ahead."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlxkit.errors import UsageError
from mlxkit.pipeline import warm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from small_project import SmallProject

    from conftest import Mlx


@pytest.mark.parametrize(
    ("variables", "terminal", "seconds"),
    [
        ({}, True, 600.0),
        ({}, False, 60.0),
        ({"CI": "true"}, True, 0.0),
        ({"MLX_WARM": "0"}, True, 0.0),
        ({"MLX_WARM": "5", "CI": "true"}, False, 5.0),
        ({"MLX_WARM": ""}, False, 60.0),
    ],
)
def test_who_may_come_back_decides(
    variables: dict[str, str], terminal: bool, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLX_WARM")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert warm.linger_seconds() == seconds


def test_what_is_no_number_is_refused(small: SmallProject, mlx: Mlx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_WARM", "long")
    with pytest.raises(UsageError):
        warm.linger_seconds()
    result = mlx("run")
    assert (result.code, result.err) == (
        2,
        "error: MLX_WARM must be a number of seconds, is 'long'\nhint: run `unset MLX_WARM`\n",
    )
    assert small.reasons()["clean"] == ("never run",)


@pytest.mark.parametrize("module", dict.fromkeys([*warm.STAGES, *warm.RECORD]))
@pytest.mark.filterwarnings("ignore")
def test_what_is_imported_ahead_exists(module: str) -> None:
    assert importlib.import_module(module)


@pytest.fixture
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where workers of this test wait; afterwards none is left."""
    # A socket's path is short, and pytest's folders may be long.
    with tempfile.TemporaryDirectory(prefix="mlx-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if folder.encode() in path.read_bytes():
                    os.kill(int(path.parent.name), signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="workers wait on Linux only")
@pytest.mark.parametrize("seconds", ["30", "0"])
def test_the_first_run_of_a_new_project_finds_workers_that_init_started(
    runtime_folder: Path, seconds: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_WARM", seconds)

    def mlx(*words: str) -> set[Path]:
        subprocess.run(["mlx", *words, "--quiet"], cwd=tmp_path, check=True)
        return set(runtime_folder.rglob("*.sock"))

    waiting = mlx("init", "churn")
    assert len(waiting) == (2 if seconds == "30" else 0)
    assert mlx("-C", "churn", "run", "prepare") == waiting
