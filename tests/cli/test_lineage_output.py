"""How `mlx lineage` and `mlx card` fail where there is no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Mlx, TmpDir


@pytest.mark.parametrize("command", ["lineage", "card"])
def test_without_any_model(mlx: Mlx, copies: TmpDir, command: str) -> None:
    result = mlx(command)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-3:] == [
        "error: there is no trained model in the workspace",
        "  mlx.yaml has no train stage",
        "hint: run `mlx check`",
    ]


@pytest.mark.parametrize("command", ["lineage", "card"])
@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("4", "'copies' has no version 4"),
        ("@dev", "'dev' has no model yet"),
        ("other@dev", "the model of this project is 'copies', not 'other'"),
        ("stagin", "there is no environment, version or run 'stagin', did you mean 'staging'?"),
    ],
)
def test_a_model_that_there_is_not(mlx: Mlx, copies: TmpDir, command: str, named: str, message: str) -> None:
    result = mlx(command, named, "--json")
    assert result.code == 2
    assert result.json["error"]["message"] == message
