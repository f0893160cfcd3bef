"""A machine behind SSH: an sshd on loopback with keys, settings and a home of its own, which is "the box"."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = "gpu-box"
_SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/id.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
SetEnv HOME={folder}/home
"""
_SSH = """\
Host {host}
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/id
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
"""
_UV = """\
#!/bin/sh
# Stands for uv, where nothing can be downloaded: an environment that sees the packages of the tests.
case "$1 $2" in
  python\\ list) test "$3" = 3.99 || echo "cpython-$3"; exit 0 ;;
esac
echo "uv $*"
case "$1" in
  venv) for last; do :; done
    "{python}" -m venv --without-pip "$last" &&
      echo "{packages}" > "$last/lib/python{version}/site-packages/tests.pth" ;;
  *) grep -q does-not-resolve "$6" && exit 1; exit 0 ;;
esac
"""
_CARDS = """\
#!/bin/sh
# Stands for NVIDIA's tool.
for card in {cards}; do echo "$card, GPU-$card, Fake $card, 570.1, 1000, 900, 7"; done
"""


@dataclass
class Box:
    """The machine, as tests handle it. Its home is not that of the tests.

    `inside` is a command that everything there runs through.
    """

    folder: Path
    port: int
    inside: str = ""
    daemon: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        """Home of the user there."""
        return self.folder / "home"

    @property
    def root(self) -> Path:
        """Folder of mlx there."""
        return self.home / "mlx"

    def start(self) -> None:
        """Start sshd, and wait until it answers."""
        if os.getuid() == 0:  # its own user's sshd needs none
            Path("/run/sshd").mkdir(exist_ok=True)
        command = [
            _sshd() or "sshd",
            "-D",
            "-f",
            str(self.folder / "sshd.conf"),
            "-E",
            str(self.folder / "log"),
        ]
        if self.inside:
            write_program(
                self.folder / "inside", f'#!/bin/sh\nexec {self.inside} sh -c "$SSH_ORIGINAL_COMMAND"\n'
            )
            command += ["-o", f"ForceCommand={self.folder / 'inside'}"]
        self.daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert self.daemon.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "sshd does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """End sshd and every connection to it, as when a line is cut; jobs go on."""
        if self.daemon is not None:
            for pid in self.connections():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            self.daemon.kill()
            self.daemon.wait()
            self.daemon = None

    def cut(self) -> None:
        """Cut every connection; the next one is answered."""
        self.stop()
        self.start()

    def connections(self) -> list[int]:
        """Return the processes of sshd that serve a connection."""
        assert self.daemon is not None
        family, found = {self.daemon.pid}, []
        for _ in range(2):  # one for the connection, and perhaps one of the user's
            children = {
                pid for pid, (parent, name) in _processes().items() if parent in family and "sshd" in name
            }
            family |= children
            found = sorted(family - {self.daemon.pid})
        return found

    def jobs(self) -> list[Path]:
        """Return the folders of jobs."""
        return sorted((self.root / "jobs").glob("*"), key=lambda path: path.stat().st_mtime)

    def processes(self) -> list[int]:
        """Return the processes there of jobs, and those that wait for one."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                variables = (folder / "environ").read_bytes().split(b"\0")
                is_template = b"mlxkit.targets.template" in (folder / "cmdline").read_bytes()
                is_of_a_job = any(variable.startswith(b"MLX_JOB=") for variable in variables)
                if f"HOME={self.home}".encode() in variables and (is_template or is_of_a_job):
                    found.append(int(folder.name))
        return found

    def give_cards(self, *numbers: int) -> None:
        """Let the machine have graphics cards."""
        tool = self.home / ".local" / "bin" / "nvidia-smi"
        write_program(tool, _CARDS.format(cards=" ".join(map(str, numbers))))


@contextlib.contextmanager
def box_in(folder: Path, host: str = HOST) -> Iterator[Box]:
    """Make a box for as long as this is held; `host` is its name for ssh."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    box = Box(folder, port)
    box.home.mkdir(parents=True)
    for name in ("host", "id"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(key, check=True)
    user = pwd.getpwuid(os.getuid()).pw_name  # also of who seems to be root, in a namespace of its own
    names = {"folder": folder, "port": port, "host": host, "user": user}
    (folder / "sshd.conf").write_text(_SSHD.format(**names))
    (folder / "ssh.conf").write_text(_SSH.format(**names))
    kind, key_text = (folder / "host.pub").read_text().split()[:2]
    (folder / "known").write_text(f"[127.0.0.1]:{port} {kind} {key_text}\n")
    write_program(
        folder / "bin" / "ssh", f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh.conf "$@"\n'
    )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    names = {"python": os.path.realpath(sys.executable), "packages": sysconfig.get_path("purelib")}
    write_program(box.home / ".local" / "bin" / "uv", _UV.format(version=version, **names))
    box.start()
    try:
        yield box
    finally:
        box.stop()
        for pid in box.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def missing() -> str | None:
    """Return what is not installed of what a box needs, None when all of it is."""
    if _sshd() is None:
        return "sshd"
    return next((tool for tool in ("ssh", "ssh-keygen", "rsync") if shutil.which(tool) is None), None)


def wait_for(what: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)


def _sshd() -> str | None:
    return shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def write_program(path: Path, text: str) -> None:
    """Write a program of a few lines of shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _processes() -> dict[int, tuple[int, str]]:
    """Map each process to its parent and name."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
            found[int(folder.name)] = int(rest.split()[1]), name
    return found
