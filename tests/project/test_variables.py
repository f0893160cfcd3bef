from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlxkit.errors import ConfigError
from mlxkit.project.variables import expand, mask, read_dotenv

if TYPE_CHECKING:
    from conftest import TmpDir

DOTENV = """\
# secrets
USER=anna
export TOKEN="s3cr3t value"   # a comment
TOKEN_LONG='s3cr3t value and more'
COST=$5
EMPTY=
BARE
PIN=123
"""


@pytest.fixture
def root(tmp_dir: TmpDir, monkeypatch: pytest.MonkeyPatch) -> TmpDir:
    for name in ("USER", "TOKEN", "TOKEN_LONG", "COST", "EMPTY", "PIN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_dir.gen(".env", DOTENV)


def test_dotenv(root: TmpDir) -> None:
    assert read_dotenv(root) == {
        "USER": "anna",
        "TOKEN": "s3cr3t value",
        "TOKEN_LONG": "s3cr3t value and more",
        "COST": "$5",
        "EMPTY": "",
        "PIN": "123",
    }


def test_no_dotenv(tmp_dir: TmpDir) -> None:
    assert read_dotenv(tmp_dir) == {}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("https://${USER}:${TOKEN}@host", "https://anna:s3cr3t value@host"),
        ("${COST} and ${EMPTY}.", "$5 and ."),
        ("$USER ${} ${1A} $${USER}", "$USER ${} ${1A} $anna"),
        ("nothing", "nothing"),
    ],
)
def test_expand(root: TmpDir, text: str, expanded: str) -> None:
    assert expand(text, root, where="environments.dev.tracking") == expanded


def test_environment_wins_over_dotenv(root: TmpDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "bert")
    assert expand("${USER}", root, where="x") == "bert"


def test_value_is_not_expanded_again(root: TmpDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "${TOKEN}")
    assert expand("${USER}", root, where="x") == "${TOKEN}"


def test_name_that_is_set_nowhere(root: TmpDir) -> None:
    with pytest.raises(ConfigError) as caught:
        expand("${PASWRD}", root, where="environments.dev.tracking")
    assert caught.value.message == "'PASWRD' is not set, and environments.dev.tracking uses it"
    assert caught.value.hint == "add `PASWRD=…` to .env, or export it"


def test_mask(root: TmpDir) -> None:
    text = "+token = 's3cr3t value', 's3cr3t value and more', anna, 123, $5"
    assert mask(text, root) == "+token = '<TOKEN>', '<TOKEN_LONG>', <USER>, 123, $5"
