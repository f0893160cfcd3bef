from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlxkit.project.functions import FunctionNotFound, Parameter, find_function

if TYPE_CHECKING:
    from conftest import TmpDir


def find(root: TmpDir, source: str | bytes, name: str = "f") -> tuple[Parameter, ...] | None:
    root.gen("src/churn/code.py", source)
    return find_function(root, f"churn.code:{name}").parameters


def test_signature(tmp_dir: TmpDir) -> None:
    source = "def f(a, /, b: int, c: 'dict[str, int]' = None, *, d, e: float | None = 1.0): ...\n"
    assert find(tmp_dir, source) == (
        Parameter("a", "", required=True),
        Parameter("b", "int", required=True),
        Parameter("c", "'dict[str, int]'", required=False),
        Parameter("d", "", required=True),
        Parameter("e", "float | None", required=False),
    )


@pytest.mark.parametrize(
    "source",
    [
        "from elsewhere import f\n",
        "from elsewhere import g as f\n",
        "from elsewhere import *\n",
        "import f\n",
        "import f.g\n",
        "f = partial(g, 1)\n",
        "f: Callable[..., int] = g\n",
        "class f:\n    pass\n",
        "@decorated\ndef f(a): ...\n",
        "def f(a, **more): ...\n",
        "def f(*rows): ...\n",
    ],
)
def test_parameters_that_the_source_does_not_show(tmp_dir: TmpDir, source: str) -> None:
    assert find(tmp_dir, source) is None


@pytest.mark.parametrize(
    "source",
    [
        "if FAST:\n    def f(a): ...\nelse:\n    g = 1\n",
        "if FAST:\n    g = 1\nelif SLOW:\n    def f(a): ...\n",
        "try:\n    def f(a): ...\nexcept ImportError:\n    def f(b): ...\n",
        "with quiet():\n    def f(a): ...\n",
        "def f(b): ...\ndef f(a): ...\n",
        "if TYPE_CHECKING:\n    import x\ndef f(a): ...\ndef g():\n    def f(b): ...\n",
        "if TYPE_CHECKING:\n    import x\ndef f(a): ...\nclass G:\n    def f(self, b): ...\n",
        b"\xef\xbb\xbfdef f(a): ...\n",
        "# coding: latin-1\n# Gr\xf6\xdfe\ndef f(a): ...\n".encode("latin-1"),
    ],
)
def test_the_definition_that_counts(tmp_dir: TmpDir, source: str | bytes) -> None:
    assert find(tmp_dir, source) == (Parameter("a", "", required=True),)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def g(): ...\n", "there is no function 'f' in src/churn/code.py"),
        ("class G:\n    def f(self): ...\n", "there is no function 'f' in src/churn/code.py"),
        ("def g():\n    def f(): ...\n", "there is no function 'f' in src/churn/code.py"),
        ("\ndef f(:\n", "src/churn/code.py:2 is not valid Python: invalid syntax"),
        ("def f():\nreturn\n", None),
    ],
)
def test_not_found(tmp_dir: TmpDir, source: str, message: str | None) -> None:
    with pytest.raises(FunctionNotFound) as caught:
        find(tmp_dir, source)
    # Python words some of its messages differently from version to version.
    expected = message or caught.value.message
    assert caught.value.message == expected
    assert expected.startswith(("there is no", "src/churn/code.py:2 is not valid Python: "))


def test_module_not_found(tmp_dir: TmpDir) -> None:
    tmp_dir.gen({"src/churn": {"__init__.py": "", "data/__init__.py": "", "data/make.py": ""}})
    with pytest.raises(FunctionNotFound) as caught:
        find_function(tmp_dir, "churn.mak:f")
    assert caught.value.message == "there is no module 'churn.mak' in src/"
    assert caught.value.wrong == "churn.mak"
    assert sorted(caught.value.options) == ["churn", "churn.data", "churn.data.make"]


def test_package_and_folder_beside_src(tmp_dir: TmpDir) -> None:
    tmp_dir.gen({"src/churn/__init__.py": "def f(a): ...\n", "scripts/draw.py": "def g(b): ...\n"})
    assert find_function(tmp_dir, "churn:f").file == tmp_dir / "src/churn/__init__.py"
    assert find_function(tmp_dir, "scripts.draw:g").file == tmp_dir / "scripts/draw.py"
