"""Predict rows where only what a model needs is installed: a script that imports no part of mlx."""

import pickle
import sys
from pathlib import Path


def main(directory: str, rows: str) -> None:
    """Predict; whatever goes wrong ends the process with its traceback."""
    from mlflow import pyfunc

    model = pyfunc.load_model(directory)
    table = pickle.loads(Path(rows).read_bytes())
    answers = model.predict(table)
    if len(answers) != len(table):
        raise SystemExit(f"the model gave {len(answers)} answers for {len(table)} rows")


if __name__ == "__main__":
    main(*sys.argv[1:])
