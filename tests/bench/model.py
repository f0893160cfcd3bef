"""Is the model of a new project as good as boosted trees with scikit-learn's defaults?

    python tests/bench/model.py customers.csv --target Churn
    python tests/bench/model.py hours.csv --target cnt --drop casual --drop registered
    python tests/bench/model.py --tables            the tables of tables.py; with words, those named so

The project is generated, and its own functions split the rows, choose and train. The other side is
`HistGradientBoosting` with default parameters on the same columns of the same rows, categories as ordinal
codes and dates as the same parts. Both are scored on the project's test rows; the interval is that of a
paired bootstrap over them. A line ends with `worse` when even its upper end lies below -0.005.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline

sys.path.insert(0, str(Path(__file__).parent))

from tables import TABLES

from mlxkit.evaluation.clusters import clusters_of
from mlxkit.evaluation.comparison import compare
from mlxkit.evaluation.predictions import predict
from mlxkit.scaffold.project_tree import Scaffolded, scaffold
from mlxkit.scaffold.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLERATED = -0.005
TITLES = (
    "table",
    "rows",
    "metric",
    "model",
    "defaults",
    "difference",
    "95 % interval",
    "chosen",
    "choose",
    "train",
)


@dataclass(frozen=True)
class Result:
    """One table: scores on the test rows, the difference with its interval, and seconds."""

    name: str
    rows: int
    metric: str
    ours: float
    theirs: float
    lower: float
    upper: float
    choice: dict[str, Any]
    choosing: float
    training: float

    @property
    def cells(self) -> tuple[str, ...]:
        """The line of the table."""
        margin = f" {self.choice['margin']:+.3f}" if "margin" in self.choice else ""
        return (
            self.name,
            str(self.rows),
            self.metric,
            f"{self.ours:.4f}",
            f"{self.theirs:.4f}",
            f"{self.ours - self.theirs:+.4f}",
            f"{self.lower:+.4f} to {self.upper:+.4f}",
            f"{self.choice['model']}{margin}",
            f"{self.choosing:.1f} s",
            f"{self.training:.1f} s{'  worse' if self.upper < TOLERATED else ''}",
        )


def measure(name: str, request: Request) -> Result:
    """Generate a project, let it choose and train, and compare it with the defaults."""
    made = scaffold(request)
    answers, part = made.answers, _modules(made)
    params = yaml.safe_load((made.root / "params.yaml").read_text(encoding="utf-8"))
    raw = made.root / made.raw_path
    rows = pd.read_parquet(raw) if raw.suffix == ".parquet" else pd.read_csv(raw, low_memory=False)
    data = part["data.make_dataset"]
    split = part["features.build_features"].split_rows(
        data.make_dataset(rows, answers.target), **params["split"]
    )
    started = time.perf_counter()
    choice = part["models.choose_model"].choose_model(
        split.train, answers.target, **params["choice"], model=params["model"]
    )
    chosen = time.perf_counter()
    model = part["models.train_model"].train_model(split.train, answers.target, choice)
    trained = time.perf_counter()
    defaults = _defaults(made, part).fit(split.train[data.FEATURES], split.train[answers.target])
    lower, upper, ours, theirs = _compared(made, split.test, model, defaults)
    return Result(
        name,
        len(rows),
        answers.gate.metric,
        ours,
        theirs,
        lower,
        upper,
        choice,
        chosen - started,
        trained - chosen,
    )


def _modules(made: Scaffolded) -> dict[str, Any]:
    sys.path.insert(0, str(made.root / "src"))
    names = ("data.make_dataset", "features.build_features", "models.choose_model", "models.train_model")
    return {name: importlib.import_module(f"{made.answers.package}.{name}") for name in names}


def _defaults(made: Scaffolded, part: dict[str, Any]) -> Any:
    features = part["features.build_features"].build_features()
    if made.answers.categories:
        features.set_params(categories__ordinalencoder__max_categories=None)
    is_classes = made.answers.task == "classification"
    trees = HistGradientBoostingClassifier if is_classes else HistGradientBoostingRegressor
    return make_pipeline(features, trees(random_state=0))


def _compared(
    made: Scaffolded, test: pd.DataFrame, ours: Any, theirs: Any
) -> tuple[float, float, float, float]:
    """Return the interval of the difference, and both scores."""
    answers = made.answers
    both = [predict(model, test, answers.task, target=answers.target) for model in (ours, theirs)]
    lower, upper = (
        compare(
            answers.gate.metric,
            answers.task,
            test[answers.target],
            *sides,
            positive=answers.positive,
            clusters=clusters_of(test, answers.key),
            confidence=0.975,
        )
        for sides in (both, both[::-1])
    )
    return lower.lower, -upper.lower, lower.challenger, lower.champion


def _requests(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Request]]:
    if options.file is not None:
        yield (
            options.file.name,
            Request(
                folder / "bench-file",
                options.file,
                target=options.target,
                key=options.key,
                drop=tuple(options.drop),
            ),
        )
    wanted = [name for name in TABLES if options.tables is not None and _is_wanted(name, options.tables)]
    for name in wanted:
        file = folder / f"t{list(TABLES).index(name)}.csv"
        table = TABLES[name]()
        table.rows.to_csv(file, index=False)
        yield name, Request(folder / f"bench-{file.stem}", file, target="target", **table.options)


def _is_wanted(name: str, words: list[str]) -> bool:
    return not words or any(word in name for word in words)


def main() -> None:
    """Print a line for each table, as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--target")
    parser.add_argument("--key")
    parser.add_argument("--drop", action="append", default=[])
    parser.add_argument("--tables", nargs="*")
    options = parser.parse_args()
    _say(f"| {' | '.join(TITLES)} |\n|{'---|' * len(TITLES)}")
    with tempfile.TemporaryDirectory(prefix="mlx-bench-") as folder:
        for name, request in _requests(options, Path(folder)):
            _say(f"| {' | '.join(measure(name, request).cells)} |")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
