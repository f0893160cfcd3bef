"""Two trainings in two processes give one model directory, and each loads back and predicts the same."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from zoo.models import MODELS

from mlxkit.adapters.mlflow_model import load_model
from mlxkit.adapters.mlflow_store import quiet
from mlxkit.pipeline.hashing import Hasher

if TYPE_CHECKING:
    from collections.abc import Callable

ZOO = Path(__file__).with_name("zoo")
CATEGORIES_ONLY = ("lightgbm_on_categories", "xgboost_on_categories")
CASES = [(library, name) for library, models in MODELS.items() for name in models]


@pytest.fixture(scope="module")
def trained_twice(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders in which two processes trained all the models, with different seeds of hashes."""
    names = [name for library, name in CASES if importlib.util.find_spec(library)]
    roots, processes = [], []
    for seed in ("1", "22"):
        root = tmp_path_factory.mktemp(f"a project {seed}") / ("x" * int(seed))
        shutil.copytree(ZOO, root / "src/zoo", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "tmp").mkdir()
        changed = {"PYTHONHASHSEED": seed, "TMPDIR": str(root / "tmp"), "PYTHONPATH": str(root / "src")}
        words = [sys.executable, "-m", "zoo.train_all", *names]
        environment = {**os.environ, **changed}
        processes.append(
            subprocess.Popen(words, cwd=root, env=environment, stderr=subprocess.PIPE, text=True)
        )
        roots.append(root)
    for process in processes:
        _, printed = process.communicate()
        assert process.returncode == 0, printed
    return roots


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("library", "name"), CASES)
def test_two_trainings_have_one_hash(
    trained_twice: list[Path], need: Callable[[str], None], library: str, name: str
) -> None:
    need(library)
    first, second = (files(root / "models" / name) for root in trained_twice)
    assert [path for path in first if first[path] != second.get(path)] == []
    hashes = {Hasher(root, root / "memo.json").hash(f"models/{name}") for root in trained_twice}
    assert len(hashes) == 1
    assert str(hashes.pop()).endswith(".dir")


@pytest.mark.parametrize(("library", "name"), CASES)
def test_a_model_loads_back_and_predicts_the_same(
    trained_twice: list[Path], need: Callable[[str], None], library: str, name: str
) -> None:
    need(library)
    root = trained_twice[0]
    rows = pd.read_parquet(root / f"rows/{name}.parquet").drop(columns=["Churn", "y"], errors="ignore")
    expected = np.load(root / f"predicted/{name}.npy", allow_pickle=True)
    with quiet():  # PyTorch warns of read-only arrays
        import mlflow.pyfunc

        loaded = np.asarray(load_model(root / "models" / name).predict(rows))
        plain = mlflow.pyfunc.load_model(str(root / "models" / name))
        assert np.array_equal(loaded, expected)
        if name in CATEGORIES_ONLY:
            # MLflow hands a column of categories on as text, whatever a signature says.
            with pytest.raises(ValueError, match=r"(?i)category|categories|categorical"):
                plain.predict(rows)
        else:
            assert np.array_equal(np.asarray(plain.predict(rows)), expected)
