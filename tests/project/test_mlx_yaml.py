"""What a valid mlx.yaml becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlxkit.errors import NotInProjectError
from mlxkit.project.gates import MetricGate
from mlxkit.project.load import find_root
from mlxkit.project.models import Card, Costs, Environment, RemoteTarget, Stage

if TYPE_CHECKING:
    from conftest import Churn, TmpDir


def test_project(churn: Churn) -> None:
    project = churn.load()
    assert (project.name, project.package, project.task, project.target) == (
        "churn",
        "churn",
        "classification",
        "Churn",
    )
    assert list(project.stages) == ["prepare", "features", "train", "evaluate", "figures"]
    assert project.stages["train"] == Stage(
        "train",
        "train",
        call="churn.model:train",
        inputs={"train": "data/train.csv"},
        outputs={"model": "models/churn"},
        params=("model",),
    )
    assert project.gates == (
        MetricGate("roc_auc", minimum=0.8),
        MetricGate("roc_auc", beats="champion", confidence=0.9),
    )
    assert project.drift.max_share == 0.3
    assert project.targets == {"gpu": RemoteTarget("gpu", "gpu-box")}
    assert project.run_record_path == "models/churn.run.json"


def test_evaluate_finds_model_and_rows(churn: Churn) -> None:
    assert churn.load().stages["evaluate"] == Stage(
        "evaluate",
        "evaluate",
        inputs={"model": "models/churn", "test": "data/test.csv"},
        outputs={"metrics": "reports/metrics.json", "evaluation": "reports/evaluation.json"},
    )


def test_a_second_evaluation_has_no_report_unless_it_names_one(churn: Churn) -> None:
    second = "evaluate: {}\n  again:\n    kind: evaluate\n    outputs: {metrics: reports/again.json}"
    stages = churn.edit(("evaluate: {}", second)).load().stages
    assert stages["again"].outputs == {"metrics": "reports/again.json"}
    assert stages["again"].evaluation_path is None
    assert stages["evaluate"].evaluation_path == "reports/evaluation.json"


def test_costs(churn: Churn) -> None:
    line = "positive: Yes\ncosts: {false_positive: 1, false_negative: 5.5}"
    assert churn.load().costs is None
    assert churn.edit(("positive: Yes", line)).load().costs == Costs(1.0, 5.5)


def test_evaluate_takes_what_it_is_given(churn: Churn) -> None:
    stage = (
        churn.edit(("evaluate: {}", "evaluate: {inputs: {test: data/train.csv}}")).load().stages["evaluate"]
    )
    assert stage.inputs == {"model": "models/churn", "test": "data/train.csv"}


def test_cmd_stage_names_paths_by_themselves(churn: Churn) -> None:
    stage = churn.edit(("[reports/figures]", "[reports/figures/]")).load().stages["figures"]
    assert (stage.inputs, stage.outputs) == (
        {"data/rows.csv": "data/rows.csv"},
        {"reports/figures": "reports/figures"},
    )


def test_kind_is_free_of_the_name(churn: Churn) -> None:
    project = churn.edit(("  train:\n", "  fit:\n    kind: train\n")).load()
    assert project.train_stage is not None
    assert project.train_stage.name == "fit"


def test_cmd_may_be_any_program_without_inputs(churn: Churn) -> None:
    stage = churn.edit(
        ("cmd: python -m churn.figures\n    inputs: [data/rows.csv]", "cmd: /usr/bin/env sh ../draw.sh")
    ).load()
    assert stage.stages["figures"].cmd == "/usr/bin/env sh ../draw.sh"


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("Yes", "Yes"),
        ("no", "no"),
        ("on", "on"),
        ('"Yes"', "Yes"),
        ("true", True),
        ("1", 1),
        ('"1"', "1"),
        ("1.5", 1.5),
        ("2026-01-02", "2026-01-02"),
    ],
)
def test_positive_label_as_the_data_has_it(churn: Churn, written: str, label: object) -> None:
    positive = churn.edit(("positive: Yes", f"positive: {written}")).load().positive
    assert (type(positive), positive) == (type(label), label)


@pytest.mark.parametrize(("written", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200)])
def test_timeout(churn: Churn, written: str, seconds: float) -> None:
    project = churn.edit(("  evaluate: {}", f"  evaluate: {{timeout: {written}}}")).load()
    assert project.stages["evaluate"].timeout == seconds


def test_environments_when_none_are_named(churn: Churn) -> None:
    text = "environments: {dev: {}, staging: {}, production: {requires: staging, branch: main}}\n"
    assert churn.edit((text, "")).load().environments == {
        "dev": Environment("dev"),
        "staging": Environment("staging"),
        "production": Environment("production", requires="staging"),
    }


def test_columns_of_text_and_the_function_that_reads_values(churn: Churn) -> None:
    edits = (
        ("stages:", "read: {dtype: {zip: str, 12: str}, keep_default_na: false, na_values: ['']}\nstages:"),
        ("max_share: 0.3", "values: churn.data:prepare"),
    )
    project = churn.edit(*edits).load()
    assert project.read == {"dtype": {"zip": "str", "12": "str"}, "keep_default_na": False, "na_values": [""]}
    assert (project.drift.max_share, project.drift.values) == (0.3, "churn.data:prepare")


def test_a_function_of_values_takes_the_rows_alone(churn: Churn) -> None:
    problems = churn.edit(("max_share: 0.3", "values: churn.data:split")).problems()
    assert problems == ["mlx.yaml:33:9 drift.values: 'churn.data:split' must take one argument, the rows"]


def test_how_raw_data_is_read(churn: Churn) -> None:
    read = r"""read: {sep: "\t", decimal: ",", skiprows: 2, na_values: [-, 999], index_col: false}"""
    project = churn.edit(("stages:", f"{read}\nstages:")).load()
    options = {"sep": "\t", "decimal": ",", "skiprows": 2, "na_values": ["-", "999"], "index_col": False}
    assert project.read == options
    assert project.read_options("data/raw.csv") == options
    assert project.read_options("/elsewhere/new.TSV.gz") == options
    assert project.read_options("data/raw.parquet") == {}
    made = next(iter(project.stages["prepare"].outputs.values()))
    assert project.read_options(made) == {}


def test_sections_may_be_left_empty(churn: Churn) -> None:
    project = churn.edit(
        ("evaluate: {}", "evaluate:"),
        ("drift: {max_share: 0.3}", "drift:"),
        ("dev: {}", "dev: "),
    ).load()
    assert (project.drift.max_share, list(project.environments)) == (0.3, ["dev", "staging", "production"])


def test_anchors_and_merged_keys(churn: Churn) -> None:
    churn.edit(
        ("  prepare:\n    call", "  prepare: &data\n    retries: 2\n    call"),
        (
            "  figures:\n    cmd: python -m churn.figures\n",
            "  figures:\n    <<: *data\n    call: churn.data:look\n",
        ),
        (
            "    inputs: [data/rows.csv]\n    outputs: [reports/figures]",
            "    outputs: {figures: reports/figures}",
        ),
    )
    churn.root.gen(
        "src/churn/data.py", "def prepare(raw): ...\ndef split(rows, share): ...\ndef look(raw): ...\n"
    )
    figures = churn.load().stages["figures"]
    assert (figures.call, figures.retries, figures.inputs) == (
        "churn.data:look",
        2,
        {"raw": "data/raw.csv"},
    )


def test_byte_order_mark(churn: Churn) -> None:
    text = (churn.root / "mlx.yaml").read_bytes()
    assert churn.write(b"\xef\xbb\xbf" + text).load().name == "churn"


def test_root_is_found_from_a_subfolder(churn: Churn) -> None:
    folder = churn.root / "data" / "raw"
    folder.mkdir(parents=True)
    assert find_root(folder) == churn.root


def test_no_root(tmp_dir: TmpDir) -> None:
    with pytest.raises(NotInProjectError) as caught:
        find_root(tmp_dir)
    assert caught.value.message == "there is no mlx.yaml in this folder or above it"
    assert caught.value.context == (str(tmp_dir),)
    assert caught.value.hint == "run `mlx init NAME`, or name the project's folder with `-C DIR`"


def test_what_only_people_know(churn: Churn) -> None:
    text = (
        "card:\n  owner: Ann\n  intended_use: |\n    Sorts.\n\n    A person decides.\n  license: 2.0\ndrift:"
    )
    project = churn.edit(("drift:", text)).load()
    assert project.card == Card(owner="Ann", intended_use="Sorts.\n\nA person decides.", license="2.0")
    assert churn.edit(("drift:", "card:\ndrift:")).load().card == Card()
