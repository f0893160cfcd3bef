from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from small_project import STAGES, STEPS

from mlxkit.pipeline import dvc_yaml
from mlxkit.pipeline.command import Command
from mlxkit.pipeline.dvc_yaml import Definition, define, render
from mlxkit.project.load import load

if TYPE_CHECKING:
    from small_project import SmallProject

GOLDEN = Path(__file__).parent / "golden" / "dvc.yaml"
MODEL_STAGES: dict[str, Any] = {
    "prepare": {
        "call": "demo.model:prepare",
        "inputs": {"raw": "data/größe in m².csv"},
        "outputs": {"train": "build/train.csv", "test": "build/test.csv"},
        "params": ["split"],
        "env": {"OMP_NUM_THREADS": "4", "TOKEN": "${DEMO_TOKEN}"},
        "timeout": "5m",
        "retries": 2,
    },
    "train": {
        "call": "demo.model:train",
        "inputs": {"train": "build/train.csv"},
        "outputs": {"model": "models/demo"},
        "params": ["model", "split"],
        "code": ["references/table.csv"],
    },
    "evaluate": {"call": "demo.model:cost"},
    "figures": {"cmd": "python scripts/draw.py", "inputs": ["build"], "outputs": ["reports/figures"]},
    "notes": {
        "cmd": "echo ${USER} > notes.txt",
        "inputs": ["build/train.csv"],
        "outputs": ["notes.txt"],
        "env": {"LANG": "C"},
    },
    "two-lines": {"cmd": "echo 1 > a.txt\necho 2 > b.txt\n", "outputs": ["a.txt", "b.txt"]},
}
MODEL_CODE = """\
from demo import shared


def prepare(raw, test_share): ...


def train(train, trees, target): ...


def cost(model, test, positive): ...
"""


@pytest.fixture
def modelled(bare: SmallProject) -> SmallProject:
    """A project with every kind of stage; it is not there to be run."""
    return bare.write(
        {
            "src/demo/model.py": MODEL_CODE,
            "src/demo/shared.py": "",
            "scripts/draw.py": "import demo.shared\n",
            "references/table.csv": "",
            "params.yaml": {"split": {"test_share": 0.2}, "model": {"trees": 10}},
        }
    ).configure(
        MODEL_STAGES,
        task="classification",
        target="Größe = 1",
        positive="1",
        key="id",
    )


def test_every_kind_of_stage_is_written_as_expected(modelled: SmallProject) -> None:
    assert modelled.check_fix() == GOLDEN.read_text(encoding="utf-8")


def test_the_text_depends_on_nothing_but_the_project(modelled: SmallProject, tmp_path: Path) -> None:
    other = modelled.copy_to(tmp_path / "another place")
    assert other.check_fix() == modelled.check_fix() == modelled.check_fix()


def test_dvc_reads_what_mlx_means(modelled: SmallProject) -> None:
    modelled.check_fix()
    definitions = define(load(modelled.root))
    with modelled.dvc() as repo:
        stages = {stage.name: stage for stage in repo.index.stages}
    assert list(stages) == list(definitions)
    for name, definition in definitions.items():
        stage = stages[name]
        assert stage.cmd == definition.cmd
        assert sorted(d.def_path for d in stage.deps if d.def_path != "params.yaml") == list(definition.deps)
        assert sorted(out.def_path for out in stage.outs if out.use_cache) == list(definition.outputs)
        assert sorted(out.def_path for out in stage.outs if out.metric) == list(definition.metrics)
        assert sorted(p for d in stage.deps for p in getattr(d, "params", ())) == list(definition.params)


ODD_COMMANDS = [
    "echo '  two  spaces'",
    'echo "${HOME}" \\${NOT} $${x}',
    "cat <<< 'a: b' # comment",
    "- x",
    "{a: b}",
    "'quoted'",
    "echo äöü ✓",
    "echo 1\necho 2",
    "true",
    "12",
    "a" * 300 + " --flag " + "b" * 300,
    *(
        Command("odd", call="m:f", context={"target": target}).shell()
        for target in (
            "a --b",
            "x  y",
            "\ufeffid",
            "größe",
            "a\nb",
            "${A}",
            "\\${A}",
            " --",
            "-- --x",
            "\u2028",
            "\x07",
        )
    ),
]


def test_dvc_reads_odd_commands_as_they_are(bare: SmallProject) -> None:
    definitions = {
        f"s{i}": Definition(f"s{i}", cmd, (), (), (), (f"out{i}",), ()) for i, cmd in enumerate(ODD_COMMANDS)
    }
    bare.write({"dvc.yaml": render(definitions)})
    with bare.dvc() as repo:
        assert [stage.cmd for stage in repo.index.stages] == ODD_COMMANDS


UNTOUCHED: dict[str, dict[str, Any]] = {
    "on": {"on": "box"},
    "timeout": {"timeout": "1h"},
    "retries": {"retries": 3},
    "pool": {"pool": "gpu"},
}
TOUCHED: dict[str, dict[str, Any]] = {
    "call": {"call": "demo.steps:other"},
    "env": {"env": {"N": "1"}},
    "an input": {"inputs": {"raw": "data/raw.json", "more": "data/more.json"}},
    "an output": {"outputs": {"cleaned": "build/other.json"}},
    "params": {"params": ["cleaning", "other"]},
    "code": {"code": ["scripts/right.py"]},
}


@pytest.mark.parametrize("changes", UNTOUCHED.values(), ids=UNTOUCHED)
def test_where_and_how_long_a_stage_runs_is_not_in_dvc_yaml(
    small: SmallProject, changes: dict[str, Any]
) -> None:
    small.configure(STAGES, targets={"box": {"ssh": "box"}})
    before = small.check_fix()
    assert small.change_stage("clean", **changes).check_fix() == before


@pytest.mark.parametrize("changes", TOUCHED.values(), ids=TOUCHED)
def test_what_a_stage_computes_is_in_dvc_yaml(small: SmallProject, changes: dict[str, Any]) -> None:
    more = "\ndef other(raw: dict, scale): ...\n"
    small.write({"src/demo/steps.py": small.text("src/demo/steps.py") + more})
    before = small.check_fix()
    # `left` reads the old output, which nothing makes any more in one of the cases: that is allowed.
    assert small.change_stage("clean", **changes).check_fix() != before


def test_a_value_of_mlx_yaml_counts_where_it_is_used(small: SmallProject) -> None:
    small.write({"src/demo/steps.py": STEPS.replace("raw: dict, scale", "raw: dict, scale, target")})
    small.configure(STAGES, target="y")
    before = yaml.safe_load(small.check_fix())["stages"]
    after = yaml.safe_load(small.configure(STAGES, target="z").check_fix())["stages"]
    assert {name for name in before if before[name] != after[name]} == {"clean"}
    assert after["clean"]["cmd"].endswith("--with target=z")


def test_a_dvc_yaml_of_somebody_else_is_left_alone(small: SmallProject, mlx: Any) -> None:
    small.write({"dvc.yaml": "stages: {}\n"})
    result = mlx("check", "--fix")
    assert result.code == 4
    assert result.err == (
        "error: dvc.yaml was not written by mlx, and would be overwritten\n"
        f"  {small.root}/dvc.yaml\n"
        "hint: move its stages into mlx.yaml, then `rm dvc.yaml`\n"
    )
    assert small.text("dvc.yaml") == "stages: {}\n"


def test_a_dvc_yaml_that_was_edited_is_written_anew(small: SmallProject) -> None:
    text = small.check_fix()
    small.write({"dvc.yaml": text.replace("deps:", "deps: # mine")})
    project = load(small.root)
    assert not dvc_yaml.in_step(project, text)
    assert small.check_fix() == text
    assert dvc_yaml.in_step(project, text)
    assert dvc_yaml.write(project, text) is False
