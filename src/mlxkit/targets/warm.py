"""Where a template that lingers is found again: by everything that its imports may have depended on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import socket
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlxkit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OF_THE_TERMINAL = re.compile(
    r"_|PWD|OLDPWD|SHLVL|COLUMNS|LINES|TERM.*|COLORTERM|NO_COLOR|DISPLAY|WAYLAND.*|WINDOWID|XAUTHORITY|DBUS.*"
    r"|(SSH|TMUX|VTE|VSCODE|MAKE|MLX|GPG|SUDO|HIST)_?.*|MFLAGS|STY|PS\d|PROMPT.*|PAGER|EDITOR|VISUAL"
)
"""Variables that change from call to call and that no library reads while it is imported."""
_LONGEST_SOCKET = 100


def connect(path: Path) -> socket.socket | None:
    """Return a connection to the template at a path, None when there is none."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        client.connect(os.fspath(path))
    except OSError:
        client.close()
        return None
    return client


def listen(path: Path) -> socket.socket | None:
    """Return a socket that is found at `path` from now on, None where it cannot be made."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    beside = path.with_suffix(f".{os.getpid()}")
    try:
        listener.bind(os.fspath(beside))
        listener.listen()
        beside.replace(path)
    except OSError:
        listener.close()
        return None
    return listener


def place_for(preload: Sequence[str]) -> Path | None:
    """Return where a template listens that would be like a new one; None where there is no safe folder."""
    folder = _private_folder()
    if folder is None:
        return None
    known = json.dumps([list(preload), *_surroundings()], sort_keys=True, default=str)
    path = folder / f"{hashlib.sha256(known.encode()).hexdigest()[:24]}.sock"
    return path if len(os.fspath(path)) <= _LONGEST_SOCKET else None


def _private_folder() -> Path | None:
    """Return a folder that is this user's alone."""
    parent = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(parent, f"mlx-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        info = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and not info.st_mode & 0o077
    return folder if ours else None


def _surroundings() -> Iterator[Any]:
    """Tell what a process inherits, and what its imports read: another such thing needs another template."""
    yield [sys.executable, sys.prefix, sys.version]
    # The first entry is the folder of the script, or the working folder: a template has neither.
    searched = sys.path if sys.flags.safe_path else sys.path[1:]
    yield [[path, _changed(Path(path))] for path in searched]
    yield max(_changed(file) for file in Path(mlxkit.__file__).parent.rglob("*.py"))
    yield {name: value for name, value in os.environ.items() if not _OF_THE_TERMINAL.fullmatch(name)}
    yield [os.getuid(), os.getgid(), os.getgroups(), os.getpriority(os.PRIO_PROCESS, 0)]
    yield sorted(os.sched_getaffinity(0))
    yield [resource.getrlimit(number) for number in range(resource.RLIMIT_NOFILE + 3)]
    for name in ("cgroup", "ns/mnt", "ns/net", "ns/pid", "ns/user"):
        path = Path("/proc/self", name)
        try:
            yield str(path.readlink()) if name.startswith("ns/") else path.read_text(encoding="utf-8")
        except OSError:
            yield None


def _changed(path: Path) -> int:
    """Return when a file or a folder's list of names last changed, nanoseconds; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
