"""Train models in this process and store them as the train stage does, with what they predict beside them."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np

from mlxkit.adapters.mlflow_model import predictor
from mlxkit.pipeline.command import Command
from mlxkit.pipeline.model_stages import save_trained_model
from zoo.models import MODELS


def main(names: list[str]) -> None:
    root = Path.cwd()
    functions = {name: function for models in MODELS.values() for name, function in models.items()}
    for folder in ("models", "rows", "predicted"):
        (root / folder).mkdir()
    for name in names:
        model, rows, target, task = functions[name]()
        rows.to_parquet(root / f"rows/{name}.parquet")
        command = Command(
            stage="train",
            kind="train",
            bind={"train": f"rows/{name}.parquet"},
            out={"model": f"models/{name}"},
            context={"target": target, "task": task},
            package="zoo",
        )
        save_trained_model(command, model, f"models/{name}", root, run_id=None)
        predicted = np.asarray(predictor(model).predict(rows.drop(columns=target)))
        np.save(root / f"predicted/{name}.npy", predicted, allow_pickle=predicted.dtype == object)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    warnings.simplefilter("ignore")
    main(sys.argv[1:])
