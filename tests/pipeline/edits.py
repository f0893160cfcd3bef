"""Edits of the project that has run, each with the reasons that `mlx status` then gives."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from small_project import PARAMS, STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from small_project import SmallProject

AFTER_CLEAN = {"left": ("after clean",), "right": ("after clean",), "join": ("after left, right",)}


def params(**changes: Any) -> dict[str, Any]:
    """The parameters with some groups replaced; None removes a group."""
    return {"params.yaml": {name: v for name, v in {**PARAMS, **changes}.items() if v is not None}}


CHANGES: dict[str, tuple[Callable[[SmallProject], Any], dict[str, tuple[str, ...]]]] = {
    "an input": (
        lambda p: p.write({"data/raw.json": {"n": 6}}),
        {"clean": ("input data/raw.json changed",), **AFTER_CLEAN},
    ),
    "an input of the same size": (
        lambda p: p.write({"data/raw.json": p.text("data/raw.json").replace("5", "4")}),
        {"clean": ("input data/raw.json changed",), **AFTER_CLEAN},
    ),
    "an input is gone": (
        lambda p: (p.root / "data/raw.json").unlink(),
        {"clean": ("input data/raw.json is missing",), **AFTER_CLEAN},
    ),
    "code that two stages share": (
        lambda p: p.write({"src/demo/steps.py": STEPS + "\n# more\n"}),
        {
            "clean": ("code src/demo/steps.py changed",),
            "left": ("code src/demo/steps.py changed", "after clean"),
            "right": ("after clean",),
            "join": ("code src/demo/steps.py changed", "after left, right"),
        },
    ),
    "the script of a command": (
        lambda p: p.write({"scripts/right.py": p.text("scripts/right.py") + "\n"}),
        {"right": ("code scripts/right.py changed",), "join": ("after right",)},
    ),
    "a new import": (
        lambda p: p.write({"scripts/right.py": "import helper\n", "scripts/helper.py": ""}),
        {
            "right": ("new code scripts/helper.py", "code scripts/right.py changed"),
            "join": ("after right",),
        },
    ),
    "an import less": (
        lambda p: p.write({"src/demo/steps.py": STEPS.replace("from demo.shared import double", "")}),
        {
            "clean": ("code src/demo/steps.py changed", "src/demo/shared.py is no longer read"),
            "left": ("code src/demo/steps.py changed", "src/demo/shared.py is no longer read", "after clean"),
            "right": ("after clean",),
            "join": (
                "code src/demo/steps.py changed",
                "src/demo/shared.py is no longer read",
                "after left, right",
            ),
        },
    ),
    "a parameter": (
        lambda p: p.write(params(shifting={"shift": 2, "unused": [1, 2]})),
        {"left": ("shifting.shift: 1 -> 2",), "join": ("after left",)},
    ),
    "the type of a parameter": (
        lambda p: p.write(params(shifting={"shift": "1", "unused": [1, 2]})),
        {"left": ("shifting.shift: 1 -> '1'",), "join": ("after left",)},
    ),
    "several parameters": (
        lambda p: p.write(params(shifting={"shift": None, "unused": [2, 1], "a": {"b": 1}})),
        {
            "left": ("shifting.a is new", "shifting.shift: 1 -> None", "shifting.unused: [1, 2] -> [2, 1]"),
            "join": ("after left",),
        },
    ),
    "a parameter less": (
        lambda p: p.write(params(shifting={"shift": 1})),
        {"left": ("shifting.unused was removed",), "join": ("after left",)},
    ),
    "a group instead of a value": (
        lambda p: p.write(params(shifting={"shift": {"x": 1}, "unused": [1, 2]})),
        {"left": ("shifting.shift: 1 -> {'x': 1}",), "join": ("after left",)},
    ),
    "the order of parameters": (
        lambda p: p.write(params(shifting={"unused": [1, 2], "shift": 1})),
        {},
    ),
    "parameters that nobody uses": (lambda p: p.write(params(other={"free": 2}, more={"x": 1})), {}),
    "another function": (
        lambda p: p.change_stage("clean", call="demo.steps:clean2").write(
            {"src/demo/steps.py": STEPS.replace("def clean(", "def clean2(")}
        ),
        {
            "clean": (
                "definition changed: call 'demo.steps:clean' -> 'demo.steps:clean2'",
                "code src/demo/steps.py changed",
            ),
            "left": ("code src/demo/steps.py changed", "after clean"),
            "right": ("after clean",),
            "join": ("code src/demo/steps.py changed", "after left, right"),
        },
    ),
    "another command": (
        lambda p: p.change_stage("right", cmd="python scripts/right.py --more"),
        {"right": ("its command changed",), "join": ("after right",)},
    ),
    "a variable": (
        lambda p: p.change_stage("left", env={"N": "1"}),
        {"left": ("definition changed: set-env N is now '1'",), "join": ("after left",)},
    ),
    "more parameters": (
        lambda p: p.change_stage("left", params=["shifting", "other"]),
        {
            "left": ("definition changed: params other is now 'other'", "new parameters other"),
            "join": ("after left",),
        },
    ),
    "an input more": (
        lambda p: p.change_stage("right", inputs=["build/clean.json", "data/raw.json"]),
        {"right": ("new input data/raw.json",), "join": ("after right",)},
    ),
    "an input less": (
        lambda p: p.change_stage("right", inputs=[]),
        {"right": ("build/clean.json is no longer read",), "join": ("after right",)},
    ),
    "an output more": (
        lambda p: p.change_stage("right", outputs=["build/right.txt", "build/also.txt"]),
        {"right": ("new output build/also.txt",), "join": ("after right",)},
    ),
    "an output less": (
        lambda p: p.change_stage("left", outputs={"left": "build/other.json"}).change_stage(
            "join", inputs={"left": "build/other.json", "right": "build/right.txt"}
        ),
        {
            "left": (
                "definition changed: out left 'build/left.json' -> 'build/other.json'",
                "new output build/other.json",
                "build/left.json is no longer an output",
            ),
            "join": (
                "definition changed: bind left 'build/left.json' -> 'build/other.json'",
                "new input build/other.json",
                "build/left.json is no longer read",
                "after left",
            ),
        },
    ),
    "an output edited by hand": (
        lambda p: p.write({"build/left.json": "{}"}),
        {
            "left": ("build/left.json differs from dvc.lock",),
            "join": ("input build/left.json changed", "after left"),
        },
    ),
    "a file below an output": (
        lambda p: p.write({"build/joined/more.txt": ""}),
        {"join": ("build/joined differs from dvc.lock",)},
    ),
    "an output that the cache has lost": (
        lambda p: shutil.rmtree(p.root / ".dvc/cache"),
        {
            "clean": ("build/clean.json is not in the cache",),
            "left": ("build/left.json is not in the cache", "after clean"),
            "right": ("build/right.txt is not in the cache", "after clean"),
            "join": ("build/joined is not in the cache", "after left, right"),
        },
    ),
    "a new stage": (
        lambda p: p.change_stage("last", cmd="echo 1 > last.txt", outputs=["last.txt"]),
        {"last": ("never run",)},
    ),
    "the lock file is gone": (
        lambda p: (p.root / "dvc.lock").unlink(),
        dict.fromkeys(("clean", "left", "right", "join"), ("never run",)),
    ),
    "the times of all files": (
        lambda p: [os.utime(f) for f in p.root.rglob("*") if f.is_file()],
        {},
    ),
    "where and how long a stage runs": (
        lambda p: p.change_stage("clean", timeout="1h", retries=2, pool="gpu"),
        {},
    ),
}
