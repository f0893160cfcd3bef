from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mlxkit.pipeline.imports import code_dependencies
from mlxkit.project.models import Stage

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = {"src/demo/__init__.py": "", "src/demo/util.py": "", "src/demo/sub/__init__.py": ""}


def found(root: Path, files: dict[str, Any], **stage: Any) -> list[str]:
    for name, text in {**PACKAGE, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return code_dependencies(root, Stage("s", "stage", **stage))


SEEN_FROM_A_MODULE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "import": ({"src/demo/a.py": "import demo.util"}, ["a.py", "util.py"]),
    "import as": ({"src/demo/a.py": "import demo.util as u"}, ["a.py", "util.py"]),
    "from package import module": ({"src/demo/a.py": "from demo import util"}, ["a.py", "util.py"]),
    "from module import name": ({"src/demo/a.py": "from demo.util import x"}, ["a.py", "util.py"]),
    "star": ({"src/demo/a.py": "from demo.util import *"}, ["a.py", "util.py"]),
    "relative": ({"src/demo/a.py": "from . import util"}, ["a.py", "util.py"]),
    "relative name": ({"src/demo/a.py": "from .util import x"}, ["a.py", "util.py"]),
    "two up": (
        {"src/demo/a.py": "import demo.sub.deep", "src/demo/sub/deep.py": "from ..util import x"},
        ["a.py", "sub/__init__.py", "sub/deep.py", "util.py"],
    ),
    "one up from an __init__": (
        {"src/demo/a.py": "import demo.sub", "src/demo/sub/__init__.py": "from .. import util"},
        ["a.py", "sub/__init__.py", "util.py"],
    ),
    "inside a function": ({"src/demo/a.py": "def f():\n    from demo import util"}, ["a.py", "util.py"]),
    "inside if and try": (
        {"src/demo/a.py": "try:\n    import demo.util\nexcept ImportError:\n    import demo.sub"},
        ["a.py", "sub/__init__.py", "util.py"],
    ),
    "for type checkers": (
        {"src/demo/a.py": "if TYPE_CHECKING:\n    from demo.util import T"},
        ["a.py", "util.py"],
    ),
    "through another module": (
        {"src/demo/a.py": "import demo.b", "src/demo/b.py": "import demo.util"},
        ["a.py", "b.py", "util.py"],
    ),
    "a cycle": (
        {"src/demo/a.py": "import demo.b", "src/demo/b.py": "import demo.a"},
        ["a.py", "b.py"],
    ),
    "itself": ({"src/demo/a.py": "import demo.a"}, ["a.py"]),
    "what a parent imports": (
        {"src/demo/a.py": "", "src/demo/__init__.py": "from demo import util"},
        ["a.py", "util.py"],
    ),
    "a folder without __init__": (
        {
            "src/demo/a.py": "from demo.free.b import x",
            "src/demo/free/b.py": "from . import c",
            "src/demo/free/c.py": "",
        },
        ["a.py", "free/b.py", "free/c.py"],
    ),
    "libraries": ({"src/demo/a.py": "import json, numpy\nfrom os import path"}, ["a.py"]),
    "a syntax error further down": (
        {"src/demo/a.py": "import demo.b", "src/demo/b.py": "import demo.util\ndef ("},
        ["a.py", "b.py"],
    ),
    "a syntax error in itself": ({"src/demo/a.py": "import demo.util\ndef ("}, ["a.py"]),
    "another encoding": (
        {"src/demo/a.py": "# coding: latin-1\nimport demo.util  # größe".encode("latin-1")},
        ["a.py", "util.py"],
    ),
    "a NUL byte": ({"src/demo/a.py": b"import demo.util\0"}, ["a.py"]),
    "more dots than folders": ({"src/demo/a.py": "from ....util import x"}, ["a.py"]),
    "a string that looks like one": ({"src/demo/a.py": '"import demo.util"'}, ["a.py"]),
}


@pytest.mark.parametrize(("files", "expected"), SEEN_FROM_A_MODULE.values(), ids=SEEN_FROM_A_MODULE)
def test_what_a_function_runs(tmp_path: Path, files: dict[str, Any], expected: list[str]) -> None:
    names = sorted([f"src/demo/{name}" for name in expected] + ["src/demo/__init__.py"])
    assert found(tmp_path, files, call="demo.a:f") == names


SCRIPTS: dict[str, Any] = {
    "src/demo/__main__.py": "from . import util",
    "src/demo/a.py": "",
    "scripts/draw.py": "import helper\nimport demo.util",
    "scripts/helper.py": "",
    "scripts/odd name.py": "",
    "tool.py": "",
}
PACKAGE_MAIN = ["src/demo/__init__.py", "src/demo/__main__.py", "src/demo/util.py"]
MODULE_A = ["src/demo/__init__.py", "src/demo/a.py"]
DRAW = ["scripts/draw.py", "scripts/helper.py", "src/demo/__init__.py", "src/demo/util.py"]
COMMANDS = [
    ("python -m demo", PACKAGE_MAIN),
    ("python -m demo.a", MODULE_A),
    ("python -m demo.a --file scripts/draw.py", MODULE_A),
    ("python3.12 -u -m demo.a", MODULE_A),
    ("/usr/bin/python3 -m demo.a", MODULE_A),
    ("N=1 nice .venv/bin/python -m demo.a > out.txt", MODULE_A),
    ("python scripts/draw.py", DRAW),
    ("python ./scripts/draw.py", DRAW),
    ("python src/../scripts/draw.py", DRAW),
    ("python -W ignore -X dev scripts/draw.py", DRAW),
    ("uv run python scripts/draw.py --width 3", DRAW),
    ("python tool.py; python -m demo.a", [*MODULE_A, "tool.py"]),
    ("python tool.py&&python scripts/draw.py", [*DRAW, "tool.py"]),
    ("(python tool.py) | python -m demo.a", [*MODULE_A, "tool.py"]),
    ("echo one\npython tool.py\n", ["tool.py"]),
    ("python 'scripts/odd name.py'", ["scripts/odd name.py"]),
    ("python -mdemo.a", MODULE_A),
    ("python -um demo.a", MODULE_A),
    ("python -Bumdemo.a", MODULE_A),
    ("python -Wignore -Xdev scripts/draw.py", DRAW),
    ("python --check-hash-based-pycs always tool.py", ["tool.py"]),
    ("cd scripts && python draw.py", DRAW),
    ("cd scripts; python -m helper", ["scripts/helper.py"]),
    ("(cd scripts && python draw.py) && python tool.py", [*DRAW, "tool.py"]),
    ("cd scripts\npython tool.py", ["tool.py"]),
    ("cd .. && python draw.py", []),
    ("echo cd scripts && python tool.py", ["tool.py"]),
    ("python - tool.py < x", []),
    ("python -c'import demo.a' tool.py", []),
    ("python -m json.tool x.json", []),
    ("python -c 'import demo.a'", []),
    ("python missing.py", []),
    ("python", []),
    ("Rscript tool.R # python tool.py", []),
    ("echo 'not closed", []),
]


@pytest.mark.parametrize(("cmd", "expected"), COMMANDS, ids=[cmd for cmd, _ in COMMANDS])
def test_what_a_command_runs(tmp_path: Path, cmd: str, expected: list[str]) -> None:
    assert found(tmp_path, SCRIPTS, cmd=cmd) == expected


def test_a_script_outside_the_project_is_none_of_it(tmp_path: Path) -> None:
    root = tmp_path / "project"
    outside = tmp_path / "outside.py"
    outside.write_text("")
    assert found(root, {}, cmd=f"python ../outside.py; python {outside}") == []


def test_files_that_nobody_can_see_are_named(tmp_path: Path) -> None:
    files = {"src/demo/a.py": "", "queries/rows.sql": ""}
    assert found(tmp_path, files, call="demo.a:f", code=("queries/rows.sql", "src/demo/a.py")) == [
        "queries/rows.sql",
        "src/demo/__init__.py",
        "src/demo/a.py",
    ]


def test_a_package_may_lie_in_the_root(tmp_path: Path) -> None:
    files = {"flat/__init__.py": "", "flat/a.py": "from flat import b", "flat/b.py": ""}
    assert found(tmp_path, files, call="flat.a:f") == ["flat/__init__.py", "flat/a.py", "flat/b.py"]


def test_the_function_may_stand_in_a_package_itself(tmp_path: Path) -> None:
    assert found(
        tmp_path, {"src/demo/sub/__init__.py": "from . import b", "src/demo/sub/b.py": ""}, call="demo.sub:f"
    ) == [
        "src/demo/__init__.py",
        "src/demo/sub/__init__.py",
        "src/demo/sub/b.py",
    ]


def test_the_function_that_reads_values_is_code_too(tmp_path: Path) -> None:
    files = {"src/demo/a.py": "", "src/demo/values.py": "from demo import util"}
    assert found(tmp_path, files, call="demo.a:f") == ["src/demo/__init__.py", "src/demo/a.py"]
    stage = Stage("s", "train", call="demo.a:f")
    assert code_dependencies(tmp_path, stage, values="demo.values:read") == [
        "src/demo/__init__.py",
        "src/demo/a.py",
        "src/demo/util.py",
        "src/demo/values.py",
    ]
