"""The project that is killed: six small stages, deterministic, and the ways in which it becomes stale."""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from projects import MLX_YAML, make_mlx, shell, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RAW = "data/raw/cells.csv"
RUN_RECORD = "models/cells.run.json"
MORE_STAGES = """\
  pieces:
    cmd: sh scripts/pieces.sh
    inputs: [data/raw/cells.csv, scripts/pieces.sh]
    outputs: [build/pieces]
    params: [pieces]
  parts:
    call: cells.parts:cut
    inputs: {raw: data/raw/cells.csv}
    outputs: {parts: build/parts}
    params: [cutting]
"""
PIECES = """\
# Half of the files are written by a child, and a kind word ends neither of them.
set -e
trap '' TERM
count=$(sed -n 's/^pieces: {count: \\([0-9]*\\)}/\\1/p' params.yaml)
mkdir -p build/pieces
write() { n=$1; while [ $n -le $count ]; do
  head -n $n data/raw/cells.csv > build/pieces/$n.csv; sleep 0.03; n=$((n + 2)); done; }
write 1 &
child=$!
write 2
wait $child
"""
PARTS = '''\
"""A directory that processes of joblib write."""

from pathlib import Path

from joblib import Parallel, delayed


def cut(raw: Path, parts: Path, count: int) -> None:
    parts.mkdir()
    lines = raw.read_text().splitlines(keepends=True)
    Parallel(n_jobs=2)(delayed(write)(parts / f"{n}.csv", lines[n::count]) for n in range(count))


def write(path: Path, lines: list[str]) -> None:
    with path.open("w") as file:
        for line in lines:
            file.write(line)
            file.flush()
'''
PARAMS = (
    "split: {test_size: 0.25, seed: 0}\nmodel: {n_estimators: 3, seed: 0}\n"
    "pieces: {count: 12}\ncutting: {count: 4}\n"
)
OUTPUTS = (
    "data/interim/cells.parquet",
    "data/interim/features.parquet",
    "data/processed/train.parquet",
    "data/processed/test.parquet",
    "models/cells",
    RUN_RECORD,
    "build/pieces",
    "build/parts",
    "reports/metrics.json",
)
_KEYS = {"model": "seed", "split": "seed", "pieces": "count", "cutting": "count"}


@dataclass(frozen=True)
class Subject:
    """The project's folder, and what the harness does in it."""

    root: Path

    @property
    def params(self) -> dict[str, dict[str, int]]:
        """Read params.yaml."""
        values: dict[str, dict[str, int]] = yaml.safe_load((self.root / "params.yaml").read_text())
        return values

    def set_param(self, group: str, value: int) -> None:
        """Give a group's one varied parameter a value."""
        path = self.root / "params.yaml"
        text = re.sub(rf"({group}: .*{_KEYS[group]}: )\d+", rf"\g<1>{value}", path.read_text())
        path.unlink()
        path.write_text(text)

    def state(self) -> str:
        """Return what decides every result: the parameters and the raw rows."""
        return (self.root / "params.yaml").read_text() + str(len(self.raw_lines()))

    def raw_lines(self) -> list[str]:
        """Read the raw rows, from the cache where an edit has removed them."""
        path = self.root / RAW
        return (path if path.exists() else self.raw_object()).read_text().splitlines(keepends=True)

    def raw_object(self) -> Path:
        """Return the cache's object of the raw rows that DVC knows."""
        digest = yaml.safe_load((self.root / f"{RAW}.dvc").read_text())["outs"][0]["md5"]
        return self.cache / digest[:2] / digest[2:]

    def write_raw(self, lines: list[str]) -> None:
        """Replace the raw rows as an editor does, which never writes through a link."""
        replace(self.root / RAW, "".join(lines).encode())

    @property
    def cache(self) -> Path:
        """The folder of the cache's objects."""
        return self.root / ".dvc/cache/files/md5"

    def metrics(self) -> Mapping[str, object]:
        """Read the metrics."""
        found: dict[str, object] = json.loads((self.root / "reports/metrics.json").read_text())
        return found

    def locked(self) -> dict[str, str]:
        """Return path -> hash of all outputs that dvc.lock names; nothing where there is no dvc.lock."""
        path = self.root / "dvc.lock"
        stages = yaml.safe_load(path.read_text())["stages"] if path.exists() else {}
        return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}

    def listing(self) -> dict[str, tuple[int, int, int]]:
        """Return inode, size and time of every file that a stage may write."""
        found = {}
        for folder in ("data", "models", "build", "reports"):
            for path in (self.root / folder).rglob("*"):
                info = path.lstat()
                found[str(path.relative_to(self.root))] = (info.st_ino, info.st_size, info.st_mtime_ns)
        return found


def make(folder: Path) -> Subject:
    """Make the project, with nothing run yet."""
    make_mlx(folder)
    files = {"mlx.yaml": MLX_YAML + MORE_STAGES, "params.yaml": PARAMS, "scripts/pieces.sh": PIECES}
    write(folder, {**files, "src/cells/parts.py": PARTS})
    lines = (folder / RAW).read_text().splitlines(keepends=True)[:200]
    replace(folder / RAW, "".join(lines).encode())
    shell(f"dvc add -q {RAW} && mlx check --fix", folder)
    with (folder / ".gitignore").open("a") as file:
        file.write("/build\n")
    shell("git add -A && git commit -qm more", folder)
    return Subject(folder)


def copy(subject: Subject, folder: Path, link: str) -> Subject:
    """Copy a project that has not run yet; `link` is DVC's type of link between cache and workspace."""
    shutil.copytree(subject.root, folder)
    with (folder / ".dvc/config").open("a") as file:
        file.write(f"[cache]\n    type = {link}\n")
    (folder / RAW).unlink()
    shell(f"dvc checkout -q {RAW}.dvc", folder)
    return Subject(folder)


def replace(path: Path, content: bytes) -> None:
    """Write a file anew: a link into the cache is not written through."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@dataclass
class Author:
    """Who edits the project between runs; knows which parameters were used before."""

    random: random.Random
    used: dict[str, list[int]]

    def edit(self, subject: Subject, name: str) -> None:
        """Make the project stale in one of the ways of `EDITS`."""
        EDITS[name](self, subject)

    def new_value(self, group: str) -> int:
        """Return a value never used, and remember it."""
        value = max(self.used[group]) + 1
        self.used[group].append(value)
        return value


def author(seed: int) -> Author:
    """Return the author of one series of edits."""
    values = yaml.safe_load(PARAMS)
    return Author(random.Random(seed), {group: [values[group][key]] for group, key in _KEYS.items()})


def _new(group: str) -> Callable[[Author, Subject], None]:
    return lambda author, subject: subject.set_param(group, author.new_value(group))


def _old(author: Author, subject: Subject) -> None:
    group = author.random.choice([g for g, values in author.used.items() if len(values) > 1] or ["model"])
    now = subject.params[group][_KEYS[group]]
    subject.set_param(group, author.random.choice([v for v in author.used[group] if v != now] or [now]))


def _delete_output(author: Author, subject: Subject) -> None:
    remove(subject.root / author.random.choice(OUTPUTS))


def _edit_output(author: Author, subject: Subject) -> None:
    path = subject.root / author.random.choice(OUTPUTS)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        path = author.random.choice(files) if files else path / "new.txt"
    replace(path, (path.read_bytes() if path.exists() else b"") + b"edited\n")


def _edit_raw(author: Author, subject: Subject) -> None:
    lines = subject.raw_lines()
    if len(lines) > 150:
        subject.write_raw(lines[:-1])
    else:
        subject.write_raw([*lines, *lines[1:40]])


def _delete(*names: str) -> Callable[[Author, Subject], None]:
    def delete(author: Author, subject: Subject) -> None:
        for name in names:
            remove(subject.root / name)

    return delete


def _delete_raw(author: Author, subject: Subject) -> None:
    """Remove the raw rows, and let a stage need them: nobody fetches what nobody reads."""
    remove(subject.root / RAW)
    _new("pieces")(author, subject)


def _delete_all(author: Author, subject: Subject) -> None:
    """Leave what a clone with its data has: no results, no cache of them, no store."""
    raw = subject.raw_object()
    content = raw.read_bytes()
    for name in (*OUTPUTS, "dvc.lock", ".mlx", "mlflow.db", "mlruns", ".dvc/cache", ".dvc/tmp"):
        remove(subject.root / name)
    raw.parent.mkdir(parents=True)
    raw.write_bytes(content)
    subject.write_raw(content.decode().splitlines(keepends=True))


EDITS: Mapping[str, Callable[[Author, Subject], None]] = {
    "new model": _new("model"),
    "new split": _new("split"),
    "new pieces": _new("pieces"),
    "new parts": _new("cutting"),
    "old parameter": _old,
    "deleted output": _delete_output,
    "edited output": _edit_output,
    "edited raw data": _edit_raw,
    "deleted raw data": _delete_raw,
    "deleted .mlx": _delete(".mlx"),
    "deleted memo": _delete(".mlx/memo.json"),
    "deleted dvc.yaml": _delete("dvc.yaml"),
    "deleted outputs": _delete(*OUTPUTS),
    "deleted dvc.lock": _delete("dvc.lock"),
    "deleted all": _delete_all,
}
"""Every way to become stale; `mlx run --force` is one more, which edits nothing."""
