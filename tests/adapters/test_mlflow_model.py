"""Models as MLflow directories: same bytes, loadable by MLflow itself, with the code that they need."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from mlxkit.adapters import mlflow_model, skops_archive
from mlxkit.adapters.mlflow_store import quiet
from mlxkit.errors import StageFailed, ToolError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

with quiet():  # its import warns of its own type hints
    import mlflow
    import mlflow.pyfunc

TRAIN_TWICE = """
import sys
from pathlib import Path
import numpy as np, pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from mlxkit.adapters import mlflow_model, skops_archive
from mlxkit.adapters.mlflow_store import quiet

out = Path(sys.argv[1])
rng = np.random.default_rng(0)
rows = pd.DataFrame({
    "age": rng.integers(18, 80, 300), "fee": rng.normal(size=300), "plan": rng.choice(["a", "b", "c"], 300),
})
rows.loc[::7, "fee"] = np.nan
target = np.where(rows.age + 10 * rng.normal(size=300) > 50, "Yes", "No")
inputs = ColumnTransformer([
    ("numbers", SimpleImputer(), ["age", "fee"]), ("words", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
], sparse_threshold=0)
for name, model in {
    "boosted": HistGradientBoostingClassifier(max_iter=20, random_state=0),
    "forest": RandomForestClassifier(10, random_state=0, n_jobs=2),
}.items():
    model = Pipeline([("inputs", inputs), ("model", model)]).fit(rows, target)
    mlflow_model.save_model(
        model, out / name, example=rows, predictions=model.predict(rows.head()),
        extra_files={"training_rows.json": b"{}"},
    )
vocabulary = {word: number for number, word in enumerate(["alpha", "beta"])}
words = TfidfVectorizer(vocabulary=vocabulary).fit(["alpha beta", "beta"])
held = {"set": {"x", "y", "z", "w"}, "frozen": frozenset(["p", "q", "r", "s"]), "words": words}
(out / "sets.skops").write_bytes(skops_archive.dump(held).content)
"""


@pytest.fixture(scope="module")
def trained_twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What two processes made of the same data, with different hash seeds."""
    folders = []
    for seed in ("1", "22"):
        folder = tmp_path_factory.mktemp(f"seed{seed}")
        subprocess.run(
            [sys.executable, "-c", TRAIN_TWICE, str(folder)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        folders.append(folder)
    return folders[0], folders[1]


@pytest.fixture
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"age": rng.integers(18, 80, 60), "fee": rng.normal(size=60), "plan": rng.choice(["a", "b"], 60)}
    )


@pytest.fixture
def pipeline(rows: pd.DataFrame) -> Pipeline:
    inputs = ColumnTransformer(
        [("numbers", SimpleImputer(), ["age", "fee"]), ("words", OneHotEncoder(), ["plan"])],
        sparse_threshold=0,
    )
    model = HistGradientBoostingClassifier(max_iter=3, random_state=0)
    return Pipeline([("inputs", inputs), ("model", model)]).fit(rows, rows.plan == "a")


def save(model: object, directory: Path, rows: pd.DataFrame, **more: Any) -> Path:
    predictions = model.predict(rows.head())  # type: ignore[attr-defined]
    mlflow_model.save_model(model, directory, example=rows, predictions=predictions, **more)
    return directory


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("model", ["boosted", "forest"])
def test_equal_models_have_equal_bytes(trained_twice: tuple[Path, Path], model: str) -> None:
    first, second = (content(folder / model) for folder in trained_twice)
    assert first == second
    assert set(first) == {
        "MLmodel",
        "conda.yaml",
        "input_example.json",
        "model.skops",
        "python_env.yaml",
        "requirements.txt",
        "serving_input_example.json",
        "training_rows.json",
    }


def test_sets_are_stored_in_one_order(trained_twice: tuple[Path, Path]) -> None:
    first, second = ((folder / "sets.skops").read_bytes() for folder in trained_twice)
    assert first == second
    held = pickle.loads(pickle.dumps(_loaded(first)))
    assert held["set"] == {"x", "y", "z", "w"}
    assert held["frozen"] == frozenset("pqrs")


def _loaded(archive: bytes) -> Any:
    import skops.io

    return skops.io.loads(archive, trusted=skops.io.get_untrusted_types(data=archive))


def test_shared_objects_stay_shared(tmp_path: Path) -> None:
    shared = np.arange(3.0)
    held = _loaded(skops_archive.dump({"a": shared, "b": shared, "c": np.arange(3.0)}).content)
    assert held["a"] is held["b"]
    assert held["a"] is not held["c"]


def test_archive_holds_no_address_and_no_date(trained_twice: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(trained_twice[0] / "forest/model.skops") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        names = [Path(name).stem for name in archive.namelist() if name != "schema.json"]
    assert names == [str(number + 1) for number in range(len(names))]


def test_mlmodel_holds_nothing_of_one_run(trained_twice: tuple[Path, Path]) -> None:
    mlmodel = yaml.safe_load((trained_twice[0] / "boosted/MLmodel").read_text())
    assert not {"run_id", "model_id", "model_uuid", "utc_time_created", "artifact_path"} & set(mlmodel)
    assert mlmodel["flavors"]["sklearn"]["skops_trusted_types"] == [
        "numpy.dtype",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    ]


def test_mlflow_loads_what_was_saved(pipeline: Pipeline, rows: pd.DataFrame, tmp_path: Path) -> None:
    saved = save(pipeline, tmp_path / "churn", rows)
    expected = pipeline.predict(rows)
    assert (mlflow_model.load_model(saved).predict(rows) == expected).all()
    assert (mlflow.sklearn.load_model(str(saved)).predict(rows) == expected).all()
    assert (mlflow.pyfunc.load_model(str(saved)).predict(rows) == expected).all()


def test_pyfunc_takes_numbers_as_a_file_gives_them(
    pipeline: Pipeline, rows: pd.DataFrame, tmp_path: Path
) -> None:
    model = mlflow.pyfunc.load_model(str(save(pipeline, tmp_path / "churn", rows)))
    batch = pd.DataFrame({"age": [40.0, np.nan], "fee": [1, 2], "plan": ["a", "b"]})
    assert model.predict(batch).tolist() == pipeline.predict(batch).tolist()


def test_signature_names_the_raw_columns(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "count": [1, 2],
            "price": [1.5, None],
            "plan": ["a", "b"],
            "code": ["17", "x"],
            "note": ["a", None],
            "vip": [True, False],
            "since": pd.to_datetime(["2024-01-01", "2024-02-01"]),
            "size": pd.Categorical(["s", "m"]),
        }
    )
    model = make_pipeline(ColumnTransformer([("n", SimpleImputer(), ["count", "price"])]), LinearRegression())
    model.fit(rows, [1.0, 2.0])
    saved = save(model, tmp_path / "m", rows)
    signature = mlflow.models.get_model_info(str(saved)).signature
    assert {column["name"]: column["type"] for column in signature.inputs.to_dict()} == {
        "count": "any",
        "price": "any",
        "plan": "string",
        "code": "any",
        "note": "any",
        "vip": "boolean",
        "since": "datetime",
        "size": "any",
    }
    assert signature.outputs.to_dict() == [{"type": "double", "required": True}]
    assert mlflow_model.model_columns(saved) == tuple(rows.columns)


def test_requirements_are_pinned_and_few(pipeline: Pipeline, rows: pd.DataFrame, tmp_path: Path) -> None:
    lines = (save(pipeline, tmp_path / "m", rows) / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in lines] == [
        "mlflow",
        "numpy",
        "pandas",
        "scikit-learn",
        "skops",
    ]


def test_requirements_of_a_pickle_name_what_it_needs_and_not_the_project(
    package: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    import shop_of_models.steps as steps  # type: ignore[import-not-found]

    step = steps.Step()
    step.parser = yaml.SafeLoader  # a class of PyYAML, which skops takes; and a lambda, which it does not
    step.own = lambda value: value
    model = make_pipeline(step, LinearRegression()).fit(rows, rows.fee)
    lines = (save(model, tmp_path / "m", rows) / "requirements.txt").read_text().split()
    names = [line.partition("==")[0] for line in lines]
    assert names == ["mlflow", "numpy", "pandas", "scikit-learn", "PyYAML", "cloudpickle"]


def test_a_training_imports_no_library_that_is_not_its_own(tmp_path: Path) -> None:
    code = TRAIN_TWICE + "print(*{'torch', 'xgboost', 'lightgbm', 'dask', 'cupy'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == []


def test_a_save_replaces_what_was_there(pipeline: Pipeline, rows: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/old.txt").write_text("old")
    save(pipeline, tmp_path / "m", rows)
    assert not (tmp_path / "m/old.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_what_skops_cannot_store_is_pickled(rows: pd.DataFrame, tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(lambda frame: frame[["age"]]), LinearRegression()).fit(
        rows, rows.fee
    )
    saved = save(model, tmp_path / "m", rows)
    assert (saved / "model.pkl").exists()
    assert "cloudpickle" in (saved / "requirements.txt").read_text()
    assert mlflow_model.load_model(saved).predict(rows) == pytest.approx(model.predict(rows))


class Doubler(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        return model_input["age"].to_numpy() * 2


def test_python_models_are_stored(rows: pd.DataFrame, tmp_path: Path) -> None:
    mlflow_model.save_model(Doubler(), tmp_path / "m", example=rows, predictions=np.array([2.0]))
    loaded = mlflow_model.load_model(tmp_path / "m")
    assert loaded.predict(rows).tolist() == (rows.age * 2).tolist()


def test_other_objects_are_refused(rows: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(StageFailed) as raised:
        mlflow_model.save_model({"a": 1}, tmp_path / "m", example=rows, predictions=[1])
    assert raised.value.message == "the train function returned an object of type 'builtins.dict'"
    assert "scikit-learn estimator" in raised.value.context[0]


def test_a_function_that_forgets_its_model_returned_nothing(rows: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(StageFailed) as raised:
        mlflow_model.save_model(None, tmp_path / "m", example=rows, predictions=[1])
    assert raised.value.message == "the train function returned nothing"


def test_a_folder_without_model_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no model in"):
        mlflow_model.load_model(tmp_path)


def test_a_broken_model_names_the_requirements(
    pipeline: Pipeline, rows: pd.DataFrame, tmp_path: Path
) -> None:
    saved = save(pipeline, tmp_path / "m", rows)
    (saved / "model.skops").write_bytes(b"no archive")
    with pytest.raises(ToolError) as raised:
        mlflow_model.load_model(saved)
    assert raised.value.hint == f"run `pip install -r '{saved / 'requirements.txt'}'`"


CODE = """
from sklearn.base import BaseEstimator, TransformerMixin
class Step(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self
    def transform(self, X):
        return X[["age"]] * {factor}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project package that can be imported, as a stage has it."""
    folder = tmp_path / "src/shop_of_models"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "steps.py").write_text(CODE.format(factor=1))
    monkeypatch.syspath_prepend(folder.parent)
    yield folder
    for name in [n for n in sys.modules if n.startswith("shop_of_models")]:
        del sys.modules[name]


def test_a_model_brings_its_own_code(package: Path, rows: pd.DataFrame, tmp_path: Path) -> None:
    import shop_of_models.steps as steps  # type: ignore[import-not-found]

    model = make_pipeline(steps.Step(), LinearRegression()).fit(rows, rows.fee)
    expected = model.predict(rows)
    saved = save(model, tmp_path / "m", rows, code_paths=[package])
    before = content(saved)
    assert set(content(saved / "code")) == {"shop_of_models/__init__.py", "shop_of_models/steps.py"}

    same = mlflow_model.load_model(saved)
    assert type(same[0]) is steps.Step

    (package / "steps.py").write_text(CODE.format(factor=100))
    del sys.modules["shop_of_models.steps"], sys.modules["shop_of_models"]
    import shop_of_models.steps as changed

    champion = mlflow_model.load_model(saved)
    assert champion.predict(rows) == pytest.approx(expected)
    assert sys.modules["shop_of_models.steps"] is changed
    assert str(saved / "code") not in sys.path
    assert content(saved) == before
