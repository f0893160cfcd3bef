"""Who calls the champion can call this model: its columns, their types, and the kind of its answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.mlflow_model import read_mlmodel
from mlxkit.evaluation.columns import category
from mlxkit.evaluation.profile import PROFILE_FILE, read_profile
from mlxkit.registry.gates.verdict import GateVerdict, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlxkit.project.gates import SignatureGate
    from mlxkit.registry.gates.trial import Trial

_WIDER: Mapping[str, tuple[str, ...]] = {
    "integer": ("long", "double"),
    "long": ("double",),
    "float": ("double",),
}
"""What MLflow takes for a type without loss."""


def judge_signature(gate: SignatureGate, trial: Trial) -> GateVerdict:
    """Refuse what would break callers: a column that is gone or of another type, a new one, other answers.

    Raises:
        ToolError: the champion's files are gone.
    """
    if trial.champion is None:
        reason = "there is no champion yet, so nobody depends on its signature"
        return GateVerdict(str(gate), True, None, None, reason)
    ours, theirs = trial.challenger.directory, trial.champion.directory
    # A champion that takes other columns may not answer these rows, and so has no classes here.
    problems = [*_inputs(ours, theirs), *_answers(ours, theirs)] or [*_classes(trial)]
    if problems:
        reason = f"callers of {trial.champion.name} would break: {'; '.join(problems)}"
        return GateVerdict(str(gate), False, len(problems), 0, reason)
    return GateVerdict(
        str(gate), True, 0, 0, f"it takes what {trial.champion.name} takes, and answers in its way"
    )


def _inputs(ours: Path, theirs: Path) -> Iterator[str]:
    mine, known = _columns(ours), _columns(theirs)
    if not mine or not known:
        if _schema(ours, "inputs") != _schema(theirs, "inputs"):
            yield "one of the models names no columns, and its input has another form"
        return
    gone = [f"'{name}'" for name in known if name not in mine]
    if gone:
        yield f"it takes no {listed(gone)}"
    added = [f"'{name}'" for name, column in mine.items() if name not in known and column["required"]]
    if added:
        yield f"it needs {listed(added)}, which nobody gives"
    kinds, known_kinds = _kinds(ours), _kinds(theirs)
    for name in (name for name in known if name in mine):
        before, now = known[name]["type"], mine[name]["type"]
        if not _takes(now, before):
            yield f"'{name}' is of type {now} and not {before}"
        elif name in kinds and name in known_kinds and kinds[name] != known_kinds[name]:
            yield f"'{name}' is {kinds[name]} and not {known_kinds[name]}"
        if mine[name]["required"] and not known[name]["required"]:
            yield f"'{name}' may no longer be left out"


def _answers(ours: Path, theirs: Path) -> Iterator[str]:
    mine, known = (_output_types(_schema(folder, "outputs")) for folder in (ours, theirs))
    if mine != known:
        yield f"it answers with {mine or 'no type'} and not {known or 'no type'}"


def _classes(trial: Trial) -> Iterator[str]:
    """Compare the classes where both models name theirs."""
    if trial.project.task != "classification" or trial.rows is None:
        return
    assert trial.champion is not None
    models = (trial.challenger.predictions, trial.rival.predictions)
    mine, known = ([category(c) or "" for c in m.classes] if m is not None else [] for m in models)
    if not mine or not known or set(mine) == set(known):
        return
    gone, added = ([f"'{c}'" for c in a if c not in b] for a, b in ((known, mine), (mine, known)))
    parts = [f"{word} {listed(names)}" for word, names in (("without", gone), ("with", added)) if names]
    yield f"its classes are {' and '.join(parts)}"


def _schema(folder: Path, name: str) -> list[Any]:
    text = (read_mlmodel(folder).get("signature") or {}).get(name)
    return list(json.loads(text)) if text else []


def _columns(folder: Path) -> dict[str, dict[str, Any]]:
    """Return type and need of each column; {} where the signature names none."""
    return {
        column["name"]: {"type": column["type"], "required": column.get("required", True)}
        for column in _schema(folder, "inputs")
        if "name" in column
    }


def _kinds(folder: Path) -> dict[str, str]:
    """Return what the columns held in training: most are of any type to MLflow."""
    if not (folder / PROFILE_FILE).is_file():
        return {}
    return {column.name: column.kind for column in read_profile(folder).inputs}


def _takes(now: object, before: object) -> bool:
    return now == before or now == "any" or (isinstance(before, str) and now in _WIDER.get(before, ()))


def _output_types(schema: list[Any]) -> str:
    """Return the types of the answers; whole numbers are one type."""
    types = [column.get("type", "") for column in schema]
    shapes = [json.dumps(column.get("tensor-spec", "")) for column in schema]
    return ", ".join(
        f"{'long' if kind == 'integer' else kind}{'' if shape == json.dumps('') else f' {shape}'}"
        for kind, shape in zip(types, shapes, strict=True)
    )
