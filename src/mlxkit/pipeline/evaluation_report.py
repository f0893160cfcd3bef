"""The files that people read of an evaluation, beside its facts: a page and a Markdown text.

They are no outputs of the stage: they show the champion of the moment, and can be drawn anew at any time.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlxkit.errors import DataError, UsageError
from mlxkit.project.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlxkit.evaluation.facts import ChampionFacts, Evaluation
    from mlxkit.project.models import Project

CHAMPION_FILE = "champion.json"
"""In the state folder: what the champion did when the model was evaluated, for a page that is drawn anew."""


@dataclass(frozen=True)
class Shown:
    """A report that is there to be read; `drawn` says that it was drawn just now."""

    page: Path
    text: Path
    facts: Path
    drawn: bool


def write_evaluation(found: Evaluation, path: Path, *, name: str) -> None:
    """Write the facts, and the page and text that show them; `name` is that of the model."""
    from mlxkit.evaluation import facts_json

    path.parent.mkdir(parents=True, exist_ok=True)
    content = facts_json.write_evaluation(found).encode()
    path.write_bytes(content)
    # A page that cannot be written, or an old one that cannot be replaced, does not make the stage fail.
    with suppress(OSError):
        draw(found, path, name=name, digest=hashlib.md5(content, usedforsecurity=False).hexdigest())


def draw(
    found: Evaluation, path: Path, *, name: str, digest: str, champion: ChampionFacts | None = None
) -> None:
    """Write the page and the Markdown text of the facts in `path`, beside it."""
    from mlxkit.report.markdown import render_markdown
    from mlxkit.report.page import render_page
    from mlxkit.report.story import report_of

    report = report_of(found, name=name, digest=digest, champion=champion)
    page, text = report_paths(path)
    write_atomically(page, render_page(report).encode())
    write_atomically(text, render_markdown(report).encode())


def report_paths(facts: Path) -> tuple[Path, Path]:
    """Return the paths of the page and the text that belong to a file of facts."""
    return facts.with_suffix(".html"), facts.with_suffix(".md")


def report_files(project: Project) -> list[Path]:
    """Return those files of the last evaluation that are here: facts, page, text."""
    stage = project.evaluate_stage
    if stage is None or stage.evaluation_path is None:
        return []
    facts = project.root / stage.evaluation_path
    return [path for path in (facts, *report_paths(facts)) if path.is_file()]


def show(project: Project) -> Shown:
    """Return the report of the last evaluation, drawn anew where it is missing or shows other facts.

    Raises:
        UsageError: there is no evaluation yet.
        DataError: its file cannot be read.
    """
    from mlxkit.report.page import digest_of

    stage = project.evaluate_stage
    if stage is None or stage.evaluation_path is None:
        raise UsageError(
            "mlx.yaml has no stage of kind 'evaluate'", hint="add `evaluate: {}` below `stages:`"
        )
    facts = project.root / stage.evaluation_path
    page, text = report_paths(facts)
    if not facts.is_file():
        raise UsageError(
            "there is no evaluation yet", context=[stage.evaluation_path], hint=f"run `mlx run {stage.name}`"
        )
    content = facts.read_bytes()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if digest_of(page) == digest and text.is_file():
        return Shown(page, text, facts, drawn=False)
    champion = _known_champion(project, digest)
    found = _read(facts, content, stage.name)
    draw(found, facts, name=project.name, digest=digest, champion=champion)
    return Shown(page, text, facts, drawn=True)


def facts_here(project: Project) -> Evaluation | None:
    """Return what the last evaluation found, None where that is not here."""
    stage = project.evaluate_stage
    if stage is None or stage.evaluation_path is None:
        return None
    facts = project.root / stage.evaluation_path
    return _read(facts, facts.read_bytes(), stage.name) if facts.is_file() else None


def redraw_stale(project: Project) -> None:
    """Draw the report of facts that came back from a cache, so that no page of other facts lies there."""
    with suppress(UsageError, DataError, OSError):
        show(project)


def intervals(path: Path) -> dict[str, list[float]]:
    """Return the interval of each metric in a file of facts, without reading the rest as facts."""
    try:
        metrics = json.loads(path.read_bytes())["metrics"]
        pairs = {m["name"]: [m["model"]["lower"], m["model"]["upper"]] for m in metrics}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {name: pair for name, pair in pairs.items() if None not in pair}


def shown_path(project: Project) -> str | None:
    """Return the path of the page relative to the project, None where there is none."""
    page = next((path for path in report_files(project) if path.suffix == ".html"), None)
    return None if page is None else page.relative_to(project.root).as_posix()


def _read(facts: Path, content: bytes, stage: str) -> Evaluation:
    from mlxkit.evaluation.facts_json import read_evaluation

    try:
        return read_evaluation(content.decode("utf-8", "replace"))
    except ValueError as error:
        raise DataError(
            f"'{facts.name}' cannot be read: {error}",
            context=[str(facts)],
            hint=f"run `mlx run --force {stage}`",
        ) from error


def _known_champion(project: Project, digest: str) -> ChampionFacts | None:
    """Return what the champion did when these facts were made, where that was kept."""
    from mlxkit.evaluation.facts import ChampionFacts
    from mlxkit.evaluation.facts_json import read_fact

    try:
        text = (project.state_dir / CHAMPION_FILE).read_text(encoding="utf-8")
        found: ChampionFacts = read_fact(ChampionFacts, text)
    except (OSError, ValueError):
        return None
    return found if found.evaluation == digest else None


def champion_document(champion: ChampionFacts) -> dict[str, Any]:
    """Return what the champion did as plain values."""
    return {
        "version": champion.version,
        "environment": champion.environment,
        "same": champion.same,
        "problem": champion.problem,
        "metrics": {
            metric.name: {
                "champion": metric.value,
                "difference": metric.gain.value,
                "interval": _pair(metric.gain.lower, metric.gain.upper),
            }
            for metric in champion.metrics
        },
    }


def _pair(lower: float | None, upper: float | None) -> Sequence[float] | None:
    return None if lower is None or upper is None else [lower, upper]
