"""The parts of a model card that come from its evaluation and its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.report.blocks import Block, Heading, Note, Section, Table, Terms, Text
from mlxkit.report.classification import classification_sections
from mlxkit.report.columns import columns_section
from mlxkit.report.regression import regression_sections
from mlxkit.report.sections import groups_section, metrics_section, weak_section
from mlxkit.report.words import NONE, conditions, count, listed, rows, title, volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlxkit.evaluation.facts import Evaluation
    from mlxkit.registry.card import ModelCard
    from mlxkit.registry.data_origin import Origin

UNKNOWN = "unknown"
_OF_CARD = ("scores", "residuals", "classes")
"""Parts of the evaluation's report that a card shows, too."""


def factors_section(found: Evaluation | None) -> Section:
    """Return by what rows were told apart: groups of people, slices, time."""
    if found is None:
        return Section("factors", "Factors", "Unknown.")
    groups = [f"{p.column} ({listed([g.value for g in p.groups])})" for p in found.protected]
    weak = found.weak
    slices = UNKNOWN if weak is None else "none stands out by more than chance"
    if weak is not None and weak.found:
        slices = "weaker where " + "; where ".join(conditions(w) for w in weak.found)
    over = found.over_time
    entries = [
        ("Groups", "; ".join(groups) or "none were named"),
        ("Slices", f"{slices} ({count(weak.candidates)} were looked at)" if weak is not None else slices),
        ("Time", "not looked at" if over is None else f"by {over.unit} of {over.column}"),
        ("Metrics", ", ".join(title(metric.name) for metric in found.metrics)),
        ("First of them", title(found.headline)),
    ]
    return Section("factors", "Factors and metrics", "", (Terms(tuple(entries)),))


def evaluation_data_section(card: ModelCard) -> Section:
    """Return the rows that the model was evaluated on."""
    found = card.evaluation
    if found is None:
        return Section("evaluation-data", "Evaluation data", "Unknown.")
    unlabelled = found.rows - found.labelled
    said = f"{rows(found.rows)}" + (f", of which {count(unlabelled)} have no label" if unlabelled else "")
    lines = tuple((path, digest) for path, digest in card.evaluated_on)
    blocks: list[Block] = []
    if lines:
        blocks.append(Table(("Data", "Hash (DVC)"), lines, "Evaluated on"))
    else:
        said += "; which file they were is unknown"
    return Section("evaluation-data", "Evaluation data", f"{said}.", tuple(blocks))


def training_data_section(card: ModelCard) -> Section:
    """Return what the training read, and the raw data behind it."""
    trained = card.files.rows
    said = f"Trained on {rows(trained)}." if trained is not None else "How many rows is unknown."
    makers = {data.path: data.made_by for step in card.lineage.steps for data in step.inputs}
    read = {d.path: d for d in card.inputs if d.context == "training"}
    lines = [
        (d.path, d.digest, _size(d.size), f"made by {makers[d.path]}" if makers.get(d.path) else UNKNOWN)
        for d in read.values()
    ]
    raw = {data.path: data for data in card.lineage.raw}
    lines = [line for line in lines if line[0] not in raw]
    lines += [(d.path, d.digest, _size(d.size), _kept(d.path, d.origin)) for d in raw.values()]
    if not lines:
        return Section("training-data", "Training data", f"{said} Which data it was is unknown.")
    headers = ("Data", "Hash (DVC)", "Size", "Comes from")
    table = Table(headers, tuple(lines), "What the training read, and the raw data behind it", frozenset({2}))
    return Section("training-data", "Training data", said, (table,))


def _size(value: int | None) -> str:
    return NONE if value is None else volume(value)


def _kept(path: str, origin: Origin | None) -> str:
    if origin is None:
        return f"raw; how it is kept is {UNKNOWN}"
    if origin.dvc_file is None:
        return "raw, in git"
    by = "" if origin.dvc_file == f"{path}.dvc" else f" ({origin.dvc_file})"
    source = f", imported from {origin.imported_from}" if origin.imported_from else ""
    return f"raw, in DVC{by}{source}; {f'remote {origin.remote}' if origin.remote else 'no remote'}"


def analyses_section(found: Evaluation | None) -> Section:
    """Return metrics, calibration, groups and importance, as the evaluation's own report has them."""
    if found is None:
        return Section(
            "analyses", "Quantitative analyses", "Unknown: no run of this model keeps an evaluation."
        )
    blocks: list[Block] = []
    for part in _parts(found):
        blocks += [Heading(part.title), *([Text(part.lead)] if part.lead else []), *part.blocks]
    blocks.append(Note("The run keeps the whole report as evaluation.html."))
    return Section("analyses", "Quantitative analyses", "", tuple(blocks))


def _parts(found: Evaluation) -> Iterator[Section]:
    yield metrics_section(found, None)
    ofs = regression_sections(found) if found.task == "regression" else classification_sections(found)
    yield from (section for section in ofs if section.name in _OF_CARD)
    yield from (section for section in (groups_section(found), weak_section(found)) if section is not None)
    columns = columns_section(found)
    tables = [b for b in columns.blocks if isinstance(b, Table) and not b.folded] if columns else []
    if columns is not None and tables:
        yield Section(columns.name, columns.title, columns.lead, tuple(tables))
