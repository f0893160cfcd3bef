"""What a stage can do wrong, and what the user is told."""

from __future__ import annotations

import dataclasses
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from small_project import PARAMS, STEPS, FreshWorkers, by_status

from mlxkit.errors import ConfigError, Interrupted, StageFailed
from mlxkit.pipeline.events import StageEnded, StageStarted, Waiting
from mlxkit.pipeline.run import run
from mlxkit.pipeline.run_result import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from small_project import SmallProject

    from mlxkit.pipeline.events import Event
    from mlxkit.targets.base import Outcome, Running

MEND = "mend it, then run `mlx run`; what had finished is kept"


@dataclasses.dataclass(frozen=True)
class Case:
    """A body of `clean(raw)` and the error it leads to; `context` leaves out the log's lines and path."""

    body: str
    message: str
    context: tuple[str, ...] = ()
    hint: str = MEND
    head: str = ""
    log: str = ""
    outputs: dict[str, str] = dataclasses.field(default_factory=lambda: {"cleaned": "build/clean.json"})


TWO = {"one": "build/one.json", "two": "build/two.json"}
CASES: dict[str, Case] = {
    "raises": Case(
        "    rows = raw\n    return rows['missing']",
        "stage 'clean' failed: 'demo.steps:clean' raised KeyError: 'missing'",
        ("src/demo/steps.py:3 in clean: return rows['missing']",),
        log="KeyError: 'missing'",
    ),
    "raises without a text": Case(
        "    raise NotImplementedError",
        "stage 'clean' failed: 'demo.steps:clean' raised NotImplementedError",
        ("src/demo/steps.py:2 in clean: raise NotImplementedError",),
        log="NotImplementedError",
    ),
    "raises with several lines": Case(
        "    raise ValueError('no luck\\nat all')",
        "stage 'clean' failed: 'demo.steps:clean' raised ValueError: no luck …",
        (r"src/demo/steps.py:2 in clean: raise ValueError('no luck\nat all')",),
        log="at all",
    ),
    "a library raises": Case(
        "    import json\n    return json.loads('{')",
        "stage 'clean' failed: 'demo.steps:clean' raised JSONDecodeError: "
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ("src/demo/steps.py:3 in clean: return json.loads('{')",),
        log="json.decoder.JSONDecodeError",
    ),
    "raises at import": Case(
        "    return raw",
        "stage 'clean' failed: 'demo.steps:clean' raised ModuleNotFoundError: "
        "No module named 'no_such_library'",
        ("src/demo/steps.py:1 in <module>: import no_such_library",),
        head="import no_such_library\n",
        log="ModuleNotFoundError",
    ),
    "calls sys.exit": Case(
        "    import sys\n    sys.exit(3)",
        "stage 'clean' failed: 'demo.steps:clean' called sys.exit(3)",
        ("src/demo/steps.py:3 in clean: sys.exit(3)",),
        "return from the function, or raise an exception",
    ),
    "calls sys.exit without a code": Case(
        "    import sys\n    sys.exit()",
        "stage 'clean' failed: 'demo.steps:clean' called sys.exit()",
        ("src/demo/steps.py:3 in clean: sys.exit()",),
        "return from the function, or raise an exception",
    ),
    "calls sys.exit at import": Case(
        "    return raw",
        "stage 'clean' failed: 'demo.steps:clean' called sys.exit('no')",
        ("src/demo/steps.py:2 in <module>: sys.exit('no')",),
        "return from the function, or raise an exception",
        head="import sys\nsys.exit('no')\n",
    ),
    "leaves with os._exit": Case(
        "    import os\n    os._exit(0)", "stage 'clean' ended before its function returned"
    ),
    "leaves with a code": Case("    import os\n    os._exit(4)", "stage 'clean' ended with exit code 4"),
    "is killed": Case(
        "    import os\n    os.kill(os.getpid(), 9)",
        "stage 'clean' was killed by SIGKILL",
        hint="look at its memory use: the system kills what takes too much",
    ),
    "crashes": Case("    import os\n    os.kill(os.getpid(), 11)", "stage 'clean' was killed by SIGSEGV"),
    "returns None": Case(
        "    pass",
        "stage 'clean' failed: the function returned nothing for 'clean.json'",
        hint="return the value",
    ),
    "returns the wrong type": Case(
        "    return raw",
        "stage 'clean' failed: the function returned dict, which cannot be saved as 'clean.csv'",
        hint="return a table, or write the file yourself to a parameter annotated `Path`",
        outputs={"cleaned": "build/clean.csv"},
    ),
    "returns what JSON cannot hold": Case(
        "    return {'x': {1, 2}}",
        "stage 'clean' failed: set inside the result cannot be saved as JSON",
        hint="return plain numbers, texts and lists",
    ),
    "returns no names for two outputs": Case(
        "    return 1, 2",
        "stage 'clean' failed: 'demo.steps:clean' returned tuple, but the stage has 2 outputs",
        hint="return a dict or a NamedTuple with the names one, two",
        outputs=TWO,
    ),
    "returns nothing for two outputs": Case(
        "    pass",
        "stage 'clean' failed: 'demo.steps:clean' returned nothing, but the stage has 2 outputs",
        hint="return a dict or a NamedTuple with the names one, two",
        outputs=TWO,
    ),
    "forgets an output": Case(
        "    return {'one': 1, 'three': 3}",
        "stage 'clean' failed: 'demo.steps:clean' forgot the output 'two'",
        ("it returned one, three",),
        "return 'two' too, or remove it from mlx.yaml",
        outputs=TWO,
    ),
    "forgets all outputs": Case(
        "    return {}",
        "stage 'clean' failed: 'demo.steps:clean' forgot the output 'one'",
        ("it returned nothing",),
        "return 'one' too, or remove it from mlx.yaml",
        outputs=TWO,
    ),
}


def fail(project: SmallProject, **options: Any) -> StageFailed:
    result = project.run(**options)
    assert isinstance(result.error, StageFailed), result.error
    return result.error


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_stage_function_that_fails(bare: SmallProject, case: Case) -> None:
    bare.write(
        {"data/raw.json": {"n": 1}, "src/demo/steps.py": f"{case.head}def clean(raw: dict):\n{case.body}\n"}
    )
    bare.configure(
        {"clean": {"call": "demo.steps:clean", "inputs": {"raw": "data/raw.json"}, "outputs": case.outputs}}
    )
    error = fail(bare)
    assert (error.message, error.hint) == (case.message, case.hint)
    places = tuple(line for line in error.context if not line.startswith(("| ", "log: ")))
    assert places == case.context
    tail = [line for line in error.context if line.startswith("| ")]
    if case.log:
        assert case.log in tail[-1]
        assert "mlxkit" not in "".join(tail)
        assert error.context[-1] == f"log: {bare.root}/.mlx/logs/clean.log"
    else:
        assert tail == []
    assert bare.reasons() == {"clean": ("never run",)}


def test_the_hint_resumes_what_was_typed(small: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["mlx", "run", "clean", "--force"])
    small.write({"src/demo/steps.py": STEPS.replace('print("cleaning")', "raise ValueError")})
    error = small.run("clean").error
    assert error is not None
    assert error.hint == "mend it, then run `mlx run clean`; what had finished is kept"


def test_what_was_shown_as_it_came_is_not_shown_again(small: SmallProject) -> None:
    small.configure({"loud": {"cmd": "echo much; exit 3", "outputs": ["out.txt"]}})
    assert fail(small, verbose=True).context == (f"log: {small.root}/.mlx/logs/loud.log",)


@pytest.mark.parametrize(
    ("files", "command"), [({}, "pip install --editable ."), ({"Makefile": "setup:\n"}, "make setup")]
)
def test_a_command_that_does_not_find_the_project(
    bare: SmallProject, files: dict[str, str], command: str
) -> None:
    """Functions are found in src/, but a command finds only what is installed."""
    bare.write({"src/demo/draw.py": "", **files})
    bare.configure({"draw": {"cmd": "python -m demo.draw", "outputs": ["out.txt"]}})
    error = fail(bare)
    assert error.message == "stage 'draw' ended with exit code 1"
    assert error.hint == f"run `{command}`, so that commands find the package 'demo'"


def test_an_output_that_was_promised_to_be_written(bare: SmallProject) -> None:
    bare.write(
        {"src/demo/steps.py": "from pathlib import Path\n\n\ndef clean(folder: Path):\n    return 1\n"}
    )
    bare.configure({"clean": {"call": "demo.steps:clean", "outputs": {"folder": "build/folder"}}})
    error = fail(bare)
    assert error.message == (
        "stage 'clean' failed: the output 'folder' was not made: there is no 'build/folder'"
    )
    assert error.hint == "write it in 'demo.steps:clean', or remove it from mlx.yaml"


def test_a_syntax_error_in_an_imported_module_is_located(small: SmallProject) -> None:
    small.write({"src/demo/shared.py": "def double(:\n"})
    error = fail(small)
    assert error.message.startswith("stage 'clean' failed: 'demo.steps:clean' raised SyntaxError: ")
    assert error.context[0] == "src/demo/shared.py:1: def double(:"


def test_an_input_that_cannot_be_read(small: SmallProject) -> None:
    small.write({"data/raw.json": "{"})
    error = fail(small)
    assert error.message.startswith(
        "stage 'clean' failed: 'data/raw.json' cannot be read: Expecting property"
    )


def test_a_secret_that_is_not_set(small: SmallProject) -> None:
    small.change_stage("clean", env={"TOKEN": "${NO_SUCH_TOKEN}"})
    error = small.run().error
    assert isinstance(error, ConfigError)
    assert error.message == "stage 'clean' failed: 'NO_SUCH_TOKEN' is not set, and stage 'clean' uses it"
    assert error.hint == "add `NO_SUCH_TOKEN=…` to .env, or export it"


def test_the_end_of_the_log_is_shown(small: SmallProject) -> None:
    small.configure({"loud": {"cmd": "seq 1 100; echo 'größe  '; echo; exit 3", "outputs": ["out.txt"]}})
    error = fail(small)
    assert error.message == "stage 'loud' ended with exit code 3"
    assert error.context == (
        *(f"| {n}" for n in range(90, 101)),
        "| größe",
        f"log: {small.root}/.mlx/logs/loud.log",
    )


def test_a_command_that_does_not_exist(small: SmallProject) -> None:
    small.configure({"bad": {"cmd": "no-such-command --x", "outputs": ["out.txt"]}})
    error = fail(small)
    assert error.message == "stage 'bad' ended with exit code 127"
    assert "no-such-command" in error.context[0]


@pytest.mark.parametrize("env", [{}, {"N": "1"}], ids=["plain", "with variables"])
def test_a_command_that_forgets_its_output(ran: SmallProject, env: dict[str, str]) -> None:
    """The output of the last run must not pass as that of this one."""
    ran.change_stage("right", cmd="echo done", env=env)
    error = fail(ran)
    assert error.message == "stage 'right' did not make 'build/right.txt'"
    assert error.context[0] == "| done"
    assert error.hint == "write that path, or remove it from mlx.yaml"
    assert not (ran.root / "build/right.txt").exists()


def test_a_timeout_is_the_stages_failure(small: SmallProject) -> None:
    small.configure({"slow": {"cmd": "echo begun; sleep 60", "outputs": ["out.txt"], "timeout": "0.5s"}})
    error = fail(small)
    assert (error.message, error.hint) == (
        "stage 'slow' took longer than its timeout of 0.5 s",
        "raise `timeout:` in mlx.yaml",
    )
    assert error.context[0] == "| begun"


def test_what_finished_is_kept_and_what_depends_is_skipped(small: SmallProject) -> None:
    small.write({"src/demo/shared.py": "def double(value):\n    raise ValueError('broken')\n"})
    result = small.run()
    assert by_status(result) == {"clean": "ran", "left": "failed", "right": "ran", "join": "skipped"}
    assert small.states()["right"].state == "fresh"
    small.write({"src/demo/shared.py": "def double(value):\n    return value * 2\n"})
    assert by_status(small.run())["right"] == "fresh"
    assert small.json("build/joined/sum.json") == 1531


def when_ended(project: SmallProject, name: str) -> Callable[[Event], None]:
    """Write the file `go` once the run is done with a stage."""

    def tell(event: Event) -> None:
        if isinstance(event, StageEnded) and event.name == name:
            project.write({"go": ""})

    return tell


WAIT = "for i in $(seq 500); do [ -e go ] && break; sleep 0.02; done; "


def test_an_independent_stage_that_runs_may_finish(small: SmallProject) -> None:
    small.configure(
        {
            "bad": {"cmd": "exit 3", "outputs": ["bad.txt"]},
            "good": {"cmd": f"{WAIT} echo 1 > good.txt", "outputs": ["good.txt"]},
            "later": {"cmd": "echo 1 > later.txt", "outputs": ["later.txt"]},
            "after": {"cmd": "cp bad.txt after.txt", "inputs": ["bad.txt"], "outputs": ["after.txt"]},
        }
    )
    result = small.run(jobs=2, events=when_ended(small, "bad"))
    assert by_status(result) == {"bad": "failed", "good": "ran", "later": "skipped", "after": "skipped"}
    assert small.states()["good"].state == "fresh"


def test_a_stage_that_cannot_begin_ends_no_other(small: SmallProject) -> None:
    small.configure(
        {
            "good": {"cmd": f"{WAIT} echo 1 > good.txt", "outputs": ["good.txt"]},
            "bad": {"cmd": "cp no.txt bad.txt", "inputs": ["no.txt"], "outputs": ["bad.txt"]},
        }
    )
    result = small.run(jobs=2, events=when_ended(small, "bad"))
    assert by_status(result) == {"good": "ran", "bad": "skipped"}
    assert result.error is not None
    assert result.error.message == "stage 'bad' reads 'no.txt', which is not there"
    assert small.states()["good"].state == "fresh"


def test_a_stage_that_cannot_be_settled_ends_no_other(small: SmallProject) -> None:
    small.configure(
        {
            "good": {"cmd": f"{WAIT} echo 1 > good.txt", "outputs": ["good.txt"]},
            "bad": {
                "cmd": "rm no.txt; mkdir no.txt; ln -s no-such-file no.txt/link; echo 1 > bad.txt",
                "inputs": ["no.txt"],
                "outputs": ["bad.txt"],
            },
        }
    ).write({"no.txt": "1"})
    result = small.run(jobs=2, events=when_ended(small, "bad"))
    assert by_status(result) == {"good": "ran", "bad": "failed"}
    assert result.error is not None
    assert result.error.message == "'no.txt' cannot be read: no such file or directory"


def test_the_first_failure_is_the_one_that_is_told(small: SmallProject) -> None:
    small.configure(
        {
            "slow": {"cmd": f"{WAIT} exit 4", "outputs": ["slow.txt"]},
            "quick": {"cmd": "exit 3", "outputs": ["quick.txt"]},
        }
    )
    result = small.run(jobs=2, events=when_ended(small, "quick"))
    assert by_status(result) == {"slow": "failed", "quick": "failed"}
    assert result.error is not None
    assert result.error.message == "stage 'quick' ended with exit code 3"


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("data/raw.json", "input data/raw.json changed"),
        ("src/demo/steps.py", "code src/demo/steps.py changed"),
    ],
)
def test_a_dependency_that_changes_while_the_stage_runs(ran: SmallProject, file: str, reason: str) -> None:
    edit = f"\n    with open('{file}', 'a') as f:\n        f.write(' ')\n"
    ran.write({"src/demo/steps.py": STEPS.replace('    print("cleaning")', edit)})
    result = ran.run()
    assert by_status(result)["clean"] == "failed"
    assert result.error is not None
    assert (result.error.message, result.error.hint) == (
        f"'{file}' changed while stage 'clean' ran, so its result is not kept",
        "run `mlx run` again",
    )
    assert reason in ran.reasons()["clean"]


def test_a_failed_run_answers_with_its_stages_and_the_error(
    small: SmallProject, mlx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxkit.pipeline.run.Workers", FreshWorkers)
    small.write({"src/demo/shared.py": "def double(value):\n    raise ValueError('broken')\n"})
    result = mlx("run", "--json")
    document = result.json
    assert (result.code, result.err) == (1, "")
    assert list(document) == [
        "run_id",
        "git_commit",
        "dirty",
        "environment",
        "stages",
        "metrics",
        "intervals",
        "champion",
        "report",
        "seconds",
        "saved_seconds",
        "error",
    ]
    assert {s["name"]: s["status"] for s in document["stages"]} == {
        "clean": "ran",
        "left": "failed",
        "right": "ran",
        "join": "skipped",
    }
    assert document["stages"][1]["log"] == ".mlx/logs/left.log"
    assert document["stages"][1]["reasons"] == ["never run"]
    error = document["error"]
    assert list(error) == ["kind", "message", "context", "hint"]
    assert error["kind"] == "stage_failed"
    assert error["message"] == "stage 'left' failed: 'demo.steps:left' raised ValueError: broken"
    assert error["context"][0] == "src/demo/shared.py:2 in double: raise ValueError('broken')"
    assert error["hint"] == MEND


def test_a_failed_run_tells_people_the_same(
    small: SmallProject, mlx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxkit.pipeline.run.Workers", FreshWorkers)
    small.configure({"bad": {"cmd": "echo trouble; exit 3", "outputs": ["out.txt"]}})
    result = mlx("run")
    assert result.code == 1
    assert result.out.splitlines()[1].split()[:2] == ["bad", "failed"]
    assert result.err.endswith(
        "error: stage 'bad' ended with exit code 3\n"
        "  | trouble\n"
        f"  log: {small.root}/.mlx/logs/bad.log\n"
        f"hint: {MEND}\n"
    )
    result = mlx("run", "--quiet")
    assert (result.out, result.err.splitlines()[0]) == ("", "error: stage 'bad' ended with exit code 3")


def test_a_training_writes_nothing_through_links_into_the_cache(small: SmallProject) -> None:
    """With `--force` nobody else has removed the old outputs, and with DVC's links they *are* the cache."""
    small.write(
        {"cache/model": "old", "cache/record": "old", "src/demo/steps.py": "def train():\n    1 / 0\n"}
    )
    (small.root / "models").mkdir()
    (small.root / "models/m").hardlink_to(small.root / "cache/model")
    (small.root / "models/m.run.json").symlink_to(small.root / "cache/record")
    train = [
        "mlx",
        "exec",
        "train",
        "--kind",
        "train",
        "--call",
        "demo.steps:train",
        "--out",
        "model=models/m",
    ]
    done = subprocess.run(train, cwd=small.root, capture_output=True, check=False)
    assert done.returncode == 1
    assert list((small.root / "models").iterdir()) == []
    assert (small.text("cache/model"), small.text("cache/record")) == ("old", "old")


def test_exec_tells_the_same_under_dvc(small: SmallProject) -> None:
    small.write({"src/demo/shared.py": "raise ValueError('broken')\n"})
    small.check_fix()
    done = subprocess.run(["dvc", "repro"], cwd=small.root, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert (
        "error: 'demo.steps:clean' raised ValueError: broken\n"
        "  src/demo/shared.py:1 in <module>: raise ValueError('broken')\n"
    ) in done.stderr


def test_a_parameter_that_changes_while_the_commit_waits_for_dvc(small: SmallProject) -> None:
    """What was made with one value must not be recorded as made with another."""
    from dvc.lock import make_lock

    tmp = small.root / ".dvc" / "tmp"
    other = make_lock(str(tmp / "lock"), tmp_dir=str(tmp))

    def watch(event: Event) -> None:
        if isinstance(event, StageStarted):
            other.lock()
        elif isinstance(event, Waiting):
            small.write({"params.yaml": {**PARAMS, "cleaning": {"scale": 4}}})
            other.unlock()

    result = small.run("clean", events=watch)
    assert by_status(result) == {"clean": "failed"}
    assert result.error is not None
    assert result.error.message == (
        "'params.yaml: cleaning' changed while stage 'clean' ran, so its result is not kept"
    )
    assert small.reasons()["clean"] == ("never run",)
    assert by_status(small.run("clean")) == {"clean": "ran"}
    assert small.json("build/clean.json") == {"n": small.json("data/raw.json")["n"] * 4}


def test_what_changed_is_no_reason_to_try_again(small: SmallProject) -> None:
    """A retry is for what fails by chance; the record of a training says what its first attempt read."""
    change = "echo x >> tries.txt; echo 2 > in.txt; exit 3"
    small.configure({"bad": {"cmd": change, "inputs": ["in.txt"], "outputs": ["bad.txt"], "retries": 2}})
    small.write({"in.txt": "1"})
    result = small.run()
    assert result.error is not None
    assert result.error.message == "stage 'bad' ended with exit code 3"
    assert small.text("tries.txt") == "x\n"


class Together(FreshWorkers):
    """Tells of jobs only when all of them have ended."""

    def wait(self, running: Sequence[Running], *, seconds: float) -> list[tuple[Running, Outcome]]:
        ended: dict[int, tuple[Running, Outcome]] = {}
        while len(ended) < len(running):
            ended |= {id(one): (one, outcome) for one, outcome in super().wait(running, seconds=seconds)}
        return list(ended.values())


def test_ctrl_c_between_two_stages_that_ended_together_waits_for_neither(small: SmallProject) -> None:
    def press(event: Event) -> None:
        if isinstance(event, StageEnded) and event.status == "ran":
            raise KeyboardInterrupt

    small.configure({name: {"cmd": f"echo 1 > {name}", "outputs": [name]} for name in ("one", "two")})
    result = run(small.root, Options(), press, target=Together(small.root))
    assert isinstance(result.error, Interrupted)
    assert sorted(by_status(result).values()) == ["failed", "ran"]
    assert sorted(by_status(small.run()).values()) == ["fresh", "ran"]
