from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pytest

from mlxkit.errors import StageFailed
from mlxkit.pipeline.binding import bind
from mlxkit.pipeline.command import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas
    from pandas import DataFrame


@dataclasses.dataclass(frozen=True)
class Model:
    rate: float
    depth: int = 3


class Pair(NamedTuple):
    train: dict[str, Any]
    test: dict[str, Any]


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("a,b\n1,x\n")
    Path("raw.json").write_text(json.dumps({"n": 1}))


def bound(
    function: Callable[..., Any], params: Mapping[str, Any] | None = None, **command: Any
) -> dict[str, Any]:
    defaults = {"stage": "s", "call": "m:f", "bind": {"rows": "rows.csv", "raw": "raw.json"}}
    return bind(function, Command(**{**defaults, **command}), params or {})[0]


def test_the_annotation_decides_how_an_input_is_given() -> None:
    def pandas_(rows: pd.DataFrame): ...

    def named(rows: DataFrame): ...

    def qualified(rows: pandas.DataFrame): ...

    def arrow(rows: pa.Table): ...

    def path(rows: Path): ...

    def qualified_path(rows: pathlib.Path): ...

    def nothing(rows): ...

    def parsed(raw: dict): ...

    def parsed_list(raw: list[int]): ...

    def unknown(raw: NoSuchType): ...  # noqa: F821

    for function in (pandas_, named, qualified, nothing):
        assert isinstance(bound(function)["rows"], pd.DataFrame), function
    assert isinstance(bound(arrow)["rows"], pa.Table)
    assert bound(path) == bound(qualified_path) == {"rows": Path("rows.csv")}
    for function in (parsed, parsed_list, unknown):
        assert bound(function) == {"raw": {"n": 1}}


def test_one_name_that_cannot_be_resolved_does_not_hide_the_others() -> None:
    def f(rows: OnlyForTypeCheckers, model: Model, raw: Path): ...  # noqa: F821

    arguments = bound(f, {"model": {"rate": 0.1}})
    assert arguments["model"] == Model(0.1)
    assert arguments["raw"] == Path("raw.json")


def test_parameters_come_by_their_names_or_as_a_group() -> None:
    params = {"model": {"rate": 0.1, "depth": 2}, "seed": 7}

    def f(rate, depth: int, seed, model: dict): ...

    assert bound(f, params) == {"rate": 0.1, "depth": 2, "seed": 7, "model": {"rate": 0.1, "depth": 2}}


def test_a_dataclass_takes_a_group() -> None:
    def f(model: Model): ...

    assert bound(f, {"model": {"rate": 0.1}}) == {"model": Model(0.1, 3)}
    with pytest.raises(StageFailed) as caught:
        bound(f, {"model": {"rate": 0.1, "width": 2}})
    assert caught.value.message == (
        "the parameters do not fit 'Model': Model.__init__() got an unexpected keyword argument 'width'"
    )


def test_values_of_mlx_yaml_come_by_their_names() -> None:
    def f(target, positive, key=None, protected=("x",)): ...

    arguments = bound(f, context={"target": "y", "protected": ["sex"]})
    # `positive` is not set: that is a value too. Defaults stay.
    assert arguments == {"target": "y", "positive": None, "protected": ["sex"]}


def test_an_output_that_is_a_parameter_is_the_path_to_write() -> None:
    def f(figures: Path): ...

    arguments, written = bind(f, Command("s", call="m:f", out={"figures": "deep/figures"}), {})
    assert (arguments, written) == ({"figures": Path("deep/figures")}, {"figures"})
    assert Path("deep").is_dir()
    assert not Path("deep/figures").exists()


def test_defaults_and_open_arguments_are_left_alone() -> None:
    def f(raw: dict, *rest, other=3, **more): ...

    assert bound(f) == {"raw": {"n": 1}}


def test_a_decorated_function_is_bound_by_its_own_names() -> None:
    def decorate(function):
        @functools.wraps(function)
        def wrapper(**arguments):
            return function(**arguments)

        return wrapper

    @decorate
    def f(rows: Path, model: Model): ...

    assert bound(f, {"model": {"rate": 1}}) == {"rows": Path("rows.csv"), "model": Model(1)}


def test_inputs_that_are_given_are_not_read() -> None:
    def f(rows): ...

    arguments, _ = bind(f, Command("s", call="m:f", bind={"rows": "none.csv"}), {}, given={"rows": 3})
    assert arguments == {"rows": 3}


TWO_SOURCES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"out": {"rows": "x"}}, {}, "input 'rows' and output 'rows'"),
    ({}, {"model": {"rows": 1}}, "input 'rows' and parameter 'model.rows'"),
    ({}, {"rows": 1}, "input 'rows' and parameter group 'rows'"),
    ({"bind": {}}, {"a": {"rows": 1}, "b": {"rows": 1}}, "parameter 'a.rows' and parameter 'b.rows'"),
]


@pytest.mark.parametrize(("command", "params", "sources"), TWO_SOURCES)
def test_a_name_with_two_sources_is_refused(
    command: dict[str, Any], params: dict[str, Any], sources: str
) -> None:
    def f(rows): ...

    with pytest.raises(StageFailed) as caught:
        bound(f, params, **command)
    assert caught.value.message == f"parameter 'rows' of 'm:f' has two sources: {sources}"
    assert caught.value.hint == "rename one of them"


def test_a_context_name_may_not_be_a_parameter_too() -> None:
    def f(target): ...

    with pytest.raises(StageFailed, match=r"'model\.target' and 'target' of mlx\.yaml"):
        bound(f, {"model": {"target": 1}}, context={"target": "y"})


def test_a_group_wins_over_a_key_of_its_own_name() -> None:
    def f(model): ...

    assert bound(f, {"model": {"model": "linear"}}) == {"model": {"model": "linear"}}


def test_a_parameter_without_a_source_is_named() -> None:
    def f(unknown): ...

    with pytest.raises(StageFailed) as caught:
        bound(f)
    assert caught.value.message == ("parameter 'unknown' of 'm:f' is given by no input, output or parameter")
    assert caught.value.hint == ("add it to the stage in mlx.yaml or to params.yaml, then run `mlx check`")


def test_what_is_loaded_already_is_given_as_asked() -> None:
    rows = pd.DataFrame({"a": [1, 2]})
    command = Command("s", call="m:f", bind={"test": "rows.csv"})

    def frame(test: pd.DataFrame): ...

    def arrow(test: pa.Table): ...

    def path(test: Path): ...

    def given(function: Callable[..., Any]) -> Any:
        return bind(function, command, {}, given={"test": rows})[0]["test"]

    assert given(frame) is rows
    assert given(arrow).to_pylist() == [{"a": 1}, {"a": 2}]
    assert given(path) == Path("rows.csv")


def test_the_path_of_the_model_is_nothing_to_ask_for() -> None:
    def f(model: Path): ...

    with pytest.raises(StageFailed) as caught:
        bound(f, kind="train", out={"model": "models/churn"})
    assert caught.value.message == "parameter 'model' of 'm:f' asks for the model's path, which mlx writes"
    assert caught.value.hint == "return the model"
