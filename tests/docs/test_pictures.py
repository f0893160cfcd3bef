"""The README's pictures: well-formed, in both palettes, and of nobody's machine."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PICTURES = [ROOT / f"docs/images/run-{name}.svg" for name in ("light", "dark")]
TSPAN = "{http://www.w3.org/2000/svg}tspan"


@pytest.fixture
def painter(need: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    need("pyte")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    spec = importlib.util.spec_from_file_location("write_pictures", ROOT / "scripts/write_pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def cells(text: str, fg: str = "default", bold: bool = False) -> list[Any]:
    return [SimpleNamespace(data=letter, fg=fg, bold=bold) for letter in text]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_a_picture_fetches_nothing_and_names_nobody(picture: Path) -> None:
    text = picture.read_text(encoding="utf-8")
    shown = " ".join(element.text or "" for element in ElementTree.fromstring(text).iter(TSPAN))
    assert "mlx run" in shown
    assert "roc_auc" in shown
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)|@import|@font-face|/tmp/|/home/|/root", text) == []


def test_both_palettes_show_the_same_run() -> None:
    light, dark = ([e.text for e in ElementTree.parse(path).iter(TSPAN)] for path in PICTURES)
    assert light == dark


def test_the_readme_shows_both() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in PICTURES if f"docs/images/{path.name}" not in readme] == []


def test_words_stand_in_their_columns_and_colours(painter: ModuleType) -> None:
    row = cells("gate  ") + cells("a < b", "green", bold=True) + cells("  ")
    root = ElementTree.fromstring(painter.svg(["mlx promote", row, []], painter.LIGHT))
    found = [(e.text, float(e.attrib["x"]), e.get("class")) for e in root.iter(TSPAN)]
    assert found == [
        ("$", painter.MARGIN, "p"),
        ("mlx promote", painter.MARGIN + 2 * painter.CELL, "c"),
        ("gate", painter.MARGIN, None),
        ("a < b", painter.MARGIN + 6 * painter.CELL, "green b"),
    ]
