"""What changed in a stage's definition and parameters, in words."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from mlxkit.project.models import PARAMS_FILE

if TYPE_CHECKING:
    from mlxkit.pipeline.dvc_yaml import Definition
    from mlxkit.pipeline.lockfile import Locked
    from mlxkit.project.params import Params


def definition_reasons(definition: Definition, locked: Locked) -> list[str]:
    """Say how a stage's command and outputs differ from those that dvc.lock records."""
    reasons = []
    if definition.cmd != locked.cmd:
        reasons.append(_describe_change(locked.cmd, definition.cmd))
    outputs = set(definition.made)
    reasons += [f"new output {path}" for path in sorted(outputs - set(locked.outs))]
    reasons += [f"{path} is no longer an output" for path in sorted(set(locked.outs) - outputs)]
    return reasons


def _describe_change(old: str, new: str) -> str:
    """Say which option of a stage's command changed."""
    try:
        before, after = _options(old), _options(new)
    except ValueError:
        return "its command changed"
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if not changed or "" in changed:
        return "its command changed"
    shown = changed[0]
    if shown not in after:
        what = f"definition changed: {shown} was removed"
    elif shown not in before:
        what = f"definition changed: {shown} is now '{after[shown]}'"
    else:
        what = f"definition changed: {shown} '{before[shown]}' -> '{after[shown]}'"
    return what if len(changed) == 1 else f"{what} and {len(changed) - 1} more"


def _options(command: str) -> dict[str, str]:
    """Read a command as option -> value; repeatable options count with their name part."""
    words = shlex.split(command)
    options: dict[str, str] = {"": " ".join(words[:3])}
    rest = words[3:]
    for option, value in zip(rest[::2], rest[1::2], strict=False):
        name, equals, text = value.partition("=")
        if option in ("--call", "--cmd", "--kind", "--package", "--params") or not equals:
            options[option.lstrip("-") if option != "--params" else f"params {value}"] = value
        else:
            options[f"{option.lstrip('-')} {name}"] = text
    return options


def parameter_reasons(definition: Definition, locked: Locked, params: Params) -> list[str]:
    """Say how a stage's parameters differ from those that dvc.lock records."""
    reasons = []
    for group in definition.params:
        if group not in locked.params:
            reasons.append(f"new parameters {group}")
        elif group not in params:
            reasons.append(f"{PARAMS_FILE} has no group '{group}'")
        else:
            reasons += _differences(group, locked.params[group], params[group])
    reasons += [
        f"parameters {group} are no longer used" for group in locked.params if group not in definition.params
    ]
    return reasons


def _differences(name: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted({*old, *new}, key=str):
            if key not in new:
                found.append(f"{name}.{key} was removed")
            elif key not in old:
                found.append(f"{name}.{key} is new")
            else:
                found += _differences(f"{name}.{key}", old[key], new[key])
        return found
    if type(old) is type(new) and (old == new or (old != old and new != new)):  # NaN differs from itself
        return []
    return [f"{name}: {old} -> {new}" if str(old) != str(new) else f"{name}: {old!r} -> {new!r}"]
