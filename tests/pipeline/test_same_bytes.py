"""Byte for byte, `mlx run` leaves what `dvc repro` leaves: outputs, dvc.lock, cache and run cache."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import tabular_project
import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from small_project import SmallProject


def files(folder: Path) -> dict[str, bytes]:
    """Map relative path to content for every file of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def outputs(root: Path) -> dict[str, bytes]:
    """Map path to content for every file of every output that dvc.lock names."""
    stages = yaml.safe_load((root / "dvc.lock").read_text())["stages"].values()
    paths = [root / out["path"] for stage in stages for out in stage["outs"]]
    assert paths
    inside = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in inside if file.is_file()}


def repro(root: Path) -> None:
    """Run the pipeline as a user of DVC does."""
    done = subprocess.run(["dvc", "repro"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_small_project(small: SmallProject, tmp_path: Path) -> None:
    small.check_fix()
    by_dvc = small.copy_to(tmp_path / "by dvc")
    repro(by_dvc.root)
    # In dvc.lock the order of new stages is that in which they ended.
    for name in yaml.safe_load(by_dvc.text("dvc.lock"))["stages"]:
        assert small.run(name).error is None
    assert (small.root / "dvc.lock").read_bytes() == (by_dvc.root / "dvc.lock").read_bytes()
    assert outputs(small.root) == outputs(by_dvc.root)
    assert files(small.root / ".dvc/cache") == files(by_dvc.root / ".dvc/cache")


def test_a_project_with_a_model(tmp_path: Path) -> None:
    by_mlx = tabular_project.make(tmp_path, live=False).root
    by_dvc = tmp_path / "by dvc"
    shutil.copytree(by_mlx, by_dvc)
    repro(by_dvc)
    for name in yaml.safe_load((by_dvc / "dvc.lock").read_text())["stages"]:
        subprocess.run(["mlx", "run", name], cwd=by_mlx, check=True, capture_output=True)
    made = outputs(by_mlx)
    assert {name for name in made if "models/patients/" in name}
    assert [name for name, content in outputs(by_dvc).items() if made.pop(name) != content] == [RECORD]
    assert made == {}
    assert without_record(by_mlx) == without_record(by_dvc)


RECORD = "models/patients.run.json"
"""The name of the run in MLflow, which a plain `dvc repro` does not open."""


def without_record(root: Path) -> dict[str, str]:
    """Return dvc.lock and every object and entry of the cache, but for the name of the run in MLflow."""
    lock = (root / "dvc.lock").read_text()
    path, digest = re.escape(RECORD), r"[0-9a-f]{32}"
    pattern = rf"(?<=path: {path}\n)(\s+hash: md5\n\s+)md5: ({digest})\n\s+size: \d+\n"
    found = re.search(pattern, lock)
    assert found is not None
    cache = files(root / ".dvc/cache")
    del cache[f"files/md5/{found[2][:2]}/{found[2][2:]}"]
    # An entry of the run cache stands under the hash of what it says, below that of what the stage reads.
    entries = {
        name: re.sub(pattern, "", content.decode()) for name, content in cache.items() if "runs/" in name
    }
    hashes = {
        name: hashlib.md5(content).hexdigest() for name, content in cache.items() if name not in entries
    }
    return {
        "dvc.lock": re.sub(pattern, "", lock),
        **{name.rpartition("/")[0]: entry for name, entry in entries.items()},
        **hashes,
    }
