"""The disk is full: said as it is, what had finished is kept, and the same command goes on from there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from small_project import SCRIPT, STAGES, STEPS, SmallProject, default_files

from mlxkit.adapters import dvc

if TYPE_CHECKING:
    from pathlib import Path

    from machine import SmallDisks
    from tabular_project import TabularProject

MORE = "free some, for instance with `mlx gc`, then run the same command again"
CLEAN = '    return {"n": raw["n"] * scale}\n'
BIG_RESULT = '    return {"n": raw["n"] * scale, "text": "x" * 20_000_000}\n'
BIG_FILE = f'    Path("build/more").write_bytes(b"x" * 20_000_000)\n{CLEAN}'


@dataclass(frozen=True)
class OnDisk:
    """A small project on a disk of 6 MB."""

    disks: SmallDisks
    root: Path

    def mlx(self, *arguments: str) -> tuple[int, Any]:
        """Run a command; returns its exit code and its document."""
        done = self.disks.run("mlx", *arguments, "--json", folder=self.root)
        return done.returncode, json.loads(done.stdout)

    def run(self, *arguments: str) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        """Run `mlx run`; returns exit code, status of every stage, error."""
        code, document = self.mlx("run", *arguments)
        stages = {stage["name"]: stage["status"] for stage in document["stages"]}
        return code, stages, document.get("error")

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        self.disks.shell(f"cat > '{name}' <<'END'\n{text}\nEND", self.root)

    def change_stage(self, name: str, **changes: Any) -> None:
        """Change keys of one stage in mlx.yaml."""
        config = yaml.safe_load(self.disks.shell("cat mlx.yaml", self.root))
        config["stages"][name] |= changes
        self.write("mlx.yaml", yaml.safe_dump(config, sort_keys=False))

    def half_written(self) -> str:
        """Name the files that DVC or mlx began and did not end."""
        return self.disks.shell("find . -name '*.tmp' -o -name '.*.????????'", self.root)

    def is_up_to_date(self, stages: str = "") -> bool:
        """Whether DVC itself has nothing to do."""
        return self.disks.shell(f"dvc status {stages}", self.root) == "Data and pipelines are up to date.\n"


@pytest.fixture
def full(disks: SmallDisks, _small_files: SmallProject, tmp_path: Path) -> OnDisk:
    """The four-stage project, not run yet, on a disk of 6 MB."""
    root = tmp_path / "project"
    disks.mount(root, "6m")
    disks.shell(f"cp -a '{_small_files.root}/.' .", root)
    return OnDisk(disks, root)


@pytest.fixture(scope="session")
def _small_files(tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    root = tmp_path_factory.mktemp("files")
    dvc.init(root, subdir=False, scm=False)
    return SmallProject(root).write(default_files()).configure(STAGES)


def test_a_result_that_does_not_fit(full: OnDisk) -> None:
    full.write("src/demo/steps.py", STEPS.replace(CLEAN, BIG_RESULT))
    code, stages, error = full.run()
    assert (code, stages["clean"], stages["join"]) == (5, "failed", "skipped")
    assert error is not None
    assert error["message"] == (
        "stage 'clean' failed: the result cannot be saved as 'clean.json': there is no space left on the disk"
    )
    assert (error["kind"], error["hint"]) == ("tool", MORE)
    # No half of it takes the room that other commands need.
    assert full.disks.shell("ls build", full.root) == ""
    full.write("src/demo/steps.py", STEPS)
    assert full.run() == (0, dict.fromkeys(STAGES, "ran"), None)
    assert full.is_up_to_date()


def test_a_function_that_fills_the_disk(full: OnDisk) -> None:
    full.write("src/demo/steps.py", STEPS.replace(CLEAN, BIG_FILE))
    code, stages, error = full.run()
    assert (code, stages["clean"]) == (1, "failed")
    assert error is not None
    assert error["message"].endswith(" raised OSError: [Errno 28] No space left on device")
    assert error["context"][0].startswith("src/demo/steps.py:")
    assert error["hint"] == MORE


def test_a_command_that_fills_the_disk_is_explained_though_its_log_had_no_room(full: OnDisk) -> None:
    full.change_stage("right", cmd="cat /dev/zero > build/right.txt")
    code, stages, error = full.run("right")
    assert (code, stages) == (1, {"clean": "ran", "right": "failed"})
    assert error is not None
    assert error["message"] == "stage 'right' ended with exit code 1"
    assert error["context"][-1] == "there is no space left on the disk"
    assert error["hint"] == MORE
    full.disks.shell("rm build/right.txt", full.root)
    full.change_stage("right", cmd=STAGES["right"]["cmd"])
    assert full.run() == (0, {**dict.fromkeys(STAGES, "ran"), "clean": "fresh"}, None)
    assert full.is_up_to_date()


def test_an_output_that_does_not_fit_into_the_cache(full: OnDisk) -> None:
    assert full.run()[0] == 0
    full.write("scripts/right.py", SCRIPT + 'Path("build/right.txt").write_text("1" * 3_500_000)\n')
    code, stages, error = full.run()
    assert (code, stages["left"], stages["right"], stages["join"]) == (5, "fresh", "failed", "skipped")
    assert error is not None
    assert (error["message"], error["hint"]) == ("DVC failed: there is no space left on the disk", MORE)
    assert full.half_written() == ""
    full.write("scripts/right.py", SCRIPT)
    assert full.run()[0] == 0
    assert full.is_up_to_date()


def test_an_output_that_does_not_come_back(full: OnDisk) -> None:
    full.write("scripts/right.py", SCRIPT + 'Path("build/right.txt").write_text("1" * 2_000_000)\n')
    assert full.run("right")[0] == 0
    full.disks.shell("rm build/right.txt && head -c 2500000 /dev/zero > ballast", full.root)
    code, stages, error = full.run("right")
    assert (code, stages) == (5, {"clean": "fresh", "right": "skipped"})
    assert error is not None
    assert (error["message"], error["hint"]) == ("DVC failed: there is no space left on the disk", MORE)
    assert full.half_written() == ""
    full.disks.free(full.root)
    assert full.run("right") == (0, {"clean": "fresh", "right": "restored"}, None)
    assert full.is_up_to_date("clean right")


@pytest.mark.parametrize("place", [".dvc/cache", ".dvc/tmp", ".mlx", "."])
def test_any_disk_of_a_project_may_be_the_full_one(full: OnDisk, place: str) -> None:
    """Where there is room for the outputs, but none for dvc.lock, for DVC's locks, for logs and memos."""
    for folder in {".dvc/cache", ".dvc/tmp", ".mlx", "build"} - {place}:
        full.disks.mount(full.root / folder, "6m")
    if place != ".":
        full.disks.mount(full.root / place, "100k")
    assert full.mlx("check", "--fix")[0] == 0
    full.disks.fill(full.root / place)
    code, stages, error = full.run()
    assert (code, set(stages.values()) <= {"failed", "skipped"}) == (5, True)
    assert error is not None
    assert error["message"].endswith("there is no space left on the disk")
    assert error["hint"] == MORE
    # What the hint names works then.
    assert full.mlx("gc")[0] == 0
    full.disks.free(full.root / place)
    code, stages, error = full.run()
    assert (code, error) == (0, None)
    assert full.is_up_to_date()
    assert full.half_written() == ""


def test_no_room_for_what_dvc_keeps_outside_the_project(
    full: OnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "hashes"))
    full.disks.mount(tmp_path / "hashes", "6m")
    full.disks.fill(tmp_path / "hashes")
    code, _, error = full.run()
    assert code == 5
    assert error is not None
    assert (error["message"], error["hint"]) == ("DVC failed: there is no space left on the disk", MORE)
    full.disks.free(tmp_path / "hashes")
    assert full.run()[:2] == (0, dict.fromkeys(STAGES, "ran"))


@pytest.fixture
def training(disks: SmallDisks, trainable: TabularProject, tmp_path: Path) -> OnDisk:
    """A project on a disk with room enough, whose training runs `at_the_end.sh` at its end."""
    root = tmp_path / "patients"
    disks.mount(root, "200m")
    disks.shell(f"cp -a '{trainable.root}/.' .", root)
    return OnDisk(disks, root)


@pytest.mark.parametrize("store", ["database", "artifacts"])
def test_a_store_without_room_gets_its_record_later(
    training: OnDisk, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = training.root / ("mlruns" if store == "artifacts" else "store")
    training.disks.mount(place, "20m")
    if store == "database":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
    training.write("at_the_end.sh", f"cat /dev/zero > '{place}/ballast'")
    code, document = training.mlx("train")
    assert code == 5
    assert document["stages"][-1]["status"] == "ran"
    error = document["error"]
    assert error["message"].endswith(" in MLflow: there is no space left on the disk")
    assert error["context"][-1] == "the outputs are safe, and the record waits in .mlx/unrecorded"
    assert error["hint"] == (
        "free some, for instance with `mlx gc`; when that is mended, run `mlx runs sync`"
    )
    code, again = training.mlx("runs", "sync")
    assert (code, again["error"]["message"].endswith("there is no space left on the disk")) == (5, True)

    training.disks.free(place)
    training.disks.shell("rm at_the_end.sh", training.root)
    code, synced = training.mlx("runs", "sync")
    assert (code, synced) == (0, {"synced": [document["run_id"]], "waiting": 0})
    (run,) = training.mlx("runs")[1]["runs"]
    assert (run["id"], run["status"]) == (document["run_id"], "FINISHED")
    assert training.run("train")[1] == dict.fromkeys(("prepare", "features", "choose", "train"), "fresh")


def test_a_record_that_no_disk_takes_is_made_by_the_next_run(training: OnDisk) -> None:
    places = [training.root / "mlruns", training.root / ".mlx/unrecorded"]
    for place in places:
        training.disks.mount(place, "100k")
    training.write("at_the_end.sh", "\n".join(f"cat /dev/zero > '{place}/ballast'" for place in places))
    code, document = training.mlx("train")
    assert (code, document["stages"][-1]["status"]) == (5, "ran")
    error = document["error"]
    assert error["message"].endswith(" in MLflow: there is no space left on the disk")
    assert error["context"][-1] == "the outputs are safe, and not recorded"
    assert error["hint"] == "free some, for instance with `mlx gc`; when that is mended, run `mlx run`"
    training.disks.shell("umount mlruns .mlx/unrecorded && rm at_the_end.sh", training.root)
    code, document = training.mlx("train")
    assert (code, {stage["status"] for stage in document["stages"]}) == (0, {"fresh"})
    (run,) = training.mlx("runs")[1]["runs"]
    assert (run["id"], run["status"]) == (document["run_id"], "FINISHED")
