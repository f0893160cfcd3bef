"""What a page shows of a command is what the command prints; how pages are read, compared and mended."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT / "docs").as_posix()
    for path in (ROOT / "docs").rglob("*.md")
    if "<!-- session" in path.read_text(encoding="utf-8")
)
needs_terminal = pytest.mark.usefixtures("_terminal")


@pytest.fixture
def _terminal(need: Callable[[str], None]) -> None:
    need("pyte")


@pytest.fixture(scope="module")
def reader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("session_page", ROOT / "scripts/session_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def write_sessions(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts/write_sessions.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@needs_terminal
@pytest.mark.skipif(sys.platform != "linux", reason="the pages show what Linux shows")
@pytest.mark.slow
def test_pages_show_what_happens() -> None:
    assert "tutorial.md" in PAGES
    done = write_sessions("--check")
    assert done.returncode == 0, done.stderr


@needs_terminal
def test_a_page_that_shows_something_else_is_found_and_mended(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    wrong = "<!-- session -->\n\n```console\n$ echo one; echo two\none\n$ mlx check    # exits with 2\n```\n"
    page.write_text(wrong, encoding="utf-8")

    done = write_sessions("--check", str(page))
    assert done.returncode == 1
    assert "\n+two\n" in done.stderr
    assert page.read_text(encoding="utf-8") == wrong

    assert write_sessions(str(page)).returncode == 0
    assert page.read_text(encoding="utf-8") == (
        "<!-- session -->\n\n```console\n$ echo one; echo two\none\ntwo\n"
        "$ mlx check    # exits with 2\nerror: there is no mlx.yaml in this folder or above it\n  /home/ada\n"
        "hint: run `mlx init NAME`, or name the project's folder with `-C DIR`\n```\n"
    )
    assert write_sessions("--check", str(page)).returncode == 0


@needs_terminal
def test_a_command_that_ends_otherwise_than_the_page_says_stops_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- session -->\n```console\n$ ls nothing-here\n```\n", encoding="utf-8")
    done = write_sessions(str(page))
    assert done.returncode == 1
    assert done.stderr.startswith("page.md: `ls nothing-here` exits with 2, and not with 0\nls: ")


def test_what_a_page_does(reader: ModuleType) -> None:
    page = (
        "<!-- session: cells -->\n<!-- run: cd there -->\n"
        '```python title="a.py"\nprint(1)\n```\n'
        '<!-- merge -->\n```yaml title="mlx.yaml"\na: 1\n```\n'
        "```python\nnot_run()\n```\n"
        "```console\n$ echo \\\n  two\ntwo\n$ false    # exits with 1\n```\n"
    )
    pieces = list(reader.pieces_of(page))
    assert reader.session_of(page) == "cells"
    assert [(piece.kind, piece.path) for piece in pieces] == [
        ("hidden", ""),
        ("write", "a.py"),
        ("merge", "mlx.yaml"),
        ("console", ""),
    ]
    assert [(shown.command, shown.output, shown.code) for shown in pieces[-1].commands] == [
        ("echo \\\n  two", ("two",), 0),
        ("false    # exits with 1", (), 1),
    ]


SAME = [
    ("train ran  1.2 s  252 MiB", "train ran  14 s  9.1 GiB"),
    ("recorded as run 4375c65d", "recorded as run a0b41129"),
    ("2026-11-28 19:08  7c8f5248", "2027-01-02 03:04  00000000"),
    ("roc_auc  0.9811  0.5", "roc_auc   0.981  0.5"),
    ("brier  0.02557", "brier  0.02601"),
]
DIFFERENT = [
    ("gate passed", "gate refused"),
    ("roc_auc 0.981", "roc_auc 0.881"),
    ("57 rows", "58 rows"),
    ("done in 1 s", "done"),
]


@pytest.mark.parametrize(("shown", "real"), SAME)
def test_times_sizes_ids_and_last_digits_may_differ(reader: ModuleType, shown: str, real: str) -> None:
    assert reader.is_same([shown], [real])


@pytest.mark.parametrize(("shown", "real"), DIFFERENT)
def test_anything_else_may_not(reader: ModuleType, shown: str, real: str) -> None:
    assert not reader.is_same([shown], [real])


@pytest.mark.parametrize(
    ("shown", "real", "is_same", "mended"),
    [
        (["a", "...", "z"], ["a", "b", "c", "z"], True, ["a", "...", "z"]),
        (["a", "...", "z"], ["a", "b", "c", "y"], False, ["a", "...", "y"]),
        (["a", "...", "z"], ["a", "z"], False, ["a", "z"]),
        (["a"], ["b", "c"], False, ["b", "c"]),
    ],
)
def test_lines_left_out(
    reader: ModuleType, shown: list[str], real: list[str], is_same: bool, mended: list[str]
) -> None:
    assert reader.is_same(shown, real) is is_same
    assert reader.renewed(shown, real) == mended


def test_merging_keeps_what_is_not_named(reader: ModuleType) -> None:
    old: Any = {"stages": {"train": {"call": "a:b"}}, "gates": [1, 2]}
    new = {"stages": {"train": {"timeout": "1h"}, "extra": {}}, "gates": [3]}
    assert reader.merged(old, new) == {
        "stages": {"train": {"call": "a:b", "timeout": "1h"}, "extra": {}},
        "gates": [3],
    }
