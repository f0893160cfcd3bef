"""What every test stands on: a closed-off environment, a folder to work in, the command line in process."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.box import Box, box_in, missing

if TYPE_CHECKING:
    # `type(Path())` below is this class; spelled out, type checkers understand it.
    from pathlib import PosixPath as ConcretePath
else:
    ConcretePath = type(Path())

Tree = Mapping[str, "str | bytes | list[Any] | Tree"]

# Read before the environment is closed off.
IN_CI = bool(os.environ.get("CI"))

# Whatever of the developer's own settings could change what a test sees.
FOREIGN = re.compile(
    r"(MLX|MLFLOW|DVC|GIT|GITHUB|RUNNER|XDG|EVIDENTLY)_.*|CI|CI_.*|EMAIL|EDITOR|VISUAL|PAGER|FORCE_COLOR|CLICOLOR.*"
    r"|MAKEFLAGS|MFLAGS|MAKELEVEL|PYTHONPATH|TTY_.*|_TYPER_.*"
)
# Needed to reach a package index or a git server from behind a company's proxy.
KEPT = re.compile(r"GIT_SSL_CAINFO|GIT_EXEC_PATH")


def pytest_configure(config: pytest.Config) -> None:
    """Close the environment off before any test module, and through it MLflow or DVC, is imported."""
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    # realpath: macOS reaches its temporary folder through a link, and git reports the target.
    home = Path(os.path.realpath(tempfile.mkdtemp(prefix="mlx-home-")))
    config.add_cleanup(partial(shutil.rmtree, home, ignore_errors=True))

    for name in [n for n in os.environ if FOREIGN.fullmatch(n) and not KEPT.fullmatch(n)]:
        patch.delenv(name)
    settings = {
        "HOME": str(home),
        # As in an activated environment: `dvc repro` finds `mlx`, a stage finds `python`.
        "VIRTUAL_ENV": sys.prefix,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "DVC_GLOBAL_CONFIG_DIR": str(home / ".config/dvc"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "etc/dvc"),
        "DVC_SITE_CACHE_DIR": str(home / "var/dvc"),
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        # Warm workers would outlive the test that started them.
        "MLX_WARM": "0",
        "NO_COLOR": "1",
        "COLUMNS": "80",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8",
    }
    for name, value in settings.items():
        patch.setenv(name, value)

    umask = os.umask(0o022)

    def restore_umask() -> None:
        os.umask(umask)

    config.add_cleanup(restore_umask)


@pytest.fixture(autouse=True)
def _same_process_state() -> Iterator[None]:
    """Put back the working folder and the environment, which commands run in process may change.

    What was typed is `mlx`, and not how the tests were started.
    """
    folder, environment = Path.cwd(), dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["mlx"])
        yield
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture(scope="session")
def need() -> Callable[[str], None]:
    """Skip a test whose library is not installed here: `need("torch")`. In CI, none may be missing."""

    def check(library: str) -> None:
        if importlib.util.find_spec(library) is None:
            if IN_CI:
                pytest.fail(f"CI must test with '{library}', which is not installed")
            target = {"torch": "torch", "mkdocs": "docs", "pyte": "docs"}.get(library, "setup")
            pytest.skip(f"'{library}' is not installed: run `make {target}`")

    return check


class TmpDir(ConcretePath):
    """A folder of one test: a `Path` that can fill itself."""

    def gen(self, tree: Tree | str, content: str | bytes | Tree | list[Any] = "") -> TmpDir:
        """Write files: `gen({"a/b.txt": "text", "x.json": {...}, "folder": {"c.txt": ""}})`.

        Mappings and lists go to `.json`, `.yaml` and `.yml` files in that format; elsewhere a mapping is a
        folder. One file: `gen("a.txt", "text")`.
        """
        if isinstance(tree, str):
            tree = {tree: content}
        for name, value in tree.items():
            _write(self / name, value)
        return self

    @contextlib.contextmanager
    def chdir(self) -> Iterator[TmpDir]:
        """Work in this folder for a while."""
        with contextlib.chdir(self):
            yield self


def _write(path: Path, value: str | bytes | list[Any] | Tree) -> None:
    if isinstance(value, Mapping) and path.suffix not in {".json", ".yaml", ".yml"}:
        path.mkdir(parents=True, exist_ok=True)
        TmpDir(path).gen(value)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    match value:
        case bytes():
            path.write_bytes(value)
        case str():
            path.write_text(value, encoding="utf-8")
        case _ if path.suffix == ".json":
            path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        case _:
            path.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), encoding="utf-8")


@pytest.fixture
def tmp_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TmpDir:
    """An empty folder that is also the working folder."""
    monkeypatch.chdir(tmp_path)
    return TmpDir(tmp_path)


@dataclass(frozen=True)
class Result:
    """What one command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


Mlx = Callable[..., Result]


@pytest.fixture
def mlx(capfd: pytest.CaptureFixture[str]) -> Mlx:
    """Run a command in this process: `mlx("run", "--json").json["stages"]`.

    File descriptors are captured, not only `sys.stdout`: what a stage's own process writes to standard output
    would spoil a `--json` answer as well.
    """

    def call(*argv: str | os.PathLike[str]) -> Result:
        from mlxkit.cli.app import main

        capfd.readouterr()
        code = main([os.fspath(argument) for argument in argv])
        out, err = capfd.readouterr()
        return Result(int(code), out, err)

    return call


@pytest.fixture(scope="session")
def _box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    if sys.platform != "linux":
        pytest.skip("the box of the tests is a Linux machine")
    lacks = missing()
    if lacks is not None:
        if IN_CI:
            pytest.fail(f"CI must test with '{lacks}', which is not installed")
        pytest.skip(f"'{lacks}' is not installed: run `apt-get install openssh-server rsync`")
    with box_in(Path(tempfile.mkdtemp(prefix="mlx-box-"))) as made:
        yield made
        shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture
def box(_box: Box, monkeypatch: pytest.MonkeyPatch) -> Box:
    """A machine behind SSH, by the name of `gpu-box`, on which nothing of another test is left."""
    monkeypatch.setenv("PATH", f"{_box.folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    for name in ("jobs", "cache", "gpus", "arriving"):
        shutil.rmtree(_box.root / name, ignore_errors=True)
    (_box.home / ".local/bin/nvidia-smi").unlink(missing_ok=True)
    if _box.daemon is None:
        _box.start()
    return _box
