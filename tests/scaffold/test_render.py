"""Values reach Python and YAML files unharmed, whatever they contain."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlxkit.scaffold.names import dataset_name, problem_with_name, suggest_name
from mlxkit.scaffold.render import python_literal, render, yaml_scalar

if TYPE_CHECKING:
    from conftest import TmpDir

scalars = st.one_of(st.text(st.characters(codec="utf-8")), st.integers(), st.booleans())


@given(scalars)
def test_python_literals_mean_the_value(value: str | int | bool) -> None:
    assert ast.literal_eval(python_literal(value)) == value


@given(scalars)
def test_yaml_scalars_mean_the_value(value: str | int | bool) -> None:
    assert yaml.safe_load(f"[{yaml_scalar(value)}, x]") == [value, "x"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("Yes", '"Yes"'),
        ("churned", "churned"),
        ("two words", "two words"),
        ("1", '"1"'),
        (1, "1"),
        (True, "true"),
        ("a, b", '"a, b"'),
        ("", '""'),
        ("Größe (cm)", '"Größe (cm)"'),
    ],
)
def test_yaml_scalars(value: object, written: str) -> None:
    assert yaml_scalar(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [("plain", '"plain"'), ('say "hi"', "'say \"hi\"'"), ("it's", '"it\'s"'), (None, "None")],
)
def test_python_literals(value: object, written: str) -> None:
    assert python_literal(value) == written


def test_names_modes_and_line_ends(tmp_dir: TmpDir) -> None:
    tmp_dir.gen({"t/{{ package }}/run.sh.jinja": "\n{{ package }}\n\n\n", "t/empty/.gitkeep": ""})
    (tmp_dir / "t/{{ package }}/run.sh.jinja").chmod(0o755)
    render(tmp_dir / "t", tmp_dir / "out", {"package": "churn"})
    assert (tmp_dir / "out/churn/run.sh").read_bytes() == b"churn\n"
    assert (tmp_dir / "out/churn/run.sh").stat().st_mode & 0o777 == 0o755
    assert (tmp_dir / "out/empty/.gitkeep").read_bytes() == b""


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("customers", "customers"),
        ("2020 Ödd data (1)", "odd_data_1_2020"),
        ("train", "train_rows"),
        ("class", "class_rows"),
        ("日本", "dataset"),
        ("2024", "dataset_2024"),
        ("a" * 50, "a" * 24),
    ],
)
def test_dataset_names(file: str, name: str) -> None:
    assert dataset_name(file) == name
    assert name.isidentifier()


@given(st.text(max_size=60))
def test_a_suggested_name_can_be_used(name: str) -> None:
    assert problem_with_name(suggest_name(name)) is None
