"""Stage functions as plain scripts: what each binding and each format looks like, and what cannot be said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import yaml

from mlxkit.errors import Refused
from mlxkit.pipeline.eject import Ejection, plan
from mlxkit.project.load import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conftest import TmpDir

HEADER = """\
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import polars as pl
import pyarrow as pa
"""


def ejected(tmp_dir: TmpDir, source: str, stages: Mapping[str, Any], **more: Any) -> Ejection:
    config = {"mlx": 1, "project": "demo", "package": "demo", "task": "classification", "target": "y"}
    tmp_dir.gen(
        {
            "src/demo/__init__.py": "",
            "src/demo/steps.py": f"{HEADER}\n\n{source}",
            "mlx.yaml": {**config, **more, "stages": stages},
            "params.yaml": {"model": {"rate": 0.1, "depth": 3}, "seed": 7, "only": {"one": 1}},
            "pyproject.toml": '[project]\nname = "demo"\n[tool.ruff]\nline-length = 110\n',
        }
    )
    return plan(load(tmp_dir), force=True)


def body(ejection: Ejection, stage: str = "work") -> list[str]:
    """Return the statements of a script's `main`."""
    text = ejection.written[f"pipeline/{stage}.py"]
    inside = text.partition('"""\n\n\nif __name__')[0].partition("def main() -> None:\n")[2]
    lines = inside.partition("\n\n\nif __name__")[0].splitlines()[1:]
    return [line.removeprefix("    ") for line in lines]


@pytest.mark.parametrize(
    ("annotation", "path", "expression"),
    [
        ("pd.DataFrame", "x.csv", 'pd.read_csv("x.csv", low_memory=False)'),
        ("pd.DataFrame", "x.tsv.gz", 'pd.read_csv("x.tsv.gz", sep="\\t", low_memory=False)'),
        ("pd.DataFrame", "x.json", 'pd.read_json("x.json", dtype=False, convert_dates=False)'),
        ("pd.DataFrame", "x.jsonl", 'pd.read_json("x.jsonl", lines=True, dtype=False, convert_dates=False)'),
        ("pl.DataFrame", "x.parquet", 'pl.read_parquet("x.parquet")'),
        ("pl.DataFrame", "x.csv", 'pl.read_csv("x.csv")'),
        ("pl.DataFrame", "x.tsv", 'pl.read_csv("x.tsv", separator="\\t")'),
        ("pl.DataFrame", "x.jsonl", 'pl.read_ndjson("x.jsonl")'),
        ("pa.Table", "x.parquet", 'pq.read_table("x.parquet")'),
        (
            "pa.Table",
            "x.csv",
            'pa.Table.from_pandas(pd.read_csv("x.csv", low_memory=False), preserve_index=False)',
        ),
        ("dict", "x.json", 'json.loads(Path("x.json").read_text(encoding="utf-8"))'),
        ("dict", "x.yml", 'yaml.safe_load(Path("x.yml").read_text(encoding="utf-8"))'),
        ("str", "x.md", 'Path("x.md").read_text(encoding="utf-8")'),
        ("float", "x.npy", 'np.load("x.npy")'),
        ("object", "x.joblib", 'joblib.load("x.joblib")'),
        ("object", "x.parquet", 'pd.read_parquet("x.parquet")'),
    ],
)
def test_inputs(tmp_dir: TmpDir, annotation: str, path: str, expression: str) -> None:
    source = f"def do(data: {annotation}) -> str:\n    return ''\n"
    stage = {"call": "demo.steps:do", "inputs": {"data": path}, "outputs": {"text": "out.txt"}}
    assert body(ejected(tmp_dir, source, {"work": stage})) == [
        f"data = {expression}",
        "text = do(data=data)",
        'Path("out.txt").write_text(text, encoding="utf-8")',
    ]


@pytest.mark.parametrize(
    ("annotation", "expression"),
    [
        ("pd.DataFrame", "pd.read_csv({})"),
        ("pl.DataFrame", "pl.from_pandas(pd.read_csv({}))"),
        ("object", "pd.read_csv({})"),
    ],
)
def test_inputs_that_no_stage_makes_are_read_as_mlx_yaml_says(
    tmp_dir: TmpDir, annotation: str, expression: str
) -> None:
    source = f"def do(data: {annotation}) -> str:\n    return ''\n"
    stage = {"call": "demo.steps:do", "inputs": {"data": "x.csv"}, "outputs": {"text": "out.txt"}}
    read = {"sep": "\t", "na_values": ["-"], "skiprows": 2}
    arguments = '"x.csv", sep="\\t", na_values=["-"], skiprows=2, low_memory=False'
    assert (
        body(ejected(tmp_dir, source, {"work": stage}, read=read))[0]
        == f"data = {expression.format(arguments)}"
    )


@pytest.mark.parametrize(
    ("annotation", "path", "statement"),
    [
        ("pd.DataFrame", "x.parquet", 'data.to_parquet("x.parquet")'),
        ("pd.Series", "x.parquet", 'data.to_frame().to_parquet("x.parquet")'),
        ("pd.DataFrame", "x.csv", 'data.to_csv("x.csv", index=False)'),
        (
            "pd.DataFrame",
            "x.tsv.gz",
            'data.to_csv("x.tsv.gz", index=False, sep="\\t", compression={"method": "gzip", "mtime": 0})',
        ),
        ("pd.DataFrame", "x.json", 'data.to_json("x.json", orient="records", indent=2, date_format="iso")'),
        (
            "pd.DataFrame",
            "x.jsonl",
            'data.to_json("x.jsonl", orient="records", lines=True, date_format="iso")',
        ),
        ("pl.DataFrame", "x.parquet", 'data.write_parquet("x.parquet")'),
        ("pl.DataFrame", "x.csv", 'data.to_pandas().to_csv("x.csv", index=False)'),
        ("pa.Table", "x.parquet", 'pq.write_table(data, "x.parquet")'),
        ("dict", "x.json", 'Path("x.json").write_text(json.dumps(data, indent=2) + "\\n")'),
        ("Settings", "x.json", 'Path("x.json").write_text(json.dumps(asdict(data), indent=2) + "\\n")'),
        ("object", "x.npy", 'np.save("x.npy", data)'),
        ("object", "x.pkl", 'joblib.dump(data, "x.pkl")'),
    ],
)
def test_outputs(tmp_dir: TmpDir, annotation: str, path: str, statement: str) -> None:
    source = f"@dataclass\nclass Settings:\n    a: int\n\n\ndef do() -> {annotation}:\n    return None\n"
    stage = {"call": "demo.steps:do", "outputs": {"data": path}}
    assert body(ejected(tmp_dir, source, {"work": stage})) == ["data = do()", statement]


def test_parameters_and_values_of_mlx_yaml(tmp_dir: TmpDir) -> None:
    source = """\
@dataclass
class Model:
    rate: float
    depth: int


def do(rate: float, depth: int, seed: int, one: int, target: str, positive, protected, key, time=None) -> str:
    return ""


def grouped(model: Model, only: dict, late: int = 3) -> str:
    return ""
"""
    stages = {
        "work": {
            "call": "demo.steps:do",
            "outputs": {"text": "out.txt"},
            "params": ["model", "seed", "only"],
        },
        "other": {
            "call": "demo.steps:grouped",
            "outputs": {"text": "other.txt"},
            "params": ["model", "only"],
        },
    }
    made = ejected(tmp_dir, source, stages, positive='so "so"', protected=["a", "b"])
    assert body(made) == [
        'params = YAML(typ="safe").load(Path("params.yaml"))',
        "text = do(",
        '    seed=params["seed"],',
        '    one=params["only"]["one"],',
        '    target="y",',
        "    positive='so \"so\"',",
        '    protected=["a", "b"],',
        "    key=None,",
        '    **params["model"],',
        ")",
        'Path("out.txt").write_text(text, encoding="utf-8")',
    ]
    assert body(made, "other")[1] == 'text = grouped(model=Model(**params["model"]), only=params["only"])'
    assert "from demo.steps import Model, grouped\n" in made.written["pipeline/other.py"]


def test_names_that_are_taken_get_an_ending(tmp_dir: TmpDir) -> None:
    source = "def left(json: dict, list: str) -> dict:\n    return json\n"
    stage = {
        "call": "demo.steps:left",
        "inputs": {"json": "in.json", "list": "in.txt"},
        "outputs": {"left": "a.json"},
    }
    assert body(ejected(tmp_dir, source, {"work": stage})) == [
        'json_input = json.loads(Path("in.json").read_text(encoding="utf-8"))',
        'list_input = Path("in.txt").read_text(encoding="utf-8")',
        "left_result = left(json=json_input, list=list_input)",
        'Path("a.json").write_text(json.dumps(left_result, indent=2) + "\\n")',
    ]


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        ("Two", "...", ["a, b = do()", 'a.to_csv("a.csv", index=False)']),
        ("More", "...", ["results = do()", 'results.a.to_csv("a.csv", index=False)']),
        ("dict[str, pd.DataFrame]", "x", ["results = do()", 'results["a"].to_csv("a.csv", index=False)']),
    ],
)
def test_several_outputs(tmp_dir: TmpDir, annotation: str, value: str, expected: list[str]) -> None:
    source = f"""\
class Two(NamedTuple):
    a: pd.DataFrame
    b: pd.DataFrame


class More(NamedTuple):
    a: pd.DataFrame
    b: pd.DataFrame
    c: int


def do() -> {annotation}:
    return {value}
"""
    stage = {"call": "demo.steps:do", "outputs": {"a": "a.csv", "b": "b.csv"}}
    assert body(ejected(tmp_dir, source, {"work": stage}))[:2] == expected


def test_one_output_inside_a_dict(tmp_dir: TmpDir) -> None:
    source = 'def do():\n    return {"a": {"n": 1}}\n\n\ndef whole():\n    return {"n": 1}\n'
    stages = {
        "work": {"call": "demo.steps:do", "outputs": {"a": "a.json"}},
        "other": {"call": "demo.steps:whole", "outputs": {"b": "b.json"}},
    }
    with pytest.raises(Refused) as caught:
        ejected(tmp_dir, source, stages)
    assert caught.value.context == (
        "work: demo.steps:do: its source does not tell what it returns for 'a.json'; "
        "annotate its return type",
    )
    typed = source.replace("def do():", "def do() -> dict[str, dict]:")
    made = ejected(tmp_dir, typed, stages)
    assert body(made)[1] == 'Path("a.json").write_text(json.dumps(results["a"], indent=2) + "\\n")'
    assert body(made, "other")[1] == 'Path("b.json").write_text(json.dumps(b, indent=2) + "\\n")'


def test_variables_and_env_files(tmp_dir: TmpDir) -> None:
    source = "def do() -> str:\n    return os.environ['TOKEN']\n"
    stages = {
        "work": {
            "call": "demo.steps:do",
            "outputs": {"text": "out.txt"},
            "env": {"TOKEN": "${A}", "BOTH": "${A}-${B}", "PLAIN": "a b"},
        },
        "shell": {"cmd": "make x\nmake y", "outputs": ["y"], "env": {"CC": "gcc -O2"}},
        "secret": {"cmd": "fetch ${URL}", "outputs": ["z"]},
    }
    made = ejected(tmp_dir, source, stages)
    assert body(made)[:3] == [
        "load_dotenv()",
        'os.environ["TOKEN"] = os.environ["A"]',
        'os.environ["BOTH"] = os.environ["A"] + "-" + os.environ["B"]',
    ]
    commands = {n: s["cmd"] for n, s in yaml.safe_load(made.changed["dvc.yaml"])["stages"].items()}
    assert commands == {
        "work": "PLAIN='a b' python pipeline/work.py",
        "shell": "export CC='gcc -O2' && make x\nexport CC='gcc -O2' && make y",
        "secret": "touch .env && dotenv run --no-override -- sh -c 'fetch \\${URL}'",
    }


@pytest.mark.parametrize(
    ("source", "stage", "reason"),
    [
        (
            "def do():\n    return pd.DataFrame()\n",
            {"outputs": {"a": "a.csv"}},
            "its source does not tell what it returns for 'a.csv'; annotate its return type",
        ),
        (
            "def do() -> tuple:\n    return 1, 2\n",
            {"outputs": {"a": "a.csv", "b": "b.csv"}},
            "its source does not tell how it returns 'a'; return a NamedTuple with typed fields",
        ),
        (
            "def do(**more) -> str:\n    return ''\n",
            {"outputs": {"a": "a.txt"}},
            "its source does not show its parameters; name a function of its own, without a decorator "
            "and without `**`",
        ),
        (
            "def do(a: object) -> str:\n    return ''\n",
            {"inputs": {"a": "folder"}, "outputs": {"b": "b.txt"}},
            "it is unknown how to load 'folder'; annotate the parameter as `Path`",
        ),
        (
            "def do(a: pd.DataFrame) -> str:\n    return ''\n",
            {"inputs": {"a": "a.xlsx"}, "outputs": {"b": "b.txt"}},
            "'a.xlsx' is no table; annotate the parameter as `Path`",
        ),
        (
            "def do() -> float:\n    return 0.5\n",
            {"outputs": {"a": "a.csv"}},
            "'float' cannot be saved as 'a.csv'",
        ),
    ],
)
def test_what_cannot_be_said(tmp_dir: TmpDir, source: str, stage: Mapping[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as caught:
        ejected(tmp_dir, source, {"work": {"call": "demo.steps:do", **stage}})
    assert caught.value.message == "stage 'work' cannot be written without mlx"
    assert caught.value.context == (f"work: demo.steps:do: {reason}",)
    assert caught.value.hint == "change what is named here, then run `mlx eject` again"


def test_everything_that_cannot_be_said_is_said_at_once(tmp_dir: TmpDir) -> None:
    stages = {
        "work": {"call": "demo.steps:do", "outputs": {"a": "a.csv"}},
        "shell": {"cmd": "mlx runs > runs.txt", "outputs": ["runs.txt"]},
        "a-b": {"call": "demo.steps:fine", "outputs": {"c": "c.txt"}},
        "a_b": {"call": "demo.steps:fine", "outputs": {"d": "d.txt"}},
    }
    source = "def do():\n    return 1\n\n\ndef fine() -> str:\n    return ''\n"
    with pytest.raises(Refused) as caught:
        ejected(tmp_dir, source, stages)
    assert caught.value.message == "stages 'work' and 'shell' and 'a_b' cannot be written without mlx"
    assert caught.value.context[1:] == (
        "shell: its command calls mlx",
        "a_b: demo.steps:fine: another stage has its script in 'pipeline/a_b.py'; rename one of them",
    )


TRAIN = {
    "prepare": {"cmd": "true", "outputs": ["train.csv", "test.csv"]},
    "train": {
        "call": "demo.steps:train",
        "inputs": {"train": "train.csv"},
        "outputs": {"model": "models/demo", "notes": "notes.txt"},
        "params": ["model"],
    },
    "evaluate": {"inputs": {"test": "test.csv"}},
}
MLMODEL = {
    "flavors": {"sklearn": {"serialization_format": "cloudpickle"}},
    "signature": {"inputs": '[{"name": "a", "type": "any"}]'},
}


def trained(tmp_dir: TmpDir, mlmodel: Mapping[str, Any], labels: list[Any]) -> None:
    """Leave what a run would have left."""
    rows = pd.DataFrame({"a": range(len(labels)), "y": labels})
    for name in ("train.csv", "test.csv"):
        rows.to_csv(tmp_dir / name, index=False)
    metrics = {"accuracy": 1.0, "log_loss": 0.1, "brier": 0.1, "mine": 3.0}
    tmp_dir.gen(
        {
            "models/demo/MLmodel": yaml.safe_dump(dict(mlmodel)),
            "models/demo/requirements.txt": "cloudpickle==3.1\nscikit-learn==1.9\n",
            "reports/metrics.json": {**metrics, "baseline": metrics},
        }
    )


SEVERAL = """\
class Trained(NamedTuple):
    model: object
    notes: str


def train(train: pd.DataFrame, target: str, rate: float, depth: int) -> Trained:
    return Trained(None, "")
"""


def test_a_training_with_more_outputs_and_columns_in_the_order_of_the_file(tmp_dir: TmpDir) -> None:
    trained(tmp_dir, MLMODEL, [0, 1])
    made = ejected(tmp_dir, SEVERAL, TRAIN)
    assert body(made, "train") == [
        'params = YAML(typ="safe").load(Path("params.yaml"))',
        'train_input = pd.read_csv("train.csv", low_memory=False)',
        'Path("models").mkdir(parents=True, exist_ok=True)',
        'mlflow.set_experiment("demo")',
        "with mlflow.start_run() as run:",
        "    used = {group: params[group] for group in GROUPS}",
        '    mlflow.log_params(pd.json_normalize(used).to_dict("records")[0])',
        '    model, notes = train(train=train_input, target="y", **params["model"])',
        '    rows = train_input.drop(columns="y")',
        "    signature = infer_signature(model_output=model.predict(rows))",
        "    # `any`, since a column of raw rows holds whole numbers, fractions or gaps, as it comes.",
        "    signature.inputs = Schema([ColSpec(AnyType(), name) for name in rows.columns])",
        "    logged = mlflow.sklearn.log_model(",
        "        model,",
        '        name="demo",',
        "        signature=signature,",
        "        input_example=rows.head(),",
        '        code_paths=["src/demo"],',
        '        pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],',
        '        serialization_format="cloudpickle",',
        "    )",
        'mlflow.artifacts.download_artifacts(logged.model_uri, dst_path="models/demo")',
        'record = json.dumps({"run_id": run.info.run_id})',
        'Path("models/demo.run.json").write_text(record + "\\n")',
        'Path("notes.txt").write_text(notes, encoding="utf-8")',
    ]
    assert (
        '\nGROUPS = ["model"]\nREQUIREMENTS = ["cloudpickle", "scikit-learn"]\n'
        in made.written["pipeline/train.py"]
    )


@pytest.mark.parametrize(
    ("flavors", "call"),
    [
        ({"xgboost": {"model_class": "xgboost.sklearn.XGBClassifier"}}, "mlflow.xgboost.log_model"),
        ({"lightgbm": {"model_class": "lightgbm.basic.Booster"}}, "mlflow.lightgbm.log_model"),
        ({"pytorch": {}}, "mlflow.pytorch.log_model"),
        ({"python_function": {}}, "mlflow.pyfunc.log_model"),
    ],
)
def test_kinds_of_models(tmp_dir: TmpDir, flavors: Mapping[str, Any], call: str) -> None:
    trained(tmp_dir, {**MLMODEL, "flavors": flavors}, [0, 1])
    written = ejected(tmp_dir, SEVERAL, TRAIN).written
    assert f"logged = {call}(\n" in written["pipeline/train.py"]
    reader = "mlflow.xgboost" if "xgboost" in flavors else "mlflow.pyfunc"
    assert f'model = {reader}.load_model("models/demo")\n' in written["pipeline/evaluate.py"]
    numbers = "pytorch" in flavors or "lightgbm" in flavors
    assert ("score(Answers(model, rows), rows, truth)" in written["pipeline/evaluate.py"]) == numbers
    asks = "infer_signature(model_output=" in written["pipeline/train.py"]
    assert asks == ("xgboost" in flavors)


def test_the_positive_label_is_written_as_the_rows_have_it(tmp_dir: TmpDir) -> None:
    trained(tmp_dir, MLMODEL, [0, 1])
    made = ejected(tmp_dir, SEVERAL, TRAIN, positive="1")
    assert "\nPOSITIVE = 1\n" in made.written["pipeline/evaluate.py"]
    trained(tmp_dir, MLMODEL, ["a", "b", "c"])
    text = ejected(tmp_dir, SEVERAL, TRAIN).written["pipeline/evaluate.py"]
    assert "POSITIVE" not in text
    assert '        "brier": ((ones - probabilities) ** 2).sum(axis=1).mean(),\n' in text


def test_a_server_named_in_mlx_yaml(tmp_dir: TmpDir) -> None:
    trained(tmp_dir, MLMODEL, [0, 1])
    server = {"dev": {"tracking": "http://${HOST}"}}
    written = ejected(tmp_dir, SEVERAL, TRAIN, environments=server).written
    address = 'os.environ.get("MLFLOW_TRACKING_URI") or "http://" + os.environ["HOST"]'
    line = f"    mlflow.set_tracking_uri({address})\n"
    for name in ("train", "evaluate", "register"):
        text = written[f"pipeline/{name}.py"]
        assert line in text
        assert text.index("    load_dotenv()\n") < text.index(line)


def test_without_a_run_there_is_nothing_to_go_by(tmp_dir: TmpDir) -> None:
    with pytest.raises(Refused) as caught:
        ejected(tmp_dir, SEVERAL, TRAIN)
    assert caught.value.message == (
        "the scripts depend on what the last run made, and 'models/demo/MLmodel' is not here"
    )
    assert caught.value.hint == "run `mlx run` first"
