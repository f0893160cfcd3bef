"""mlx and DVC must never disagree about what is out of date."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from edits import CHANGES, params
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_project import PARAMS, STAGES, STEPS, by_status, default_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from small_project import SmallProject


# DVC compares what dvc.yaml lists with dvc.lock, and not the reverse; mlx sees the dependency that is gone.
OVERLOOKED_BY_DVC = {"an input less": {"right"}}


@pytest.mark.parametrize("name", CHANGES)
def test_both_see_the_same_stages_changed(ran: SmallProject, name: str) -> None:
    change, _ = CHANGES[name]
    change(ran)
    ran.check_fix()
    assert ran.changed_for_mlx() == ran.changed_for_dvc() | OVERLOOKED_BY_DVC.get(name, set())


@pytest.mark.parametrize("text", ["2024-01-31", "2024-01-31 10:00:00", "[2024-01-31]", "{a: 2024-01-31}"])
def test_a_date_as_a_parameter_is_refused_because_dvc_cannot_read_it(
    ran: SmallProject, mlx: Any, text: str
) -> None:
    ran.write({"params.yaml": f"cleaning:\n  scale: {text}\nshifting: {{shift: 1}}\n"})
    with pytest.raises(TypeError, match="Unsupported value of type 'date"):
        ran.dvc_status()
    result = mlx("status")
    assert result.code == 4
    shown = text.strip("[]") if "a:" not in text else "2024-01-31"
    assert f": DVC takes no dates as parameters; put '{shown}' in quotes\n" in result.err


def test_a_date_is_not_set_either(ran: SmallProject, mlx: Any) -> None:
    before = ran.text("params.yaml")
    result = mlx("run", "--set", "cleaning.scale=2024-01-31")
    assert (result.code, result.err) == (
        2,
        "error: '2024-01-31' is a date, which DVC does not take as a parameter\n"
        "hint: quote it: `--set 'cleaning.scale=\"2024-01-31\"'`\n",
    )
    assert ran.text("params.yaml") == before


VALUES: dict[str, Any] = {
    "integer": "3",
    "float": "0.1",
    "exponent": "1e-3",
    "whole float": "1.0",
    "large": "123456789012345678901234567890",
    "tiny": "1.0e-300",
    "octal": "0o17",
    "zeros": "010",
    "separator": "1_000",
    "true": "true",
    "yes": "yes",
    "on": "on",
    "null": "null",
    "tilde": "~",
    "empty text": "''",
    "quoted number": "'1'",
    "quoted date": "'2024-01-31'",
    "clock": "12:30",
    "list": "[1, a, [2.5, null]]",
    "empty list": "[]",
    "empty mapping": "{}",
    "mapping": "{a: {b: [1, 2]}, c: x}",
    "numbered": "{0: 1.5, 1: {2: x}}",
    "infinity": ".inf",
    "umlaut": "größe",
    "emoji": "\U0001f40d",
    "lines": '"a\\nb"',
    "version": "1.2.3",
    "reference": "${HOME}",
}


def test_values_of_params_yaml_mean_the_same_to_both(bare: SmallProject) -> None:
    code = "def clean(values: dict):\n    return {'n': len(values)}\n"
    lines = "".join(f"  is {name}: {text}\n" for name, text in VALUES.items())
    bare.write({"src/demo/steps.py": code, "params.yaml": f"values:\n{lines}"})
    stage = {"call": "demo.steps:clean", "outputs": {"n": "n.json"}, "params": ["values"]}
    bare.configure({"clean": stage})
    assert by_status(bare.run()) == {"clean": "ran"}
    assert bare.reasons() == {}
    assert bare.dvc_status() == {}
    assert bare.dvc_repro() == []
    assert bare.reasons() == {}


def test_after_mlx_run_dvc_has_nothing_to_do(small: SmallProject) -> None:
    assert small.run().error is None
    assert small.dvc_status() == {}
    assert small.dvc_repro() == []


def test_after_dvc_repro_mlx_has_nothing_to_do(small: SmallProject) -> None:
    small.check_fix()
    # The command, and not the library: this is what a user types, and `mlx exec` runs in a real shell.
    done = subprocess.run(["dvc", "repro"], cwd=small.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cleaning" in done.stdout
    assert small.json("build/joined/sum.json") == 1531
    assert small.reasons() == {}
    lock = (small.root / "dvc.lock").read_bytes()
    assert set(by_status(small.run()).values()) == {"fresh"}
    assert (small.root / "dvc.lock").read_bytes() == lock


def test_both_write_the_same_lock_file(ran: SmallProject) -> None:
    by_mlx = ran.text("dvc.lock")
    (ran.root / "dvc.lock").unlink()
    shutil.rmtree(ran.root / ".dvc/cache/runs")
    assert sorted(ran.dvc_repro()) == ["clean", "join", "left", "right"]
    # The order of the stages is that in which they ran.
    assert sorted(_entries(ran.text("dvc.lock"))) == sorted(_entries(by_mlx))


def _entries(lock: str) -> list[str]:
    return re.split(r"\n  (?=\w)", lock.removesuffix("\n"))


def test_what_mlx_ran_dvc_restores_and_the_reverse(ran: SmallProject) -> None:
    one, two = params(shifting={"shift": 2}), {"params.yaml": PARAMS}
    ran.write(one)
    assert by_status(ran.run())["left"] == "ran"
    ran.write(two)
    ran.dvc_repro()
    assert ran.json("build/left.json") == {"n": 31}
    assert ran.reasons() == {}
    ran.write(one)
    assert by_status(ran.run()) == {
        "clean": "fresh",
        "left": "restored",
        "right": "fresh",
        "join": "restored",
    }
    assert ran.json("build/left.json") == {"n": 32}
    assert ran.dvc_status() == {}


STEPS_AND_MORE = (
    STEPS
    + """

def clean_more(raw: dict, scale):
    return {"n": raw["n"] + scale}
"""
)
OUTPUTS = ("build/clean.json", "build/left.json", "build/right.txt", "build/joined")
EDITS: dict[str, Callable[[SmallProject, int], object]] = {
    "a parameter": lambda p, n: p.write(params(cleaning={"scale": n})),
    "another parameter": lambda p, n: p.write(params(shifting={"shift": n, "unused": [1, 2]})),
    "a comment among the parameters": lambda p, n: p.write(
        {"params.yaml": p.text("params.yaml") + f"# {n}\n"}
    ),
    "data": lambda p, n: p.write({"data/raw.json": {"n": n}}),
    "no data": lambda p, n: (p.root / "data/raw.json").unlink(missing_ok=True),
    "code": lambda p, n: p.write({"src/demo/steps.py": f"{STEPS_AND_MORE}# {n}\n"}),
    "shared code": lambda p, n: p.write(
        {"src/demo/shared.py": f"def double(value):\n    return value * {n}\n"}
    ),
    "a script": lambda p, n: p.write(
        {"scripts/right.py": p.text("scripts/right.py").partition("#")[0] + f"# {n}\n"}
    ),
    "an output": lambda p, n: p.write({OUTPUTS[n] if n < 3 else "build/joined/sum.json": f"{n}\n"}),
    "no output": lambda p, n: p.remove(*(path for path in OUTPUTS[n:] if (p.root / path).exists())),
    "no object": lambda p, n: p.object_of(p.digest(OUTPUTS[n])).unlink(missing_ok=True),
    "a command": lambda p, n: p.change_stage(_script_stage(p), cmd=f"python scripts/right.py {n}"),
    "a variable": lambda p, n: p.change_stage("left", env={"N": str(n)} if n else None),
    "a call": lambda p, n: p.change_stage("clean", call=f"demo.steps:clean{'_more' * (n % 2)}"),
    "a name": lambda p, n: _rename(p, _script_stage(p), f"right{n}"),
}


def _script_stage(project: SmallProject) -> str:
    """Name the stage that runs a script, which has been renamed."""
    stages = yaml.safe_load(project.text("mlx.yaml"))["stages"]
    return next(name for name, stage in stages.items() if "cmd" in stage)


def _rename(project: SmallProject, old: str, new: str) -> None:
    config = yaml.safe_load(project.text("mlx.yaml"))
    config["stages"] = {new if name == old else name: stage for name, stage in config["stages"].items()}
    project.write({"mlx.yaml": config})


def _changed_for_dvc_but_for_what_is_away(project: SmallProject) -> set[str]:
    """Tell the stages that DVC calls changed; an output that is not here counts by dvc.lock, as for mlx."""

    def counts(change: str | dict[str, Any]) -> bool:
        if isinstance(change, str):
            return True
        (paths,) = change.values()
        return any((project.root / path).exists() or path not in OUTPUTS for path in paths)

    return {name for name, changes in project.dvc_status().items() if any(map(counts, changes))}


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.sampled_from(sorted(EDITS)), st.integers(0, 3)), min_size=12, max_size=18))
def test_both_agree_after_random_edits(
    ran: SmallProject, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, int]]
) -> None:
    """At each step, and again after a run in the middle and at the end."""
    project = ran.copy_to(tmp_path_factory.mktemp("edited") / "project")
    project.write({"src/demo/steps.py": STEPS_AND_MORE})
    for number, (kind, value) in enumerate(edits, 1):
        EDITS[kind](project, value)
        project.check_fix()
        assert project.changed_for_mlx() == _changed_for_dvc_but_for_what_is_away(project), edits[:number]
        if number in (len(edits) // 2, len(edits)):
            if not (project.root / "data/raw.json").exists():
                project.write({"data/raw.json": {"n": 1}})
            assert project.run().error is None
            assert project.changed_for_mlx() == project.changed_for_dvc() == set(), edits[:number]


def test_dvc_sees_variables_unexpanded(bare: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_TOKEN", "s3cret-value")
    code = "import os\n\n\ndef clean():\n    return {'length': len(os.environ['TOKEN'])}\n"
    bare.write({"src/demo/steps.py": code, ".env": "DEMO_OTHER=an0ther-value\n"})
    bare.configure(
        {
            "clean": {
                "call": "demo.steps:clean",
                "outputs": {"n": "n.json"},
                "env": {"TOKEN": "${DEMO_TOKEN}-${DEMO_OTHER}"},
            },
            "shell": {
                "cmd": "echo ${#TOKEN} > length.txt",
                "outputs": ["length.txt"],
                "env": {"TOKEN": "${DEMO_OTHER}"},
            },
        }
    )
    assert bare.run().error is None
    expanded = ("s3cret-value", "an0ther-value")
    assert bare.json("n.json") == {"length": len("-".join(expanded))}
    assert bare.text("length.txt") == f"{len('an0ther-value')}\n"
    assert bare.dvc_status() == {}
    assert "DEMO_TOKEN" in bare.text("dvc.lock")
    shutil.rmtree(bare.root / ".dvc/cache")
    for name in ("dvc.lock", "n.json", "length.txt"):
        (bare.root / name).unlink()
    assert bare.dvc_repro() == ["clean", "shell"]
    assert bare.reasons() == {}
    for file in bare.root.rglob("*"):
        if file.is_file() and file.name != ".env":
            content = file.read_bytes()
            assert not any(value.encode() in content for value in expanded), file


def test_lines_of_a_command_run_one_by_one_as_in_dvc(bare: SmallProject) -> None:
    cmd = "cd src\npwd > where.txt\n"
    bare.configure({"lines": {"cmd": cmd, "outputs": ["where.txt"]}})
    assert bare.run().error is None
    assert bare.text("where.txt") == f"{bare.root}\n"
    assert bare.dvc_status() == {}
    (bare.root / "dvc.lock").unlink()
    shutil.rmtree(bare.root / ".dvc/cache")
    assert bare.dvc_repro() == ["lines"]
    assert bare.reasons() == {}


def test_the_first_line_that_fails_ends_a_command(bare: SmallProject) -> None:
    bare.configure({"lines": {"cmd": "false\necho 1 > out.txt\n", "outputs": ["out.txt"]}})
    error = bare.run().error
    assert error is not None
    assert error.message == "stage 'lines' failed: the command ended with exit code 1"
    assert error.context == ("false",)
    assert not (bare.root / "out.txt").exists()


def test_a_plain_dvc_command_works_while_a_stage_runs(small: SmallProject) -> None:
    """DVC's lock is not held by a stage that runs."""
    small.change_stage("right", cmd="dvc status > seen.txt && python scripts/right.py")
    assert small.run().error is None
    assert "right:" in small.text("seen.txt")


def test_a_project_below_another_repository(small: SmallProject, tmp_path: Path) -> None:
    """The DVC repository may be that of the folder above."""
    (small.root / ".dvc").rename(tmp_path / ".dvc")
    assert small.run().error is None
    assert small.reasons() == {}
    assert set(by_status(small.run()).values()) == {"fresh"}


def test_a_stage_name_with_dashes_and_paths_with_spaces(bare: SmallProject) -> None:
    bare.write({"data/my größe.json": {"n": 1}, "src/demo/steps.py": STEPS, "src/demo/shared.py": ""})
    stage = {
        **STAGES["clean"],
        "inputs": {"raw": "data/my größe.json"},
        "outputs": {"cleaned": "out put/clean & more.json"},
        "params": ["cleaning"],
    }
    bare.write({"src/demo/shared.py": "def double(v): ...\n", "params.yaml": {"cleaning": {"scale": 2}}})
    bare.configure({"clean-it_2": stage})
    assert bare.run().error is None
    assert bare.json("out put/clean & more.json") == {"n": 2}
    assert bare.dvc_status() == {}
    (bare.root / "dvc.lock").unlink()
    shutil.rmtree(bare.root / ".dvc/cache")
    assert bare.dvc_repro() == ["clean-it_2"]
    assert bare.reasons() == {}


ODD_NAMES = ["it's größe #1", 'a "b" & `c`', "$HOME 🐍", "-dash (1) [2]", "back\\slash;|", "per%cent\there"]


@pytest.mark.parametrize("folder", ["it's größe #1 $HOME 🐍", "new\nline", 'a "b" & `c`'])
def test_odd_names_mean_the_same_to_both(bare: SmallProject, tmp_path: Path, folder: str) -> None:
    project = bare.copy_to(tmp_path / folder).write(default_files())
    stages: dict[str, Any] = {}
    for number, name in enumerate(ODD_NAMES):
        project.write({f"data/{name}.json": {"n": 5}})
        stages[f"clean{number}"] = {
            **STAGES["clean"],
            "inputs": {"raw": f"data/{name}.json"},
            "outputs": {"cleaned": f"build/{name}/{name}.json"},
        }
    project.configure(stages)
    assert set(by_status(project.run()).values()) == {"ran"}
    assert project.reasons() == project.dvc_status() == {}
    assert project.dvc_repro() == []
    project.write({f"data/{name}.json": {"n": 6} for name in ODD_NAMES})
    done = subprocess.run(["dvc", "repro"], cwd=project.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert project.reasons() == {}
    assert project.json(f"build/{ODD_NAMES[0]}/{ODD_NAMES[0]}.json") == {"n": 18}
