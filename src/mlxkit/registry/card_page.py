"""A model card as a report: one text for Markdown and for the page."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from mlxkit.registry.card_parts import (
    analyses_section,
    evaluation_data_section,
    factors_section,
    training_data_section,
)
from mlxkit.report.blocks import Code, Note, Report, Section, Table, Terms
from mlxkit.report.large_numbers import large_numbers
from mlxkit.report.summary import cautions_of
from mlxkit.report.words import NONE, count, listed, number, rows, volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlxkit.registry.card import ModelCard
    from mlxkit.registry.history import Entry
    from mlxkit.registry.lineage import Step

UNKNOWN = "unknown"
_SHOWN_PARAMS = 40
_KINDS = {"sklearn": "scikit-learn", "pytorch": "PyTorch", "xgboost": "XGBoost", "lightgbm": "LightGBM"}


def report_of(card: ModelCard) -> Report:
    """Return the card as a report, in the order of the paper."""
    found = card.evaluation
    sections = [
        _details(card),
        _use(card),
        factors_section(found),
        evaluation_data_section(card),
        training_data_section(card),
        analyses_section(found),
        _ethics(card),
        _caveats(card),
        _drift(card),
        _training(card),
        _promotions(card),
    ]
    document = json.dumps(card.to_json(), default=str, sort_keys=True)
    return Report(
        kicker=f"{card.project} · model card",
        title=f"{card.project}, {card.named.short}",
        standfirst=_standfirst(card),
        facts=large_numbers(found) if found is not None else (),
        verdicts=tuple(_first(card)),
        cautions=tuple(_cautions(card)),
        sections=tuple(sections),
        digest=hashlib.md5(document.encode(), usedforsecurity=False).hexdigest(),
    )


def _standfirst(card: ModelCard) -> str:
    positive = card.evaluation.positive if card.evaluation is not None else None
    what = f"{card.target} = {positive}" if positive is not None else card.target
    columns = len(card.files.columns)
    taken = f" from {count(columns)} column{'' if columns == 1 else 's'}" if columns else ""
    where = card.named.version.aliases if card.named.version is not None else ()
    place = f" It is the model of {listed(list(where))}." if where else " No environment has it."
    return f"A {card.task} model that predicts {what}{taken}.{place}"


def _first(card: ModelCard) -> Iterator[tuple[str, str]]:
    yield "Owner", card.said.owner or UNKNOWN
    yield "Intended use", card.said.intended_use or UNKNOWN
    yield "Not for", card.said.out_of_scope or UNKNOWN


def _cautions(card: ModelCard) -> Iterator[str]:
    if card.evaluation is not None:
        yield from cautions_of(card.evaluation, None)
    else:
        yield "No run of this model keeps an evaluation, so how good it is stands in no record."
    if card.missing:
        keys = listed(list(card.missing))
        yield f"Nobody has written yet: {keys} (below card: in mlx.yaml)."
    if card.files.problem is not None:
        yield f"Its files could not be read: {card.files.problem}."
    yield from (f"{note[0].upper()}{note[1:]}." for note in card.lineage.notes)


# --- sections


def _details(card: ModelCard) -> Section:
    run, version, files = card.named.run, card.named.version, card.files
    trained = f"{run.started:%Y-%m-%d %H:%M} UTC, run {run.id}" if run is not None else UNKNOWN
    kinds = [_KINDS.get(kind, kind) for kind in files.kinds if kind != "python_function"]
    registered = f"{version.version}, registered {version.created:%Y-%m-%d}" if version else "not registered"
    entries = (
        ("Owner", card.said.owner or UNKNOWN),
        ("Contact", card.said.contact or UNKNOWN),
        ("License", card.said.license or UNKNOWN),
        ("Version", registered),
        ("Trained", trained),
        ("Kind", f"{card.task}, {listed(kinds)}" if kinds else card.task),
        ("Takes", ", ".join(files.columns) or UNKNOWN),
        ("Size", volume(files.size) if files.size is not None else UNKNOWN),
    )
    return Section("details", "Model details", "", (Terms(entries),))


def _use(card: ModelCard) -> Section:
    entries = (
        ("Intended use", card.said.intended_use or UNKNOWN),
        ("Out of scope", card.said.out_of_scope or UNKNOWN),
    )
    return Section("use", "Intended use", "", (Terms(entries),))


def _ethics(card: ModelCard) -> Section:
    entries = [("Considerations", card.said.ethical_considerations or UNKNOWN)]
    found = card.evaluation
    columns = [protected.column for protected in found.protected] if found is not None else []
    looked = (
        f"The evaluation looked at the groups of {listed(columns)}; see the quantitative analyses."
        if columns
        else "The evaluation looked at no groups of people: mlx.yaml names none as protected."
    )
    return Section("ethics", "Ethical considerations", "", (Terms((*entries, ("Groups of people", looked))),))


def _caveats(card: ModelCard) -> Section:
    entries = [("Limitations", card.said.limitations or UNKNOWN)]
    found = card.evaluation
    if found is not None and found.gaps:
        gaps = "; ".join(f"{gap.part}: {gap.reason}" for gap in found.gaps)
        entries.append(("Not computed", f"{gaps}."))
    if found is not None:
        said = "Intervals cover the chance in the test rows, not that of another training"
        entries.append(("Of the numbers", f"{said}, nor that the world changes."))
    return Section("caveats", "Caveats and recommendations", "", (Terms(tuple(entries)),))


def _drift(card: ModelCard) -> Section:
    profile = card.files.profile
    if profile is None:
        return Section("drift", "Drift reference", "Unknown: the model has no profile of its training rows.")
    said = (
        f"New rows are compared with a profile of {rows(profile.rows)} and {count(len(profile.inputs))} "
        "columns, which travels with the model. It counts as drift when more than "
        f"{card.max_drift_share:.0%} of the columns drifted."
    )
    return Section("drift", "Drift reference", said, (Code("mlx drift --data FILE"),))


def _training(card: ModelCard) -> Section:
    run, traced = card.named.run, card.lineage
    commit, machine = traced.commit, traced.machine
    code = (run.commit if run is not None else None) or UNKNOWN
    code += f": {commit.subject} ({commit.author}, {commit.time:%Y-%m-%d})" if commit is not None else ""
    code += f"; with uncommitted changes in {listed(list(traced.changed))}" if traced.changed else ""
    where = ", ".join(
        text for text in (machine.target, machine.host, machine.platform, machine.gpu) if text is not None
    )
    libraries = [f"Python {machine.python}"] if machine.python else []
    libraries += [f"{name} {version}" for name, version in machine.libraries.items()]
    took = sum(run.stage_seconds.values()) if run is not None else 0.0
    entries = (
        ("Code", code),
        ("Stages", ", ".join(_in_order(traced.steps)) or UNKNOWN),
        ("Machine", where or UNKNOWN),
        ("Libraries", ", ".join(libraries) or UNKNOWN),
        ("Time", f"{number(took)} s" if took else UNKNOWN),
    )
    params = sorted(run.params.items()) if run is not None else []
    shown = tuple((name, value if len(value) <= 80 else f"{value[:79]}…") for name, value in params)
    more = len(shown) - _SHOWN_PARAMS
    table = Table(("Parameter", "Value"), shown[:_SHOWN_PARAMS], "Parameters")
    notes = (Note(f"And {count(more)} more."),) if more > 0 else ()
    return Section(
        "training", "How it was trained", "", (Terms(entries), *((table,) if shown else ()), *notes)
    )


def _in_order(steps: Sequence[Step]) -> list[str]:
    """Name the stages, each after those whose outputs it reads."""
    known = {step.name: step for step in steps}
    ordered: dict[str, None] = {}

    def add(step: Step) -> None:
        for data in step.inputs:
            if data.made_by in known and data.made_by not in ordered:
                add(known[data.made_by])
        ordered.setdefault(step.name)

    for step in steps:
        add(step)
    return list(ordered)


def _promotions(card: ModelCard) -> Section:
    entries = card.lineage.promotions
    if not entries:
        return Section("promotions", "Promotions", "None: no environment ever had it.")
    lines = tuple(_promotion(entry) for entry in entries)
    headers = ("When", "Environment", "What", "By", "After", "Gates", "Reason")
    return Section("promotions", "Promotions", "", (Table(headers, lines, "Changes of environments"),))


def _promotion(entry: Entry) -> tuple[str, ...]:
    record = entry.record
    gates = (
        f"{sum(bool(g.get('passed')) for g in record.gates)} of {len(record.gates)}" if record else UNKNOWN
    )
    return (
        f"{entry.since:%Y-%m-%d %H:%M}" if entry.since is not None else UNKNOWN,
        entry.environment,
        entry.what,
        record.by if record is not None else UNKNOWN,
        f"version {entry.before}" if entry.before else NONE,
        gates,
        record.reason if record is not None else "",
    )
