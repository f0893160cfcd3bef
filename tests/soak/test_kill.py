"""A share of the soak: every named step once where DVC copies, and a few random moments on other links."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Kill = Callable[..., list[dict[str, Any]]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]


@pytest.fixture
def kill(tmp_path: Path) -> Kill:
    """Call the script; returns its rounds."""

    def call(*options: str) -> list[dict[str, Any]]:
        script, found = Path(__file__).with_name("kill.py"), tmp_path / "rounds.json"
        command = [sys.executable, str(script), "--folder", str(tmp_path), "--json", str(found), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        rounds: list[dict[str, Any]] = json.loads(found.read_text())
        return rounds

    return call


def test_every_step(kill: Kill) -> None:
    rounds = kill("--links", "copy", "--steps", "one", "--kills", "72", "--together", "8")
    assert len({found["where"] for found in rounds}) == 72
    # Chance decides which passage is meant, and what the kills before have left to do.
    assert sum(found["killed"] for found in rounds) > 60


def test_random_moments_where_outputs_are_the_cache(kill: Kill) -> None:
    rounds = kill("--links", "hardlink,symlink", "--steps", "none", "--kills", "4", "--together", "2")
    assert [found["link"] for found in rounds] == ["hardlink", "symlink"] * 4
