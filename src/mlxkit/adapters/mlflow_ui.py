"""MLflow's own user interface, started on a store."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from mlxkit.adapters.mlflow_store import Store


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


def serve(store: Store, port: int) -> None:
    """Become MLflow's server for a store without one of its own; a store with a server needs nothing."""
    if store.scheme in ("http", "https"):
        return
    sys.stdout.flush()
    os.chdir(store.root)
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    arguments = ["--backend-store-uri", store.uri, "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *arguments])
