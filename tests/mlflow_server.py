"""A real MLflow server on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Server:
    """A server whose store lies in a folder; it may be stopped, ended and started again at its address."""

    folder: Path
    port: int
    database: str | None = None
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--workers": "1",
            "--backend-store-uri": self.database or f"sqlite:///{self.folder}/mlflow.db",
            "--artifacts-destination": str(self.folder / "artifacts"),
        }
        log = self.folder / "server.log"
        with log.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *chain.from_iterable(options.items())],
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        # The server says that it has started before it listens, so only an answer counts.
        while not self._answers():
            assert self.process.poll() is None, log.read_text()
            time.sleep(0.2)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def end(self) -> None:
        """End it."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except OSError:
            return False


@contextlib.contextmanager
def serving(folder: Path, database: str | None = None) -> Iterator[Server]:
    """Serve a new store in a folder, or a database, at a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(folder, free.getsockname()[1], database)
    try:
        server.start()
        yield server
    finally:
        server.end()
