"""A project with a git history in which data and outputs change, and the proof that all of it is there."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

    from small_project import SmallProject

IGNORED = "/.dvc/cache\n/.dvc/tmp\n/.dvc/config.local\n/.mlx\n/data/in\n/build\n/mlflow.db*\n/mlruns\n"
STAGE = {"cmd": "cp -r data/in build", "inputs": ["data/in"], "outputs": ["build"]}


@dataclass
class History:
    """The project, and what each commit's data must be."""

    project: SmallProject
    expected: dict[str, dict[str, bytes]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The project's root, which is also that of git's repository."""
        return self.project.root

    @property
    def cache(self) -> Path:
        """Where the objects lie."""
        return self.root / ".dvc/cache/files/md5"

    def git(self, *arguments: str, folder: Path | None = None) -> str:
        """Run git and return what it says."""
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=folder or self.root,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def start(self) -> History:
        """Make the repository."""
        self.project.configure({"copy": STAGE}).write({".gitignore": IGNORED})
        self.project.check_fix()
        self.git("init", "-q", "-b", "main")
        return self

    def data(self, **files: str) -> History:
        """Replace the data, and let DVC add it and make the output from it."""
        shutil.rmtree(self.root / "data/in", ignore_errors=True)
        self.project.write({f"data/in/{name}": content for name, content in files.items()})
        with self.project.dvc() as repo:
            repo.add([str(self.root / "data/in")])
        self.project.dvc_repro()
        return self

    def commit(self, message: str = "data") -> str:
        """Commit everything, and keep in mind what the data is."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        head = self.git("rev-parse", "HEAD")
        self.expected[head] = self.content()
        return head

    def content(self) -> dict[str, bytes]:
        """Return the files of data and output."""
        folders = (self.root / "data/in", self.root / "build")
        files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in files}

    def checkout(self, commit: str) -> None:
        """Go to a commit, its data too."""
        self.git("checkout", "-q", commit)
        with self.project.dvc() as repo:
            repo.checkout(force=True)

    def objects(self) -> set[str]:
        """Return the names of all objects in the cache."""
        return {f"{path.parent.name}{path.name}" for path in self.cache.glob("??/*")}

    def needed(self) -> set[str]:
        """Return the names of all objects that commits need: read one by one, by brute force."""
        names: set[str] = set()
        for commit in self.git("rev-list", "--all").split():
            for file in self.git("ls-tree", "-r", "--name-only", commit).split("\n"):
                if file.endswith(("dvc.lock", ".dvc")):
                    names |= set(_hashes(yaml.safe_load(self.git("show", f"{commit}:{file}"))))
        listings = [self.cache / name[:2] / name[2:] for name in names if name.endswith(".dir")]
        return names | {entry["md5"] for listing in listings for entry in json.loads(listing.read_bytes())}

    def prove(self) -> None:
        """Every object is what it is called, and every commit can be checked out, with all its data."""
        for name in self.objects():
            content = (self.cache / name[:2] / name[2:]).read_bytes()
            assert hashlib.md5(content, usedforsecurity=False).hexdigest() == name.removesuffix(".dir")
        for commit in self.git("rev-list", "--all").split():
            self.checkout(commit)
            assert self.content() == self.expected[commit]
            assert self.project.dvc_status() == {}


def _hashes(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(item) for key, item in value.items() if key == "md5")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _hashes(item)


def grow(history: History, chance: random.Random, steps: int) -> None:
    """Let a history grow at random; some of its data is never committed, or is not any more."""
    history.data(a="0").commit()
    for number in range(steps):
        kind = chance.choice(
            ["commit", "commit", "try", "branch", "tag", "switch", "delete", "merge", "amend"]
        )
        branches = history.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split()
        match kind:
            case "commit" | "try" | "amend":
                names = chance.sample(["a", "b", "c", "deep/größe"], k=chance.randint(1, 4))
                history.data(**{name: str(chance.randrange(6)) for name in names})
                if kind == "commit":
                    history.commit(f"commit {number}")
                elif kind == "amend":
                    history.git("add", "-A")
                    history.git("commit", "-q", "--amend", "--allow-empty", "-m", f"amend {number}")
                    history.expected[history.git("rev-parse", "HEAD")] = history.content()
            case "branch":
                history.git("checkout", "-q", "-b", f"branch-{number}")
            case "tag":
                history.git("tag", f"tag-{number}")
            case "switch":
                history.git("checkout", "-q", "--", ".")
                history.checkout(chance.choice(branches))
            case "delete" if len(branches) > 1:
                current = history.git("rev-parse", "--abbrev-ref", "HEAD")
                history.git("branch", "-q", "-D", chance.choice([b for b in branches if b != current]))
            case "merge":
                history.git("checkout", "-q", "--", ".")
                history.git("merge", "-q", "-s", "ours", "-m", f"merge {number}", chance.choice(branches))
                history.checkout(history.git("rev-parse", "--abbrev-ref", "HEAD"))
                history.expected[history.git("rev-parse", "HEAD")] = history.content()
