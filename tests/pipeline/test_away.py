"""Stages on another machine: a real sshd on loopback is the box."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from away_project import SLOW, Start, mlx, phase, with_box
from small_project import PARAMS, STAGES, STEPS, SmallProject, by_status
from tests.box import Box, wait_for

from mlxkit.adapters.rsync import Copier
from mlxkit.errors import ToolError, UsageError
from mlxkit.pipeline.events import StageAway
from mlxkit.pipeline.jobs import Jobs
from mlxkit.project.load import load
from mlxkit.targets.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mlxkit.pipeline.events import Event


def test_results_are_those_of_this_machine(away: SmallProject, box: Box) -> None:
    before = {path: away.digest(path) for path in ("build/clean.json", "build/left.json", "build/joined")}
    away.remove("dvc.lock", "build", ".dvc/cache/runs").git("rm", "-q", "--cached", "dvc.lock")
    result = away.run("clean", "left", "right", "join", on="gpu")
    assert result.error is None
    assert by_status(result) == dict.fromkeys(STAGES, "ran")
    assert {path: away.digest(path) for path in before} == before
    assert away.dvc_status() == {}
    assert away.damaged_objects() == []
    assert sorted(job.name.split("-")[0] for job in box.jobs()) == sorted(STAGES)
    assert by_status(away.run()) == dict.fromkeys(STAGES, "fresh")
    assert away.dvc_repro() == []


def test_what_a_stage_says_is_in_its_log_here(away: SmallProject, box: Box) -> None:
    result = away.run("clean", on="gpu", force=True)
    assert result.error is None
    assert away.text(".mlx/logs/clean.log").endswith("cleaning\n")


def test_data_that_the_box_has_is_not_sent_again(away: SmallProject, box: Box) -> None:
    assert away.run("left", on="gpu", force=True).error is None
    stored = {path: path.stat().st_mtime_ns for path in (box.root / "cache").rglob("*") if path.is_file()}
    assert stored
    assert away.run("left", on="gpu", force=True).error is None
    assert {path: path.stat().st_mtime_ns for path in stored} == stored


def test_an_edit_while_a_stage_is_away_makes_it_stale_and_nothing_worse(
    away: SmallProject, box: Box, gate: Path, start: Start
) -> None:
    running = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    sent = away.text("src/demo/steps.py")
    away.write(
        {
            "src/demo/steps.py": sent + "\n# edited\n",
            "params.yaml": {**PARAMS, "cleaning": {"scale": 7}},
        }
    )
    gate.touch()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert away.json("build/clean.json") == {"n": 15}
    assert away.damaged_objects() == []
    reasons = away.reasons()["clean"]
    assert any("src/demo/steps.py changed" in reason for reason in reasons), reasons
    assert any("cleaning.scale: 3 -> 7" in reason for reason in reasons), reasons
    away.write({"src/demo/steps.py": sent, "params.yaml": PARAMS})
    assert "clean" not in away.changed_for_mlx()
    assert "clean" not in away.changed_for_dvc()


def test_a_job_survives_a_line_that_breaks_and_its_log_goes_on_where_it_was(
    away: SmallProject, box: Box, gate: Path, start: Start
) -> None:
    running = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    box.cut()
    box.stop()
    time.sleep(1)
    box.start()
    gate.touch()
    _, err = running.communicate(timeout=90)
    assert running.returncode == 0, err
    assert away.json("build/clean.json") == {"n": 15}
    assert away.text(".mlx/logs/clean.log").count("cleaning\n") == 1
    assert "the job 'clean-" in err


def test_ctrl_c_where_nobody_can_be_asked_leaves_a_job_and_attach_brings_it_home(
    away: SmallProject, box: Box, gate: Path, start: Start
) -> None:
    running = start(away, "run", "--on", "gpu", "clean", "left")
    wait_for(gate.with_name("begun").exists)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    job = box.jobs()[0].name
    assert running.returncode == 130, err
    assert f"hint: run `mlx jobs attach {job}`" in err
    assert box.processes()
    listed = json.loads(mlx(away, "jobs", "list", "--json").stdout)["jobs"]
    assert [(one["id"], one["state"], one["text"]) for one in listed] == [(job, "running", "running")]
    told = {one["name"]: one for one in json.loads(mlx(away, "status", "--json").stdout)["stages"]}
    assert [(one["id"], one["target"]) for one in told["clean"]["jobs"]] == [(job, "gpu")]
    assert "jobs" not in told["left"]
    shown = " ".join(mlx(away, "status").stdout.split())
    assert f" · on gpu as {job} since " in shown
    assert f"`mlx jobs attach {job}` brings home what is on its way" in shown
    refused = mlx(away, "jobs", "fetch")
    assert refused.returncode == 2
    assert f"mlx jobs attach {job}" in refused.stderr
    gate.touch()
    done = mlx(away, "jobs", "attach")
    assert done.returncode == 0, done.stderr
    assert away.json("build/clean.json") == {"n": 15}
    assert "clean" not in away.changed_for_dvc()
    assert "on gpu as" not in mlx(away, "status").stdout
    assert json.loads(mlx(away, "jobs", "list", "--json").stdout)["jobs"][0]["state"] == "fetched"
    assert "cleaning" in mlx(away, "jobs", "logs", job).stdout


def test_a_run_finds_the_job_of_one_that_was_killed(
    away: SmallProject, box: Box, gate: Path, start: Start
) -> None:
    running = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    running.kill()
    running.communicate()
    gate.touch()
    done = mlx(away, "run", "clean", "--on", "gpu")
    assert done.returncode == 0, done.stderr
    assert len(box.jobs()) == 1
    assert away.json("build/clean.json") == {"n": 15}


STUBBORN = """

def clean(raw: dict, scale):
    import os, signal, subprocess, time
    from pathlib import Path

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000"], start_new_session=True)
    Path(os.environ["GATE"]).with_name("begun").touch()
    time.sleep(1000)
"""


def test_cancel_ends_what_ignores_it_and_its_daemons(
    away: SmallProject, box: Box, gate: Path, start: Start
) -> None:
    away.write({"src/demo/steps.py": STEPS.replace("def clean(", "def unused(") + STUBBORN})
    running = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    done = mlx(away, "jobs", "cancel", "--now")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: box.processes() == [])
    _, err = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "stage 'clean' failed: it was cancelled on 'gpu'" in err
    assert mlx(away, "jobs", "cancel", box.jobs()[0].name).returncode == 2


def test_a_job_that_nobody_looks_after_any_more_is_lost(
    away: SmallProject, box: Box, gate: Path, start: Start
) -> None:
    running = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    state = json.loads((box.jobs()[0] / "state.json").read_text())
    os.kill(state["pid"], signal.SIGKILL)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "something on the box killed it while it ran on 'gpu'" in err
    wait_for(lambda: box.processes() == [])


def test_a_box_that_was_restarted_is_reported_as_that(
    away: SmallProject, box: Box, gate: Path, start: Start
) -> None:
    running = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    state = box.jobs()[0] / "state.json"
    told = json.loads(state.read_text())
    state.write_text(json.dumps({**told, "boot": "an earlier one"}))
    os.kill(told["pid"], signal.SIGKILL)
    _, err = running.communicate(timeout=60)
    assert "the box was restarted while it ran on 'gpu'" in err


def test_jobs_wait_for_a_graphics_card_that_is_taken(
    away: SmallProject, box: Box, gate: Path, start: Start
) -> None:
    box.give_cards(3)
    with_box(away, gpus=1, env={"GATE": str(gate)})
    told = SLOW.replace('"cleaning"', 'os.environ["CUDA_VISIBLE_DEVICES"]')
    away.write({"src/demo/steps.py": STEPS.replace("def clean(", "def unused(") + told})
    other = away.copy_to(away.root.with_name("other laptop"))
    first = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    second = start(other, "run", "clean", "--on", "gpu")
    wait_for(lambda: "waiting for 1 GPU" in (phase(box, 0), phase(box, 1)))
    gate.touch()
    assert [process.wait(timeout=60) for process in (first, second)] == [0, 0]
    assert "GPU-3" in away.text(".mlx/logs/clean.log")
    assert away.digest("build/clean.json") == other.digest("build/clean.json")


def test_a_box_without_the_card_that_a_stage_needs(away: SmallProject, box: Box) -> None:
    result = with_box(away, gpus=1).run("clean", on="gpu", force=True)
    assert result.error is not None
    assert "the stage needs 1 GPU, and this machine shows 0 GPUs" in str(result.error)


def test_without_rsync_files_travel_all_the_same(
    away: SmallProject, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxkit.adapters.rsync.shutil.which", lambda name: None)
    away.write({"src/demo/größe und 'mehr'.txt": "x"})
    result = away.run("clean", "left", "right", "join", on="gpu", force=True)
    assert result.error is None, result.error
    assert (box.jobs()[0] / "work/src/demo/größe und 'mehr'.txt").exists()
    assert by_status(away.run()) == dict.fromkeys(STAGES, "fresh")


def test_a_stage_that_fails_there(away: SmallProject, box: Box) -> None:
    away.write({"src/demo/steps.py": STEPS.replace('print("cleaning")', 'raise ValueError("no")')})
    result = away.run("clean", on="gpu")
    assert result.error is not None
    assert "stage 'clean' failed" in result.error.message
    assert "ValueError: no" in "\n".join([result.error.message, *result.error.context])
    assert Jobs(load(away.root)).open() == []


def test_an_environment_that_cannot_be_built(away: SmallProject, box: Box) -> None:
    result = away.write({"box.txt": "does-not-resolve\n"}).run("clean", on="gpu", force=True)
    assert result.error is not None
    assert "the environment cannot be built on the box" in result.error.message
    assert result.error.hint.startswith("name a file with what fits it by `requirements:`")


def test_an_unknown_target_is_refused_with_a_guess(away: SmallProject) -> None:
    with pytest.raises(UsageError, match="there is no target 'gpq'") as caught:
        away.run("clean", on="gpq")
    assert caught.value.hint == "did you mean 'gpu'?"


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("HostName", "no-such-host.invalid", "ssh knows no host 'gpu-box'"),
        ("UserKnownHostsFile", "/dev/null", "ssh has never met 'gpu-box'"),
        ("IdentityFile", "{folder}/host", "'gpu-box' refuses your key"),
        ("UserKnownHostsFile", "{folder}/wrong", "the host key of 'gpu-box' is not the one that ssh knows"),
        ("Port", "1", "the line to 'gpu-box' is broken"),
    ],
)
def test_a_box_that_cannot_be_reached(
    away: SmallProject, box: Box, setting: str, value: str, said: str
) -> None:
    settings = box.folder / "ssh.conf"
    before = settings.read_text()
    known = (box.folder / "known").read_text()
    other = (box.folder / "id.pub").read_text().split()[1]
    (box.folder / "wrong").write_text(" ".join([*known.split()[:2], other]) + "\n")
    box.cut()
    changed = re.sub(rf"{setting} .*", f"{setting} {value.format(folder=box.folder)}", before)
    settings.write_text(changed)
    try:
        result = away.run("clean", on="gpu", force=True)
    finally:
        settings.write_text(before)
    assert isinstance(result.error, ToolError)
    assert said in result.error.message
    assert result.error.hint
    assert Jobs(load(away.root)).open() == []


def test_doctor_looks_at_the_box(away: SmallProject, box: Box) -> None:
    done = mlx(away, "doctor", "--on", "gpu", "--json")
    assert done.returncode == 0, done.stderr
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert list(found) == ["machine", "python", "environment", "disk", "clock", "line", "gpu"]
    assert found["python"]["text"].endswith(f"(uv at {box.home}/.local/bin/uv)")
    box.give_cards(0)
    with_box(away, gpus=2)
    done = mlx(away, "doctor", "--on", "gpu", "--json")
    assert done.returncode == 3
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["gpu 0"]["text"] == "Fake 0, driver 570.1, 1 of 1 GiB free"
    assert (checks["gpus"]["state"], checks["gpus"]["text"]) == ("problem", "2 wanted, 1 there")


def test_doctor_says_why_a_box_is_not_reached(away: SmallProject, box: Box) -> None:
    box.stop()
    done = mlx(away, "doctor", "--on", "gpu")
    assert done.returncode == 3
    assert "the line to 'gpu-box' is broken" in " ".join(done.stdout.split())
    assert "machine: run `ssh gpu-box` to see why" in done.stdout


def test_what_a_stage_prints_need_not_be_text(away: SmallProject, box: Box) -> None:
    noisy = 'import os\n    os.write(1, bytes(range(256)) * 4096)\n    print("cleaning")'
    away.write({"src/demo/steps.py": STEPS.replace('print("cleaning")', noisy)})
    assert away.run("clean", on="gpu").error is None
    log = (away.root / ".mlx/logs/clean.log").read_bytes()
    assert log.endswith(bytes(range(256)) * 4096 + b"cleaning\n")


def test_a_project_without_git_goes_too(small: SmallProject, box: Box) -> None:
    result = with_box(small).run("clean", "left", "right", "join", on="gpu")
    assert result.error is None, result.error
    assert not (box.jobs()[0] / "work/.dvc").exists()


def test_an_output_that_was_not_made(away: SmallProject, box: Box) -> None:
    early = STEPS.replace('(joined / "deep").mkdir', 'return\n    (joined / "deep").mkdir')
    away.write({"src/demo/steps.py": early})
    result = away.run("join", "left", "right", on="gpu")
    assert result.error is not None
    assert "build/joined" in result.error.message
    assert Jobs(load(away.root)).open() == []


def test_a_box_with_a_path_of_spaces_and_quotes(away: SmallProject, box: Box) -> None:
    result = with_box(away, path="~/a 'b' größe").run("clean", on="gpu", force=True)
    assert result.error is None, result.error
    assert (box.home / "a 'b' größe/jobs").is_dir()


def test_a_command_finds_the_projects_package_there(away: SmallProject, box: Box) -> None:
    script = "from demo.shared import double\n" + away.text("scripts/right.py").replace(
        "n * 100", "double(n) * 50"
    )
    away.write({"scripts/right.py": script})
    result = away.run("right", on="gpu")
    assert result.error is None, result.error


def test_where_a_stage_is_is_told(away: SmallProject, box: Box) -> None:
    events: list[Event] = []
    slow = STEPS.replace('print("cleaning")', 'print("cleaning"), __import__("time").sleep(1)')
    away.write({"src/demo/steps.py": slow})
    assert away.run("clean", on="gpu", force=True, events=events.append).error is None
    told = [(event.target, event.phase) for event in events if isinstance(event, StageAway)]
    assert {target for target, _ in told} == {"gpu"}
    assert told[0][1] == "connecting"
    assert "running" in [phase for _, phase in told]


def test_folders_of_old_jobs_go(away: SmallProject, box: Box) -> None:
    for _ in range(6):
        assert away.run("clean", on="gpu", force=True).error is None
    assert len(box.jobs()) == 4
    assert len(Jobs(load(away.root)).all()) == 6


def test_what_cannot_be_brought_home_now_is_fetched_later(
    away: SmallProject, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Copier, folder: str, names: list[str], to: Path) -> None:
        raise ToolError("no space is left here", hint="free some")

    with monkeypatch.context() as patch:
        patch.setattr(Copier, "fetch", full)
        result = away.run("clean", on="gpu", force=True)
    assert result.error is not None
    job = box.jobs()[0].name
    assert result.error.hint.endswith(f"; nothing is lost there: run `mlx jobs attach {job}`")
    away.remove("build/clean.json")
    done = mlx(away, "jobs", "fetch")
    assert done.returncode == 0, done.stderr
    assert away.json("build/clean.json") == {"n": 15}
    assert [path.name for path in box.jobs()] == [job]


def test_data_of_a_broken_transfer_does_not_travel_twice(
    away: SmallProject, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    away.write({"data/raw.json": json.dumps({"n": 5, "long": "x" * 5_000_000})})
    asked: list[int] = []

    def cut_once(self: Line, verb: str, request: Any, content: Iterable[bytes]) -> Any:
        asked.append(request["objects"][0][2])
        return pour(self, verb, request, _cut_after_three(content, box) if len(asked) == 1 else content)

    pour = Line.pour
    monkeypatch.setattr(Line, "pour", cut_once)
    assert away.run("clean", on="gpu", force=True).error is None
    assert len(asked) == 2
    assert asked[0] == 0
    assert asked[1] > 0
    assert [path for path in (box.root / "arriving").rglob("*") if path.is_file()] == []


def _cut_after_three(content: Iterable[bytes], box: Box) -> Iterator[bytes]:
    """Cut the line once three pieces are on their way, and one has arrived."""
    for number, piece in enumerate(content):
        if number == 3:
            wait_for(lambda: any(path.stat().st_size for path in (box.root / "arriving").glob("*")))
            box.cut()
        yield piece


def test_what_a_job_imported_waits_for_the_next_one_and_is_not_cancelled_with_it(
    away: SmallProject, box: Box, gate: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_WARM", "60")
    process = start(away, "run", "clean", "--on", "gpu")
    wait_for(gate.with_name("begun").exists)
    assert mlx(away, "jobs", "cancel").returncode == 0
    process.wait()
    wait_for(lambda: len(box.processes()) == 1)
    waiting = box.processes()
    gate.touch()
    assert away.run("clean", on="gpu").error is None
    wait_for(lambda: box.processes() == waiting)
