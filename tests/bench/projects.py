"""The two sides of the comparison: the same five stages, written by hand for DVC and MLflow, and for mlx."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MLX_YAML = """\
mlx: 1
project: cells
package: cells
task: classification
target: target
positive: 1
stages:
  clean:
    call: cells.stages:clean
    inputs: {raw: data/raw/cells.csv}
    outputs: {cells: data/interim/cells.parquet}
  features:
    call: cells.stages:features
    inputs: {cells: data/interim/cells.parquet}
    outputs: {features: data/interim/features.parquet}
  split:
    call: cells.stages:split
    inputs: {features: data/interim/features.parquet}
    outputs: {train: data/processed/train.parquet, test: data/processed/test.parquet}
    params: [split]
  train:
    call: cells.train:train
    inputs: {train: data/processed/train.parquet}
    outputs: {model: models/cells}
    params: [model]
  evaluate: {}
"""
PARAMS = "split: {test_size: 0.25, seed: 0}\nmodel: {n_estimators: 100, seed: 0}\n"
STAGES = '''\
"""The stages before the training."""

import pandas as pd


def clean(raw: pd.DataFrame) -> pd.DataFrame:
    return raw.drop_duplicates()


def features(cells: pd.DataFrame) -> pd.DataFrame:
    cells["area per radius"] = cells["mean area"] / cells["mean radius"]
    return cells


def split(features: pd.DataFrame, test_size: float, seed: int) -> dict:
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(
        features, test_size=test_size, random_state=seed, stratify=features["target"]
    )
    return {"train": train, "test": test}
'''
TRAIN = '''\
"""The training."""

import pandas as pd


def train(train: pd.DataFrame, n_estimators: int, seed: int, target: str):
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(n_estimators=n_estimators, random_state=seed)
    return model.fit(train.drop(columns=target), train[target])
'''
DATA = """\
from sklearn.datasets import load_breast_cancer

load_breast_cancer(as_frame=True).frame.to_csv("data/raw/cells.csv", index=False)
"""


def shell(command: str, folder: Path) -> None:
    """Run a command that must succeed, without its output."""
    subprocess.run(command, shell=True, cwd=folder, check=True, capture_output=True)


def write(folder: Path, files: dict[str, str]) -> None:
    """Write text files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def make_mlx(folder: Path) -> Path:
    """Make the project for `mlx run`, with nothing run yet."""
    files = {"mlx.yaml": MLX_YAML, "params.yaml": PARAMS, "src/cells/__init__.py": ""}
    write(folder, {**files, "src/cells/stages.py": STAGES, "src/cells/train.py": TRAIN})
    (folder / "data/raw").mkdir(parents=True)
    subprocess.run([sys.executable, "-c", DATA], cwd=folder, check=True)
    shell("git init -q . && git config user.email b@example.org && git config user.name bench", folder)
    shell("dvc init -q && dvc config core.analytics false && dvc config core.autostage false", folder)
    shell("dvc add -q data/raw/cells.csv && mlx check --fix", folder)
    ignored = "/.mlx\n/mlruns\n/mlflow.db\n/data/interim\n/data/processed\n/models\n__pycache__\n"
    write(folder, {".gitignore": ignored})
    shell("git add -A && git commit -qm start", folder)
    return folder


def make_plain(folder: Path, baseline: Path, *, explicit: bool = False) -> Path:
    """Make the hand-written project of the baseline script; `explicit` gives it its requirements."""
    setting = "EXPLICIT=1 " if explicit else ""
    shell(f"{setting}bash '{baseline}' '{folder}'", baseline.parent)
    return folder


def make_wide(folder: Path, stages: int) -> Path:
    """Make a project of many small stages, each reading the one before."""
    lines = ["mlx: 1", "project: wide", "package: wide", "task: regression", "target: y", "stages:"]
    for number in range(stages):
        before = f"out/{number - 1:03}.txt" if number else "start.txt"
        lines += [
            f"  s{number:03}:",
            f"    cmd: cp {before} out/{number:03}.txt",
            f"    inputs: [{before}]",
            f"    outputs: [out/{number:03}.txt]",
        ]
    write(folder, {"mlx.yaml": "\n".join(lines) + "\n", "start.txt": "1\n", "src/wide/__init__.py": ""})
    shell("git init -q . && dvc init -q && dvc config core.analytics false && mlx check --fix", folder)
    return folder


def make_many_files(folder: Path, files: int) -> Path:
    """Make a project whose one stage reads a folder of many files."""
    write(
        folder,
        {
            "mlx.yaml": "mlx: 1\nproject: many\npackage: many\ntask: regression\ntarget: y\nstages:\n"
            "  count:\n    cmd: ls data | wc -l > count.txt\n    inputs: [data]\n    outputs: [count.txt]\n",
            "src/many/__init__.py": "",
            **{f"data/{number:05}.txt": f"{number}\n" for number in range(files)},
        },
    )
    shell("git init -q . && dvc init -q && dvc config core.analytics false && mlx check --fix", folder)
    return folder
