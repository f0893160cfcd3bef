from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import TmpDir

MLX_YAML = """\
mlx: 1
project: copies
package: copies
task: regression
target: y
stages:
  first:
    cmd: cp data/in.txt data/middle.txt
    inputs: [data/in.txt]
    outputs: [data/middle.txt]
  second:
    cmd: cp data/middle.txt data/out.txt
    inputs: [data/middle.txt]
    outputs: [data/out.txt]
environments:
  dev: {}
  staging: {tracking: "https://${USER}@mlflow.example.org", branch: release}
"""

Shell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def copies(tmp_dir: TmpDir) -> TmpDir:
    """A project of two commands that has never run; the working folder is its root."""
    return tmp_dir.gen({"mlx.yaml": MLX_YAML, "data/in.txt": "in\n"})


@pytest.fixture
def ran(copies: TmpDir) -> TmpDir:
    """The same project as DVC leaves it after a run."""
    copies.gen({"data/middle.txt": "in\n", "data/out.txt": "in\n", ".dvc/config": ""})
    digest = hashlib.md5(b"in\n").hexdigest()
    copies.gen(f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}", "in\n")

    def entry(path: str) -> dict[str, object]:
        return {"path": path, "hash": "md5", "md5": digest, "size": 3}

    stages = {
        name: {"cmd": f"cp {source} {result}", "deps": [entry(source)], "outs": [entry(result)]}
        for name, source, result in (
            ("first", "data/in.txt", "data/middle.txt"),
            ("second", "data/middle.txt", "data/out.txt"),
        )
    }
    return copies.gen("dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}))


@pytest.fixture
def shell() -> Shell:
    """Run a shell command line in which `mlx` is this source."""

    def call(line: str, *, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        script = f'mlx() {{ "{sys.executable}" -m mlxkit "$@"; }}; {line}'
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", script],
            cwd=folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return call
