"""The documentation site: it builds without a warning, has every page, and fetches nothing from elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _mkdocs(need: Callable[[str], None]) -> None:
    need("mkdocs")


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=source,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    assert built == pages | {Path("404")}


def test_the_changelog_is_taken_over(site: Path) -> None:
    assert "Unreleased" in (site / "changelog.html").read_text(encoding="utf-8")


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    loads = {
        ".html": r'<(?:script|img|iframe|source|video)\b[^>]*\bsrc="(?:https?:)?//[^"]*'
        r'|<link\b[^>]*\bhref="(?:https?:)?//[^"]*|class="mermaid"',
        ".css": r"(?:@import\s*|url\()[\"']?(?:https?:)?//[^)\"']*",
        ".svg": r"(?:href|src)=\"(?:https?:)?//[^\"]*|@import|url\(\"?http",
    }
    found = [
        f"{path.relative_to(site)}: {match}"
        for path in site.rglob("*")
        for match in re.findall(loads.get(path.suffix, "$."), _text(path))
    ]
    assert found == []


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.suffix in {".html", ".css", ".svg"} else ""


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for name in ("mkdocs.yml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def _lonely_page(docs: Path) -> None:
    (docs / "how-to/lonely.md").write_text("# Lonely\n", encoding="utf-8")


def _link_to_nowhere(docs: Path) -> None:
    with (docs / "how-to/leave.md").open("a", encoding="utf-8") as page:
        page.write("\n[Nowhere](nowhere.md) and [no part](gates.md#no-part)\n")


@pytest.mark.parametrize(
    ("break_it", "named"),
    [(_lonely_page, ["how-to/lonely.md"]), (_link_to_nowhere, ["nowhere.md", "#no-part"])],
    ids=["page outside the navigation", "broken links"],
)
def test_what_is_wrong_fails_the_build(
    copied: Path, break_it: Callable[[Path], None], named: list[str]
) -> None:
    break_it(copied / "docs")
    done = build(copied, copied / "site")
    assert done.returncode == 1
    assert [name for name in named if name not in done.stderr] == []
