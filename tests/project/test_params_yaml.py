from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxkit.errors import ConfigError, UsageError
from mlxkit.project import yaml12
from mlxkit.project.params import group_values, read_params, set_params

if TYPE_CHECKING:
    from conftest import TmpDir

PARAMS = """\
# how to learn
model:
  depth: 3  # of each tree
  rate: 0.1
  layers: [1, 2]
  note: 'x'

split: {share: 0.2}
"""


@pytest.fixture
def params(tmp_dir: TmpDir) -> TmpDir:
    return tmp_dir.gen("params.yaml", PARAMS)


def test_read(params: TmpDir) -> None:
    assert read_params(params) == {
        "model": {"depth": 3, "rate": 0.1, "layers": [1, 2], "note": "x"},
        "split": {"share": 0.2},
    }


@pytest.mark.parametrize("content", [None, "", "# nothing\n"])
def test_no_parameters(tmp_dir: TmpDir, content: str | None) -> None:
    if content is not None:
        tmp_dir.gen("params.yaml", content)
    assert read_params(tmp_dir) == {}


BROKEN = {
    "key twice": ("model:\n  depth: 3\n  depth: 4\n", ["3:3 model.depth: this key stands here twice"]),
    "no value": ("model:\n  depth:\n", ["2:3 model.depth: has no value; write one, or `null` for None"]),
    "no value in a list": ("a: [1, , 2]\n", None),
    "not a mapping": ("- depth\n", ["1:1 must be a mapping of parameters"]),
    "two problems": (
        "a:\nb: 1\nb: 2\n",
        ["1:1 a: has no value; write one, or `null` for None", "3:1 b: this key stands here twice"],
    ),
}


@pytest.mark.parametrize(("content", "lines"), BROKEN.values(), ids=BROKEN)
def test_broken(tmp_dir: TmpDir, content: str, lines: list[str] | None) -> None:
    tmp_dir.gen("params.yaml", content)
    with pytest.raises(ConfigError) as caught:
        read_params(tmp_dir)
    error = caught.value
    assert error.hint == "edit params.yaml, then run `mlx check`"
    if lines is None:
        assert error.message == "params.yaml is not valid YAML"
    else:
        assert error.context == tuple(f"params.yaml:{line}" for line in lines)


VALUES = {
    "1e-3": 0.001,
    "1e5": 1e5,
    ".5": 0.5,
    "-1.5E+3": -1500.0,
    "1_000": 1000,
    "010": 10,
    "0o17": 15,
    "0x1F": 31,
    "yes": "yes",
    "No": "No",
    "on": "on",
    "TRUE": True,
    "1:30": "1:30",
    "null": None,
    "~": None,
    "2026-01-02": datetime.date(2026, 1, 2),
    "=": "=",
    "._5": 0.5,
}


@pytest.mark.parametrize(("text", "value"), VALUES.items(), ids=VALUES)
def test_values_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = yaml12.load(f"key: {text}")["key"]
    assert (type(found), found) == (type(value), value)


@given(st.text("0123456789+-.eExob_:yntrufalsNoY~", min_size=1, max_size=8))
def test_values_are_those_that_dvc_reads(text: str) -> None:
    """A value that DVC reads otherwise would make a stage stale for ever."""
    ruamel = pytest.importorskip("ruamel.yaml")
    try:
        expected = ruamel.YAML(typ="safe", pure=True).load(f"key: {text}\n")
    except (ruamel.YAMLError, ValueError):
        return
    if isinstance(expected, dict) and expected.get("key") != "=":
        assert repr(yaml12.load(f"key: {text}\n")) == repr(expected)


def set_one(root: TmpDir, setting: str) -> str:
    set_params(root, [setting])
    return (root / "params.yaml").read_text()


SETTINGS = {
    "model.depth=5": ("depth: 3  # of each tree", "depth: 5  # of each tree"),
    "model.rate=1e-3": ("rate: 0.1", "rate: 0.001"),
    "model.rate=null": ("rate: 0.1", "rate: null"),
    "model.rate=yes": ("rate: 0.1", "rate: yes"),
    "model.rate=true": ("rate: 0.1", "rate: true"),
    "model.rate='1'": ("rate: 0.1", "rate: '1'"),
    "model.rate=": ("rate: 0.1", "rate: ''"),
    "model.rate=a=b": ("rate: 0.1", "rate: a=b"),
    "split.share=0.3": ("share: 0.2", "share: 0.3"),
}


@pytest.mark.parametrize(("setting", "edit"), SETTINGS.items(), ids=SETTINGS)
def test_set_changes_one_value_and_nothing_else(params: TmpDir, setting: str, edit: tuple[str, str]) -> None:
    assert set_one(params, setting) == PARAMS.replace(*edit)
    key, _, text = setting.partition("=")
    group, name = key.split(".")
    assert read_params(params)[group][name] == (yaml12.load(text) if text else "")


def test_set_several(params: TmpDir) -> None:
    found = set_params(params, ["model.depth=4", "split.share=0.5", "model.layers=[3]"])
    assert found == {
        "model": {"depth": 4, "rate": 0.1, "layers": [3], "note": "x"},
        "split": {"share": 0.5},
    }


def test_set_nothing_leaves_the_file_alone(params: TmpDir) -> None:
    before = (params / "params.yaml").stat()
    set_params(params, [])
    assert (params / "params.yaml").stat() == before


ADD = "add it to params.yaml first, if it is new"
REFUSED = {
    "model.dept=4": ("params.yaml has no parameter 'model.dept', did you mean 'model.depth'?", ADD),
    "depth=4": ("params.yaml has no parameter 'depth', did you mean 'model.depth'?", ADD),
    "modelx.rate=4": ("params.yaml has no parameter 'modelx.rate', did you mean 'model.rate'?", ADD),
    "xyz=4": ("params.yaml has no parameter 'xyz'", ADD),
    "model.depth.x=4": ("params.yaml has no parameter 'model.depth.x', did you mean 'model.depth'?", ADD),
    "model=4": ("'model' is a group of parameters", "set one of its keys: `--set model.depth=VALUE`"),
    "model.depth": (
        "'model.depth' is no setting",
        "write it as `--set model.learning_rate=0.1`",
    ),
    "=4": ("'=4' is no setting", "write it as `--set model.learning_rate=0.1`"),
    "model.depth={a": ("'{a' is not a YAML value", "quote it: `--set 'model.depth=\"{a\"'`"),
}


@pytest.mark.parametrize(("setting", "told"), REFUSED.items(), ids=REFUSED)
def test_set_refuses(params: TmpDir, setting: str, told: tuple[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        set_params(params, ["model.rate=0.5", setting])
    assert (caught.value.message, caught.value.hint) == told
    assert (params / "params.yaml").read_text() == PARAMS


def test_set_without_a_file(tmp_dir: TmpDir) -> None:
    with pytest.raises(UsageError) as caught:
        set_params(tmp_dir, ["a=1"])
    assert caught.value.message == "there is no parameter to set: params.yaml is missing or empty"
    assert caught.value.hint == "write the parameter into params.yaml first"


def test_groups(params: TmpDir) -> None:
    assert group_values(read_params(params), ("split",)) == {"split": {"share": 0.2}}
    with pytest.raises(ConfigError) as caught:
        group_values(read_params(params), ("split", "modelx"))
    assert caught.value.message == "params.yaml has no group 'modelx'"
    assert caught.value.hint == "add `modelx:` to params.yaml"


def test_keys_may_be_numbers(tmp_dir: TmpDir) -> None:
    tmp_dir.gen("params.yaml", "model:\n  weights: {0: 1.0, 1: 5.0}  # by class\n")
    assert read_params(tmp_dir) == {"model": {"weights": {0: 1.0, 1: 5.0}}}
    set_params(tmp_dir, ["model.weights.1=2.5"])
    assert read_params(tmp_dir) == {"model": {"weights": {0: 1.0, 1: 2.5}}}
    assert (tmp_dir / "params.yaml").read_text() == "model:\n  weights: {0: 1.0, 1: 2.5}  # by class\n"
