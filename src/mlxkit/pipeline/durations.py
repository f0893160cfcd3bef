"""How long each stage took when it last ran here, to say what a run saved by not running it again."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from mlxkit.project.files import read_mapping, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mlxkit.pipeline.run_result import StageResult


def saved_seconds(state_dir: Path, results: Iterable[StageResult]) -> float:
    """Return the seconds that the stages which did not have to run took when they last ran here."""
    known = _read(state_dir / "seconds.json")
    spared = (known.get(r.name, 0.0) - r.seconds for r in results if r.status in ("fresh", "restored"))
    return sum(max(0.0, seconds) for seconds in spared)


def keep_durations(state_dir: Path, results: Iterable[StageResult]) -> None:
    """Remember how long the stages took that ran; where that cannot be written, it is not known next time."""
    ran = {result.name: round(result.seconds, 3) for result in results if result.status == "ran"}
    if ran:
        path = state_dir / "seconds.json"
        with suppress(OSError):
            write_atomically(path, json.dumps({**_read(path), **ran}).encode())


def _read(path: Path) -> dict[str, float]:
    known = read_mapping(path)
    return {name: float(value) for name, value in known.items() if isinstance(value, int | float)}
