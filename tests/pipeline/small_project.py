"""A project without a model, small enough that most tests can run it: JSON in, JSON out, no table library."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
import warnings
from typing import TYPE_CHECKING, Any

import yaml

from mlxkit.pipeline import dvc_yaml
from mlxkit.pipeline.lockfile import read_lock
from mlxkit.pipeline.run import run
from mlxkit.pipeline.run_result import Options, RunResult
from mlxkit.pipeline.staleness import StageState, Staleness
from mlxkit.project.load import load
from mlxkit.targets.workers import WorkerJob, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mlxkit.pipeline.events import Event
    from mlxkit.targets.base import Job

STEPS = '''\
"""The stages."""

import json
from pathlib import Path

from demo.shared import double


def clean(raw: dict, scale):
    print("cleaning")
    return {"n": raw["n"] * scale}


def left(cleaned: dict, shift):
    return {"n": double(cleaned["n"]) + shift}


def join(left: dict, right: str, joined: Path):
    (joined / "deep").mkdir(parents=True)
    (joined / "sum.json").write_text(json.dumps(left["n"] + int(right)))
    (joined / "deep" / "größe.txt").write_text(right)
'''
SHARED = "def double(value):\n    return value * 2\n"
SCRIPT = """\
import json
from pathlib import Path

n = json.loads(Path("build/clean.json").read_text())["n"]
Path("build/right.txt").write_text(str(n * 100))
"""
STAGES: Mapping[str, Any] = {
    "clean": {
        "call": "demo.steps:clean",
        "inputs": {"raw": "data/raw.json"},
        "outputs": {"cleaned": "build/clean.json"},
        "params": ["cleaning"],
    },
    "left": {
        "call": "demo.steps:left",
        "inputs": {"cleaned": "build/clean.json"},
        "outputs": {"left": "build/left.json"},
        "params": ["shifting"],
    },
    "right": {
        "cmd": "python scripts/right.py",
        "inputs": ["build/clean.json"],
        "outputs": ["build/right.txt"],
    },
    "join": {
        "call": "demo.steps:join",
        "inputs": {"left": "build/left.json", "right": "build/right.txt"},
        "outputs": {"joined": "build/joined"},
    },
}
PARAMS = {"cleaning": {"scale": 3}, "shifting": {"shift": 1, "unused": [1, 2]}, "other": {"free": 1}}


class FreshWorkers(Workers):
    """This machine's workers, each job in a new interpreter: a small stage needs no template of libraries."""

    def warm_up(self) -> None:
        """Import nothing ahead."""

    def start(self, job: Job) -> WorkerJob:
        return super().start(dataclasses.replace(job, fresh=True))


@dataclasses.dataclass(frozen=True)
class SmallProject:
    """A project's folder, and what tests do with it."""

    root: Path

    def write(self, files: Mapping[str, Any]) -> SmallProject:
        """Write files: mappings as JSON or YAML by suffix, anything else as text or bytes."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            elif path.suffix == ".json":
                path.write_text(json.dumps(content), encoding="utf-8")
            else:
                path.write_text(
                    yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8"
                )
        return self

    def configure(self, stages: Mapping[str, Any], **more: Any) -> SmallProject:
        """Write mlx.yaml with these stages."""
        head = {"mlx": 1, "project": "demo", "package": "demo", "task": "regression", "target": "y"}
        return self.write({"mlx.yaml": {**head, "stages": dict(stages), **more}})

    def change_stage(self, name: str, **changes: Any) -> SmallProject:
        """Change keys of one stage in mlx.yaml; None removes a key."""
        config = yaml.safe_load((self.root / "mlx.yaml").read_text(encoding="utf-8"))
        stage = {**(config["stages"].get(name) or {}), **changes}
        config["stages"][name] = {key: value for key, value in stage.items() if value is not None}
        return self.write({"mlx.yaml": config})

    def run(self, *stages: str, events: Callable[[Event], None] | None = None, **options: Any) -> RunResult:
        """Run as `mlx run` does."""
        watch = events if events is not None else lambda event: None
        return run(self.root, Options(stages=stages, **options), watch, target=FreshWorkers(self.root))

    def states(self, *stages: str) -> dict[str, StageState]:
        """Tell the state of every stage, as `mlx status` does."""
        return {state.name: state for state in Staleness(load(self.root)).check_all(stages)}

    def reasons(self) -> dict[str, tuple[str, ...]]:
        """Tell the reasons of every stage that is not fresh."""
        return {name: state.reasons for name, state in self.states().items() if state.state != "fresh"}

    def changed_for_mlx(self) -> set[str]:
        """Tell the stages that are stale because of themselves, not of a stage before them."""
        return {
            name
            for name, reasons in self.reasons().items()
            if any(not reason.startswith("after ") for reason in reasons)
        }

    def changed_for_dvc(self) -> set[str]:
        """Tell the stages and `.dvc` files that DVC itself calls changed."""
        return set(self.dvc_status())

    def check_fix(self) -> str:
        """Bring dvc.yaml in step, and return it."""
        project = load(self.root)
        dvc_yaml.write(project, dvc_yaml.text_of(project))
        return self.text("dvc.yaml")

    def text(self, name: str) -> str:
        """Read a file."""
        return (self.root / name).read_text(encoding="utf-8")

    def json(self, name: str) -> Any:
        """Read a JSON file."""
        return json.loads(self.text(name))

    def dvc_status(self) -> dict[str, Any]:
        """Ask DVC itself what is out of step."""
        with self.dvc() as repo:
            return dict(repo.status())

    def dvc_repro(self) -> list[str]:
        """Let DVC itself bring everything up to date; returns the names of the stages that it ran."""
        with self.dvc() as repo:
            return [stage.addressing for stage in repo.reproduce()]

    @contextlib.contextmanager
    def dvc(self) -> Iterator[Any]:
        """Open the project with DVC itself."""
        from dvc.repo import Repo

        # DVC names paths as seen from the working folder.
        with warnings.catch_warnings(), contextlib.chdir(self.root), Repo(str(self.root)) as repo:
            # DVC itself calls what pygtrie deprecates.
            warnings.simplefilter("ignore", DeprecationWarning)
            yield repo

    def git(self, *arguments: str) -> str:
        """Run git in the project."""
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(["git", *identity, *arguments], cwd=self.root, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def set_dvc(self, text: str, file: str = "config.local") -> SmallProject:
        """Add lines to a configuration file of DVC."""
        with (self.root / ".dvc" / file).open("a", encoding="utf-8") as config:
            config.write(text)
        return self

    def share(self, folder: Path, level: str = "local") -> SmallProject:
        """Name a folder as the remote `box`, and push everything there."""
        with self.dvc() as repo, repo.config.edit(level) as config:
            config["remote"]["box"] = {"url": str(folder)}
            config["core"]["remote"] = "box"
        with self.dvc() as repo:
            repo.push()
        return self

    def remove(self, *paths: str) -> SmallProject:
        """Remove files and folders."""
        for path in paths:
            full = self.root / path
            if full.is_dir() and not full.is_symlink():
                shutil.rmtree(full)
            else:
                full.unlink()
        return self

    def digest(self, path: str) -> str:
        """Return the hash that dvc.lock records for an output."""
        return next(locked.outs[path] for locked in read_lock(self.root).values() if path in locked.outs)

    def object_of(self, digest: str) -> Path:
        """Return the cache object of a hash."""
        return self.root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]

    def damaged_objects(self, cache: Path | None = None) -> list[str]:
        """Name the objects of DVC's cache that do not have the hash of their name, as a `dvc fsck` would."""
        folder = (cache or self.root / ".dvc/cache") / "files/md5"
        objects = [path for path in folder.rglob("*") if path.is_file()]
        assert objects, f"{folder} holds no object"
        return [
            path.relative_to(folder).as_posix()
            for path in objects
            if hashlib.md5(path.read_bytes()).hexdigest()
            != (path.parent.name + path.name).removesuffix(".dir")
        ]

    def snapshot(self) -> dict[str, tuple[int, bytes]]:
        """Return time and content of every file, but for locks and memos below `.mlx` and `.dvc/tmp`."""
        return {
            path.relative_to(self.root).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
            for path in self.root.rglob("*")
            if path.is_file() and ".mlx" not in path.parts and "tmp" not in path.parts
        }

    def copy_to(self, folder: Path) -> SmallProject:
        """Copy the whole project, cache and all."""
        shutil.copytree(self.root, folder, dirs_exist_ok=True, symlinks=True)
        return SmallProject(folder)


def by_status(result: RunResult) -> dict[str, str]:
    """Map stage to status."""
    return {stage.name: stage.status for stage in result.stages}


def without_times(text: str) -> str:
    """Return what a command said with its times as `N s` and its columns one space apart.

    Whether time was saved depends on the machine, so that is left out.
    """
    text = re.sub(r", \d+(\.\d+)? s saved", "", text)
    return re.sub(r" +", " ", re.sub(r"\d+(\.\d+)? s\b", "N s", re.sub(r"\d+ MiB", "N MiB", text)))


def default_files() -> dict[str, Any]:
    """Return the files of the usual four-stage project, but for mlx.yaml."""
    return {
        "data/raw.json": {"n": 5},
        "params.yaml": PARAMS,
        "src/demo/__init__.py": "",
        "src/demo/steps.py": STEPS,
        "src/demo/shared.py": SHARED,
        "scripts/right.py": SCRIPT,
    }


def messages(events: Sequence[Event], kind: type) -> list[str]:
    """Return the texts of the events of one kind."""
    return [event.text for event in events if isinstance(event, kind)]  # type: ignore[attr-defined]
