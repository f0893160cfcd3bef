from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlxkit.errors import UsageError
from mlxkit.project.environments import choose, is_alias, is_strict

if TYPE_CHECKING:
    from conftest import Churn

CASES = {
    "default": (None, {}, None, "dev", "default"),
    "option": ("staging", {}, None, "staging", "--env"),
    "option before all": ("dev", {"MLX_ENV": "staging", "CI": "1"}, "main", "dev", "--env"),
    "variable": (None, {"MLX_ENV": "staging"}, None, "staging", "MLX_ENV"),
    "variable before branch": (None, {"MLX_ENV": "staging", "CI": "1"}, "main", "staging", "MLX_ENV"),
    "empty variable": (None, {"MLX_ENV": ""}, None, "dev", "default"),
    "branch in CI": (None, {"CI": "true"}, "main", "production", "branch 'main'"),
    "branch elsewhere": (None, {}, "main", "dev", "default"),
    "other branch in CI": (None, {"CI": "true"}, "topic", "dev", "default"),
    "no branch in CI": (None, {"CI": "true"}, None, "dev", "default"),
}


@pytest.mark.parametrize(("option", "variables", "branch", "name", "source"), CASES.values(), ids=CASES)
def test_choice(
    churn: Churn,
    monkeypatch: pytest.MonkeyPatch,
    option: str | None,
    variables: dict[str, str],
    branch: str | None,
    name: str,
    source: str,
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    chosen = choose(churn.load(), option, branch=branch)
    assert (chosen.environment.name, chosen.source) == (name, source)


def test_first_environment_without_dev(churn: Churn) -> None:
    assert choose(churn.edit(("dev: {}", "test: {}")).load(), None).environment.name == "test"


@pytest.mark.parametrize(
    ("option", "variable", "message", "context"),
    [
        ("prod", "dev", "there is no environment 'prod'", "named by --env"),
        ("stagin", "dev", "there is no environment 'stagin', did you mean 'staging'?", "named by --env"),
        (None, "Dev", "there is no environment 'Dev', did you mean 'dev'?", "named by MLX_ENV"),
    ],
)
def test_environment_that_does_not_exist(
    churn: Churn,
    monkeypatch: pytest.MonkeyPatch,
    option: str | None,
    variable: str,
    message: str,
    context: str,
) -> None:
    monkeypatch.setenv("MLX_ENV", variable)
    with pytest.raises(UsageError) as caught:
        choose(churn.load(), option)
    assert caught.value.message == message
    assert caught.value.context == (f"{context}; mlx.yaml has dev, staging, production",)
    assert caught.value.hint == "run `mlx env`"


def test_all_but_the_first_are_strict(churn: Churn) -> None:
    project = churn.load()
    assert [is_strict(project, e) for e in project.environments.values()] == [False, True, True]


@pytest.mark.parametrize("name", ["dev", "prod-eu", "a_1", "v", "version3", "v3x", "latest2"])
def test_alias(name: str) -> None:
    assert is_alias(name)


@pytest.mark.parametrize("name", ["latest", "LATEST", "v3", "V12", "", "1a", "a b", "a.b", "dev\n"])
def test_no_alias(name: str) -> None:
    assert not is_alias(name)
