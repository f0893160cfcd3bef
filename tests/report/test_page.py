"""The page: well formed, by itself, small, and no name in the data can break it."""

from __future__ import annotations

import dataclasses
import math
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from mlxkit.evaluation.facts import (
    ChampionFacts,
    ChampionMetric,
    Contribution,
    Contributions,
    Estimate,
    Evaluation,
    Method,
    MetricFact,
)
from mlxkit.report.html import Html, tag
from mlxkit.report.markdown import render_markdown
from mlxkit.report.page import digest_of, render_page
from mlxkit.report.scale import ticks
from mlxkit.report.story import report_of
from mlxkit.report.words import MINUS, NONE, number, of_hundred, signed, tick_texts

from .conftest import ODD_NAME, ODD_VALUE, described, rows_of

if TYPE_CHECKING:
    from pathlib import Path

CHAMPION = ChampionFacts(
    "d",
    "dev",
    "3",
    metrics=tuple(
        ChampionMetric(name, 0.5, Estimate(0.1, 0.05, 0.15)) for name in ("roc_auc", "accuracy", "mae")
    ),
    seen=0.25,
)


def page_of(found: Evaluation, champion: ChampionFacts | None = None) -> str:
    return render_page(report_of(found, name="demo", digest="d1", champion=champion))


def parsed(page: str) -> ET.Element:
    """Parse the page as XML, which is stricter than HTML: every element is closed, every text escaped."""
    return ET.fromstring(page.removeprefix("<!DOCTYPE html>"))


def test_the_page_is_well_formed_small_and_needs_nothing_else(found: Evaluation) -> None:
    page = page_of(found, CHAMPION)
    root = parsed(page)
    assert len(page.encode()) < 300_000
    assert root.findall(".//script") == []
    assert root.findall(".//link") == []
    for element in root.iter():
        for name, value in element.attrib.items():
            assert name not in ("src", "srcset", "onclick", "onload")
            assert name != "href" or value.startswith("#")
    assert not re.search(r"url\(|@import|https?:", page)


def test_what_the_data_calls_things_stays_text(found: Evaluation) -> None:
    page = page_of(found)
    assert "<script" not in page
    assert "<b>odd" not in page
    texts = "".join(parsed(page).itertext())
    assert ODD_NAME in texts
    assert ODD_VALUE in texts
    assert "my <own>" in texts


def test_drawings_and_tables_say_what_they_are(found: Evaluation) -> None:
    root = parsed(page_of(found))
    drawings = root.findall(".//svg")
    assert len(drawings) > 10
    for drawing in drawings:
        assert drawing.get("role") == "img"
        assert drawing.get("aria-label")
        assert drawing.findtext("title") == drawing.get("aria-label")
        numbers = re.findall(r'[ "(]-?(?:nan|inf)', ET.tostring(drawing, encoding="unicode"))
        assert numbers == []
    for table in root.findall(".//table"):
        assert table.findtext("caption")
        assert all(head.get("scope") == "col" for head in table.findall("thead/tr/th"))
        widths = {len(row) for row in table.findall(".//tr")}
        assert len(widths) == 1
    anchors = {section.get("id") for section in root.findall(".//section")}
    assert {link.get("href", "")[1:] for link in root.findall(".//nav/a")} <= anchors


def test_the_first_screen_of_a_binary_model() -> None:
    page = page_of(described("binary"), CHAMPION)
    texts = " ".join("".join(parsed(page).itertext()).split())
    assert "How well does the model predict label?" in texts
    assert "Against guessing" in texts
    assert (
        "Better, beyond chance. On the same rows version 3, the champion of dev, has ROC AUC 0.500" in texts
    )
    assert "The champion was trained on 25% of these rows, so it looks better than it is." in texts
    assert re.search(r"Of 100 rows that the model flags as label = .*, \d+ are\.", texts)


@pytest.mark.parametrize(
    ("champion", "sentence"),
    [
        (ChampionFacts("d", "dev", "3", same=True), "This model is version 3, the champion of dev."),
        (
            ChampionFacts("d", "dev", "3", problem="its files are gone"),
            "Not compared with version 3, the champion of dev: its files are gone.",
        ),
        (
            ChampionFacts("d", "dev", "3"),
            "There is no metric that this model and version 3, the champion of dev both have.",
        ),
        (
            ChampionFacts(
                "d", "dev", "3", metrics=(ChampionMetric("roc_auc", 0.9, Estimate(-0.1, -0.2, 0.1)),)
            ),
            "No difference beyond chance. On the same rows version 3, the champion of dev, has ROC AUC "
            f"0.900; this model's is worse by 0.100 ({MINUS}0.200 to +0.100).",
        ),
    ],
)
def test_what_is_said_of_the_champion(champion: ChampionFacts, sentence: str) -> None:
    report = report_of(described("binary"), name="demo", digest="d", champion=champion)
    assert dict(report.verdicts)["Against the champion"] == sentence


@pytest.mark.parametrize("kind", ["binary", "several", "regression"])
@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.head(5),
        lambda rows: rows.head(1),
        lambda rows: rows[rows["label"] == ODD_VALUE],
        lambda rows: rows.assign(group=None),
        lambda rows: rows.assign(number=1.0),
        lambda rows: rows.assign(day="never"),
        lambda rows: rows.drop(columns=["group", "day"]),
    ],
    ids=["five", "one", "one class", "no groups", "one number", "no days", "no columns"],
)
def test_odd_rows_are_drawn_too(kind: str, change: object) -> None:
    found = described(kind, change(rows_of()))  # type: ignore[operator]
    report = report_of(found, name="demo", digest="d")
    parsed(render_page(report))
    assert render_markdown(report)
    assert bool(report.gaps) == bool(found.gaps)


def with_contributions(*columns: Contribution) -> Evaluation:
    """A real evaluation, with SHAP values of made-up columns."""
    rows = len(columns[0].values)
    return dataclasses.replace(
        described("regression"), contributions=Contributions(None, 2.0, rows, 1, columns)
    )


def strips_of(found: Evaluation) -> ET.Element:
    """Return the drawing of SHAP values; its first six paths are the legend, a dot of each colour."""
    drawings = parsed(page_of(found)).findall(".//section[@id='columns']//svg")
    return next(d for d in drawings if "SHAP" in d.get("aria-label", ""))


def test_a_dot_for_each_row_coloured_by_the_value_of_its_column() -> None:
    found = with_contributions(
        Contribution("low to high", 2.0, (-3.0, -1.0, 1.0, 3.0), (0.0, 0.3, 1.0, None), 0.9),
        Contribution("words", 1.5, (1.0, -2.0, 1.0, -2.0), ends=("off", "on")),
        Contribution("", 0.5, (0.5, 0.5, -0.5, -0.5), stands_for=7),
        Contribution("nothing", 0.0, (0.0, 0.0, 0.0, 0.0), (0.0, 0.1, 0.5, 1.0)),
    )
    drawing = strips_of(found)
    texts = [text.text for text in drawing.findall("text")]
    left, right = "\N{LEFTWARDS ARROW}", "\N{RIGHTWARDS ARROW}"
    wanted = {"low to high", "words", "7 other columns together", f"{left} off · on {right}"}
    assert wanted <= set(texts)
    assert "nothing" not in texts
    assert f"{left} lowers number" in texts
    dots = {path.get("class"): path.get("d", "").count("M") for path in drawing.findall("path")[6:]}
    assert dots == {
        "swarm value-0": 1,
        "swarm value-1": 1,
        "swarm value-4": 1,
        "swarm value-plain": 1 + 4 + 4,  # missing, a category, several columns
    }


def test_dots_lie_where_their_values_are() -> None:
    found = with_contributions(Contribution("x", 2.0, (-2.0, 0.0, 1.0, 2.0), (0.0, 0.2, 0.6, 1.0), 1.0))
    drawing = strips_of(found)
    dots = [p.get("d", "") for p in drawing.findall("path")][6:]
    across = [float(d[1:].split()[0]) for d in dots]
    assert len(across) == 4
    assert across == sorted(across)
    assert across[1] - across[0] == pytest.approx(2 * (across[2] - across[1]), abs=0.2)
    nought = next(line for line in drawing.findall("line") if line.get("class") == "nought")
    assert float(nought.get("x1", "")) == pytest.approx(across[1], abs=0.1)


def test_many_columns_and_rows_make_no_large_page() -> None:
    places = tuple(i / 99 for i in range(100))
    values = tuple(math.sin(i) for i in range(100))
    found = with_contributions(*(Contribution(f"c{i}", 1.0, values, places, 0.0) for i in range(20)))
    page = page_of(found)
    assert len(page.encode()) < 200_000
    assert ">c9<" in page
    assert ">c10<" not in page
    assert "| and 10 more |" in render_markdown(report_of(found, name="demo", digest="d"))


def test_a_model_that_looks_at_no_column_has_no_strips() -> None:
    found = with_contributions(Contribution("x", 0.0, (0.0, 0.0), (0.0, 1.0)))
    assert "SHAP" not in page_of(found)


def test_facts_with_nothing_but_metrics_are_drawn() -> None:
    bare = Evaluation(
        task="classification",
        target="y",
        positive=None,
        rows=3,
        labelled=3,
        columns=0,
        headline="accuracy",
        metrics=(MetricFact("accuracy", "higher", Estimate(0.5)),),
        method=Method(0, 3, 0),
        own={},
    )
    parsed(page_of(bare))


def test_a_page_knows_its_facts(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    assert digest_of(file) is None
    file.write_text(page_of(described("regression")), encoding="utf-8")
    assert digest_of(file) == "d1"
    file.write_text("<html></html>", encoding="utf-8")
    assert digest_of(file) is None


def test_tags_escape_text_and_attributes() -> None:
    assert tag("p", "a < b & c", title='"x"') == '<p title="&quot;x&quot;">a &lt; b &amp; c</p>'
    assert tag("p", Html("<b>x</b>"), None, "") == "<p><b>x</b></p>"
    assert tag("line", x1=1.0, stroke_width=0.123, class_=None) == '<line x1="1" stroke-width="0.12"/>'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.84249, "0.842"),
        (0.0, "0"),
        (1.0, "1"),
        (42.94, "42.9"),
        (17379.2, "17,379"),
        (-0.0123, f"{MINUS}0.012"),
        (0.00012, "0.0001"),
        (99.99, "100"),
        (1.5e12, "1,500,000,000,000"),
        (float("nan"), NONE),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_signed_shares_and_ticks() -> None:
    assert [signed(v) for v in (0.5, -0.5, 0.0)] == ["+0.500", f"{MINUS}0.500", "0"]
    assert [of_hundred(v) for v in (0.624, 1.0, 0.005, 0.0002, 0.0)] == [
        "62",
        "100",
        "0.5",
        "fewer than 0.1",
        "0",
    ]
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert tick_texts([0, 0.25, 0.5]) == ["0", "0.25", "0.50"]
    assert tick_texts([-1000, 0, 1000]) == [f"{MINUS}1,000", "0", "1,000"]
    for low, high in ((0, 1e-9), (-3, 7), (1e6, 1e6 + 1), (5, 5)):
        assert 1 <= len(ticks(low, high)) <= 7
