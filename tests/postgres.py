"""A real PostgreSQL on this machine, with a cluster of its own that is gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NOBODY = 65534


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, None where it is not installed."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """Run a new cluster, and yield the URI of its database."""
    bin_folder = programs()
    assert bin_folder is not None
    folder = Path(tempfile.mkdtemp(prefix="mlx-postgres-"))
    data = folder / "data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if os.getuid() == 0:  # PostgreSQL refuses root
        os.chown(folder, _NOBODY, _NOBODY)
    making = ["--auth=trust", "--username=mlx", "--no-sync", "--encoding=UTF8", f"--pgdata={data}"]
    subprocess.run(_words([bin_folder / "initdb", *making]), cwd=folder, check=True, capture_output=True)
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "fsync": "off"}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            _words([bin_folder / "postgres", "-D", data, "-p", str(port), *options]),
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(server, port, folder / "log")
        yield f"postgresql://mlx@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _words(command: Sequence[Path | str]) -> list[str]:
    words = [str(word) for word in command]
    return (
        words
        if os.getuid()
        else ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *words]
    )


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "PostgreSQL does not answer"
        time.sleep(0.1)
