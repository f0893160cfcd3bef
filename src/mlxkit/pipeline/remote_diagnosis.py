"""What can be wrong with a machine that stages run on, looked at over the same line that they would take."""

from __future__ import annotations

import os
import shlex
import time
from typing import TYPE_CHECKING, Any

from mlxkit.errors import MlxError
from mlxkit.pipeline.diagnosis import Finding
from mlxkit.pipeline.requirements import requirements_of
from mlxkit.targets.line import Line
from mlxkit.targets.remote import python_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlxkit.project.models import Project, RemoteTarget

_LOW_DISK_BYTES = 10 << 30
_LARGE_OFFSET_SECONDS = 5.0
_SAMPLE_BYTES = 4 << 20
_SLOW_MEGABYTES = 1.0


def diagnose_target(project: Project, name: str) -> list[Finding]:
    """Look at the machine of a target, and at the line to it."""
    target = project.targets[name]
    line = Line(target)
    wanted = {"python": python_of(target), "requirements": requirements_of(project, name)}
    try:
        line.call("probe", {})  # sends mlx there, if it must
        asked = time.time()
        told = line.call("probe", {"environment": wanted})
        answered = time.time()
        speed = _megabytes_a_second(line)
    except MlxError as error:
        said = "; ".join([error.message, *error.context[:2]])
        return [Finding("machine", "problem", said, error.hint)]
    return [
        Finding("machine", "ok", f"{told['host']}, {told['system']}, answers in {answered - asked:.1f} s"),
        *_python(target, told, str(wanted["python"])),
        *_room(target, told),
        _clock(told, asked, answered),
        _speed(speed),
        *_cards(target, told),
    ]


def _python(target: RemoteTarget, told: Mapping[str, Any], version: str) -> Iterator[Finding]:
    tool = f"uv at {told['uv']}" if told["uv"] else "no uv, so pip"
    if not told["interpreter"]:
        way = f'set `python: "{".".join(told["python"].split(".")[:2])}"` in mlx.yaml'
        remedy = way if told["uv"] else f"install uv there, or {way}"
        yield Finding("python", "problem", f"no Python {version} there; it has {told['python']}", remedy)
    else:
        yield Finding("python", "ok", f"{version} for stages ({tool})")
    state = "built" if told["built"] else "built with the first job"
    yield Finding("environment", "ok", state if not told["torch"] else f"{state}, {_framework(told)}")
    if not told["rsync"]:
        remedy = f"install rsync on {target.ssh}"
        yield Finding("rsync", "warning", "not there: files travel by tar, and never resume", remedy)


def _framework(told: Mapping[str, Any]) -> str:
    torch = told["torch"]
    return f"PyTorch {torch['version']} for " + (f"CUDA {torch['cuda']}" if torch["cuda"] else "CPU")


def _room(target: RemoteTarget, told: Mapping[str, Any]) -> Iterator[Finding]:
    free = told["free"]
    low = free < _LOW_DISK_BYTES
    remedy = f"free some space below {target.path} on {target.ssh}" if low else ""
    yield Finding(
        "disk", "warning" if low else "ok", f"{free / 2**30:.0f} GiB free in {told['root']}", remedy
    )


def _clock(told: Mapping[str, Any], asked: float, answered: float) -> Finding:
    """Compare clocks; the answer was made some time between the question and its arrival."""
    early, late = asked - told["clock"], told["clock"] - answered
    offset = max(early, late, 0.0)
    if offset <= _LARGE_OFFSET_SECONDS:
        return Finding("clock", "ok", "as here")
    behind = "behind" if early > late else "ahead"
    text = f"{offset:.0f} s {behind}: times of live values will be wrong"
    return Finding("clock", "warning", text, "set up NTP there")


def _megabytes_a_second(line: Line) -> float:
    data = os.urandom(_SAMPLE_BYTES)
    started = time.monotonic()
    line.ssh.run("cat > /dev/null", data=data, timeout=120)
    return _SAMPLE_BYTES / 1e6 / (time.monotonic() - started)


def _speed(megabytes: float) -> Finding:
    slow = megabytes < _SLOW_MEGABYTES
    remedy = "data goes there once and stays: send it with the first job, overnight" if slow else ""
    return Finding("line", "warning" if slow else "ok", f"{megabytes:.1f} MB/s", remedy)


def _cards(target: RemoteTarget, told: Mapping[str, Any]) -> Iterator[Finding]:
    cards, torch = told["gpus"], told["torch"]
    if not cards:
        text = "none that nvidia-smi shows"
        remedy = f"run `ssh {shlex.quote(target.ssh)} nvidia-smi`, or lower `gpus:`"
        yield Finding("gpu", "problem", text, remedy) if target.gpus else Finding("gpu", "ok", text)
        return
    for card in cards:
        memory = f"{card['free'] / 2**30:.0f} of {card['memory'] / 2**30:.0f} GiB free"
        yield Finding(f"gpu {card['index']}", "ok", f"{card['name']}, driver {card['driver']}, {memory}")
    if len(cards) < target.gpus:
        remedy = f"lower `gpus:` of target '{target.name}' in mlx.yaml"
        yield Finding("gpus", "problem", f"{target.gpus} wanted, {len(cards)} there", remedy)
    if torch is not None and not torch["usable"]:
        what = "is built for CPU" if not torch["cuda"] else f"for CUDA {torch['cuda']} cannot use them"
        remedy = "name a file with the right build by `requirements:` below the target"
        yield Finding("framework", "problem", f"PyTorch {torch['version']} {what}", remedy)
