"""`mlx ui`: MLflow's own user interface on the project's store."""

from __future__ import annotations

from typing import Annotated

import typer

from mlxkit.cli.options import Env, Session, command


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def ui(
        session: Session,
        port: Annotated[
            int, typer.Option("--port", "-p", min=1, max=65535, help="Port on this machine.")
        ] = 5000,
        env: Env = None,
    ) -> None:
        """Serve MLflow's user interface on this project's runs.

        Ctrl-C ends it. Example: mlx ui --port 5001
        """
        from mlxkit.adapters.mlflow_ui import address_of, serve
        from mlxkit.project.load import load
        from mlxkit.registry.stores import store_of
        from mlxkit.registry.workspace import environment_of

        project = load(session.root)
        store = store_of(project, environment_of(project, env))
        url = address_of(store, port)
        serve(store, port, lambda: session.output.answer({"url": url}, lambda: [url]))
