from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def call(folder: Path, *words: str, **environment: str) -> Done:
    """Run a command as a user would, and wait for it."""
    import os

    done = subprocess.run(
        words,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    return Done(done.returncode, done.stdout, done.stderr)


def good(folder: Path, *words: str, **environment: str) -> Done:
    """Run a command that must succeed."""
    done = call(folder, *words, **environment)
    assert done.code == 0, f"{words}: {done.code}\n{done.out}\n{done.err}"
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("first ten minutes ü")
