"""The part of an mlx.yaml that has the right shape, so that one wrong key does not hide other problems."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlxkit.project.schema import ROOT

if TYPE_CHECKING:
    from mlxkit.project.located import Problems, Value


@dataclass(frozen=True)
class Sound:
    """What is left of a file without its broken parts.

    Attributes:
        value: the root mapping with every required key; a broken one is empty text or an empty mapping.
        broken: top-level keys with a problem in them; rules that need them cannot be judged.
    """

    value: Value
    broken: frozenset[str]


def sound_part(value: Value, problems: Problems) -> Sound:
    """Leave out the top-level keys and the stages that have a problem."""
    wrong = [problem.where for problem in problems.found]

    def is_broken(where: str) -> bool:
        return any(w == where or w.startswith((f"{where}.", f"{where}[")) for w in wrong)

    given: dict[str, Value] = value.data if isinstance(value.data, dict) else {}
    names = dict.fromkeys([*ROOT.keys, *given])
    broken = frozenset(name for name in names if is_broken(name))
    data = {name: item for name, item in given.items() if name not in broken}
    for name, key in ROOT.keys.items():
        if key.required and name not in data:
            data[name] = replace(value, data="", text="", where=name)
    stages = given["stages"] if "stages" in given else data["stages"]
    kept = stages.data if isinstance(stages.data, dict) else {}
    data["stages"] = replace(stages, data={n: s for n, s in kept.items() if not is_broken(s.where)})
    return Sound(replace(value, data=data), broken)
