"""What this machine is and has: Python, uv, graphics cards, room, boot, clock."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.targets.box import environment
from mlxkit.targets.box.places import Refused
from mlxkit.targets.box.tools import uv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.targets.box.places import Places

_ASKED = "index,uuid,name,driver_version,memory.total,memory.free,utilization.gpu"
_FREE_SHARE = 0.5
"""Of its memory, what a card must have free to be given to a job: others may use the machine too."""
_MIB = 1 << 20
_ASK_TORCH = """
import json, torch
cuda = torch.version.cuda
print(json.dumps({"version": torch.__version__, "cuda": cuda, "usable": torch.cuda.is_available()}))
"""
_LIBRARIES = ("mlxkit", "dvc", "mlflow", "numpy", "pandas", "scikit-learn", "xgboost", "lightgbm", "torch")


@dataclass(frozen=True)
class Gpu:
    """A graphics card; memory in bytes, `used` is the share of time that it worked, in percent."""

    index: int
    uuid: str
    name: str
    driver: str
    memory: int
    free: int
    used: float


def probe(places: Places, request: Mapping[str, Any]) -> dict[str, Any]:
    """Describe this machine, and the environment that a job would have, if it is built already."""
    wanted = request.get("environment")
    python = None if wanted is None else environment.built(places, wanted)
    return {
        "host": socket.gethostname(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "executable": sys.executable,
        "uv": uv(),
        "rsync": shutil.which("rsync"),
        "root": str(places.root),
        "free": shutil.disk_usage(places.root).free,
        "cores": os.cpu_count(),
        "clock": time.time(),
        "boot": boot(),
        "gpus": [asdict(gpu) for gpu in gpus()],
        "interpreter": None if wanted is None else environment.available(wanted["python"]),
        "built": python is not None,
        "torch": None if python is None else _torch(python),
    }


def _torch(python: Path) -> dict[str, Any] | None:
    """Ask an environment's PyTorch whether it can use a card; None where it has none."""
    try:
        done = subprocess.run([python, "-c", _ASK_TORCH], capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return dict(json.loads(done.stdout)) if done.returncode == 0 else None


def boot() -> str:
    """Return what changes with each start of the machine; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def gpus() -> list[Gpu]:
    """Ask NVIDIA's tool for the graphics cards; a machine without it has none."""
    command = ["nvidia-smi", f"--query-gpu={_ASKED}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return [_gpu(fields) for line in lines if len(fields := line.split(", ")) == len(_ASKED.split(","))]


def library_versions() -> dict[str, str]:
    """Return the versions of those libraries in this process's environment that models depend on."""
    versions = {}
    for library in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[library] = metadata.version(library)
    return versions


def _gpu(fields: list[str]) -> Gpu:
    index, uuid, name, driver, total, free, used = fields
    return Gpu(
        int(index), uuid, name, driver, int(_number(total)) * _MIB, int(_number(free)) * _MIB, _number(used)
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # `[N/A]`, of a card that does not tell
        return 0.0


class Cards:
    """The graphics cards that a job was given, for as long as this process holds their locks."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self.gpus: list[Gpu] = []

    def take(self, places: Places, wanted: int) -> bool:
        """Take those with the most free memory; returns whether there were enough that nobody holds.

        Raises:
            Refused: the machine has fewer cards than are wanted.
        """
        found = gpus()
        if len(found) < wanted:
            have = f"{len(found)} GPU{'' if len(found) == 1 else 's'}"
            raise Refused(
                f"the stage needs {wanted} GPU{'' if wanted == 1 else 's'}, and this machine shows {have}",
                hint="run `nvidia-smi` there, or lower `gpus:` in mlx.yaml",
            )
        places.gpus.mkdir(parents=True, exist_ok=True)
        for gpu in sorted(found, key=lambda gpu: -gpu.free):
            if len(self.gpus) < wanted and gpu.free >= _FREE_SHARE * gpu.memory:
                self._lock(places.gpus / gpu.uuid, gpu)
        if len(self.gpus) < wanted:
            self.drop()
        return len(self.gpus) == wanted

    def _lock(self, path: Path, gpu: Gpu) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return
        self._held[gpu.uuid] = descriptor
        self.gpus.append(gpu)

    def drop(self) -> None:
        """Give all of them back."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()
        self.gpus.clear()

    def look(self) -> list[Gpu]:
        """Return how they are now."""
        return [gpu for gpu in gpus() if gpu.uuid in self._held] if self._held else []
