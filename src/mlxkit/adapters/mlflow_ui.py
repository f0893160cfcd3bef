"""MLflow's own user interface, started on a store."""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlxkit.adapters.mlflow_store import Store

_POLL_SECONDS = 0.2


def address_of(store: Store, port: int) -> str:
    """Return where the interface is, or will be once `serve` runs.

    Raises:
        ToolError: the port is taken.
    """
    if store.scheme in ("http", "https"):
        return str(store)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ToolError(
                f"port {port} is taken", context=[str(error)], hint=f"run `mlx ui --port {port + 1}`"
            ) from error
    return f"http://127.0.0.1:{port}"


def serve(store: Store, port: int, announce: Callable[[], None]) -> None:
    """Become MLflow's server for a store without one of its own; a store with a server needs nothing.

    `announce` is called once the server answers.
    """
    if store.scheme in ("http", "https"):
        announce()
        return
    sys.stdout.flush()
    sys.stderr.flush()
    _watch(os.getpid(), f"http://127.0.0.1:{port}/health", announce)
    os.chdir(store.root)
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    # Only the announcement is the answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    arguments = ["--backend-store-uri", store.uri, "--host", "127.0.0.1", "--port", str(port)]
    if store.registry is not None:
        arguments += ["--registry-store-uri", store.registry]
    arguments += ["--uvicorn-opts", "--log-level warning"]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *arguments])


def _watch(server: int, url: str, announce: Callable[[], None]) -> None:
    """Announce, from a process of its own, that the server answers, unless it ends before.

    It is a grandchild: the server does not expect children that it has not started.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(0)
    try:
        while _is_alive(server):
            if _answers(url):
                announce()
                sys.stdout.flush()
                break
            time.sleep(_POLL_SECONDS)
    finally:
        os._exit(0)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
