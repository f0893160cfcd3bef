"""How long the workers stay warm, and what they import ahead."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from mlxkit.errors import UsageError
from mlxkit.pipeline import warm

if TYPE_CHECKING:
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
