"""One MLflow store: where it is, one client for it, and its failures in mlx's own words."""

from __future__ import annotations

import os
import urllib.parse
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.adapters.mlflow_database import make_database
from mlxkit.adapters.mlflow_errors import error_code, explained, is_foreign, without_password
from mlxkit.adapters.mlflow_moved import ARTIFACTS
from mlxkit.errors import ConfigError, MlxError, ToolError

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "1"

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient

DATABASE = "mlflow.db"
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"

_DATABASE_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql")
_LOGGERS = ("mlflow", "alembic", "sqlalchemy", "urllib3")

# MLflow's own values make an unreachable server fail after four minutes. What the user set wins.
IMPATIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A pooled SQLite connection must not live on in a forked process.
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",
}
_REACHABLE_WITHIN = (5.0, 15.0)


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store with its registry, as one project sees it.

    Attributes:
        uri: MLflow tracking URI, absolute.
        root: the project's root, where a database without a server keeps its artifacts.
        registry: MLflow registry URI, where the registry is another store; None for this one.
    """

    uri: str
    root: Path
    registry: str | None = None

    @property
    def scheme(self) -> str:
        """`sqlite`, `postgresql`, `http`, ..."""
        return urllib.parse.urlsplit(self.uri).scheme.split("+")[0]

    @property
    def database(self) -> Path | None:
        """The SQLite file, where the store is one."""
        if not self.uri.startswith("sqlite:///"):
            return None
        return Path(self.uri.removeprefix("sqlite:///").split("?")[0])

    @property
    def models(self) -> Store:
        """The store of its registry: itself, or another one."""
        return self if self.registry is None else Store(self.registry, self.root)

    @property
    def artifacts(self) -> Path | None:
        """Folder of the artifacts; None where a server decides."""
        return self.root / ARTIFACTS if self.scheme in _DATABASE_SCHEMES else None

    def __str__(self) -> str:
        return without_password(self.uri)


def resolve(root: Path, tracking: str | None = None, registry: str | None = None) -> Store:
    """Return the store of an environment: its `tracking`, else `MLFLOW_TRACKING_URI`, else the one in `root`.

    `registry` is where its models are registered, if not there.

    Raises:
        ConfigError: MLflow has no such kind of store.
    """
    root = root.resolve()
    named = tracking or os.environ.get(TRACKING_VARIABLE)
    registry = None if registry is None else _absolute(registry, root)
    if not named:
        return Store(f"sqlite:///{root / DATABASE}", root, registry)
    store = Store(_absolute(named, root), root, registry)
    if store.scheme not in (*_DATABASE_SCHEMES, "http", "https", "databricks") and named != "databricks":
        raise ConfigError(
            f"'{store}' is no MLflow tracking URI that mlx can use",
            context=[f"named by {'mlx.yaml: environments' if tracking else TRACKING_VARIABLE}"],
            hint="use http(s)://HOST, postgresql://..., or sqlite:///mlflow.db",
        )
    return store


def _absolute(uri: str, root: Path) -> str:
    if uri.startswith("sqlite:///") and not uri.startswith("sqlite:////"):
        return f"sqlite:///{root / uri.removeprefix('sqlite:///')}"
    return uri


def unrecorded(root: Path) -> Store:
    """Return the store that keeps what a project's own one did not take; it may not exist."""
    folder = root.resolve() / ".mlx" / "unrecorded"
    return Store(f"sqlite:///{folder / DATABASE}", folder)


def connect(store: Store) -> MlflowClient:
    """Return a client of the store, which is made first where it is a SQLite file that does not exist.

    Call it inside `talking`.
    """
    for each in dict.fromkeys([store, store.models]):
        _make_ready(each)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store.uri, registry_uri=store.registry)


def _make_ready(store: Store) -> None:
    """Make a SQLite file that does not exist, or see whether a server is there."""
    if store.database is not None:
        make_database(store, store.database)
    elif store.scheme in ("http", "https"):
        _reach(store.uri, os.getpid())


def ask(store: Store) -> None:
    """Ask a store for something small.

    Raises:
        ToolError: it does not answer as a store of MLflow does.
    """
    with talking(store, "ask MLflow"):
        connect(store).search_experiments(max_results=1)


@contextmanager
def talking(store: Store, doing: str) -> Iterator[None]:
    """Run calls of MLflow quietly, with short patience; a failure leaves as ToolError "cannot DOING"."""
    with quiet(), _impatient():
        try:
            yield
        except MlxError:
            raise
        except Exception as error:
            if not is_foreign(error):
                raise
            raise explained(error, doing, str(store), str(store.database or store)) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep MLflow's log lines and warnings off the user's terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import logging

        import mlflow  # noqa: F401  sets the loggers' levels when it is imported

        loggers = [logging.getLogger(name) for name in _LOGGERS]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def as_default(store: Store) -> Iterator[None]:
    """Make `store` the process's own tracking store for a while: parts of MLflow look at no other."""
    import mlflow

    before = os.environ.get(TRACKING_VARIABLE)
    chosen = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None  # type: ignore[no-untyped-call]
    mlflow.set_tracking_uri(store.uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None if chosen == before else chosen)  # type: ignore[arg-type]
        if before is None:
            os.environ.pop(TRACKING_VARIABLE, None)
        else:
            os.environ[TRACKING_VARIABLE] = before


def experiment_id(client: MlflowClient, store: Store, name: str) -> str:
    """Return the id of the experiment, which is created first where there is none. Parallel calls agree."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        location = None if store.artifacts is None else str(store.artifacts / name)
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            if error_code(error) != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        number = "" if found is None else found.experiment_id
        raise ToolError(
            f"the MLflow experiment '{name}' is deleted",
            context=[f"store: {store}"],
            hint=f"run `MLFLOW_TRACKING_URI={store} mlflow experiments restore --experiment-id {number}`",
        )
    return str(found.experiment_id)


@lru_cache
def _reach(uri: str, _process: int) -> None:
    """Ask the server for a sign of life once per process; any answer will do."""
    import requests

    requests.get(f"{uri.rstrip('/')}/health", timeout=_REACHABLE_WITHIN)


@contextmanager
def _impatient() -> Iterator[None]:
    added = {name: value for name, value in IMPATIENT.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
