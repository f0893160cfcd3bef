"""What goes wrong with an MLflow store, said so that the user can mend it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mlxkit.errors import NO_SPACE, LockTimeout, ToolError, of_the_machine


def error_code(error: Exception) -> str:
    """Return MLflow's name of an error, such as `RESOURCE_DOES_NOT_EXIST`; '' for any other error."""
    return str(getattr(error, "error_code", ""))


def is_foreign(error: Exception) -> bool:
    """Whether the error comes from the store: MLflow, its database, its server, the disk."""
    if isinstance(error, OSError) or _missing_driver(error):
        return True
    return any(
        cls.__module__.partition(".")[0]
        in ("mlflow", "sqlite3", "sqlalchemy", "requests", "alembic", "psycopg", "boto3")
        for cls in type(error).__mro__
    )


def is_unreachable(error: Exception) -> bool:
    """Whether the error says that a server does not answer."""
    return is_foreign(error) and _symptom(str(error)) == "unreachable"


def explained(error: Exception, doing: str, store: str, where: str) -> ToolError:
    """Return the error in mlx's words: "cannot DOING", why, and the way out.

    `where` is the database's path, or the server's address.
    """
    if driver := _missing_driver(error):
        return ToolError(
            f"cannot {doing}: the driver of this database is not installed",
            context=[f"store: {store}", str(error)],
            hint=f"run `pip install {driver}`",
        )
    if isinstance(error, PermissionError) and (refused := of_the_machine(error)) is not None:
        return ToolError(
            f"cannot {doing}: permission denied", context=[f"store: {store}", str(error)], hint=refused.hint
        )
    text = without_password(_without_query(" ".join(str(error).split())))
    known = _REASONS.get(_symptom(text))
    context = [f"store: {store}", _cause(text)[:500]]
    if known is None:
        return ToolError(f"cannot {doing}", context=context, hint="run `mlx doctor`")
    reason, hint = known
    kind = LockTimeout if hint is _LOCKED else ToolError
    return kind(
        f"cannot {doing}: {reason}",
        context=context,
        hint=hint.format(store=store, where=where, closed=_not_writable(Path(where))),
    )


def _not_writable(database: Path) -> Path:
    """Return what keeps SQLite from writing: the file, or its folder, where SQLite puts its journal."""
    return database.parent if os.access(database, os.W_OK) else database


_DRIVERS = {
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "pymysql": "pymysql",
    "pyodbc": "pyodbc",
}
"""Module that SQLAlchemy imports for a kind of database, and the distribution that has it."""


def _missing_driver(error: Exception) -> str:
    return _DRIVERS.get(error.name or "", "") if isinstance(error, ModuleNotFoundError) else ""


_LOCKED = "close what uses '{where}' and try again"

_REASONS = {
    "unreachable": ("the MLflow server does not answer", "run `curl {where}/health`"),
    "denied": (
        "the MLflow server refuses these credentials",
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in .env",
    ),
    "foreign": ("no MLflow server is at this address", "run `curl {where}/version`"),
    "readonly": ("the database is read-only", "run `chmod u+w '{closed}'`"),
    "locked": ("another process keeps the database locked", _LOCKED),
    "unopened": ("the database cannot be opened", "run `ls -l '{where}'`"),
    "broken": ("the file is no SQLite database", "move '{where}' away and try again"),
    "outdated": ("the database was made by another version of MLflow", "run `mlflow db upgrade '{store}'`"),
    "full": (NO_SPACE, "free some, for instance with `mlx gc`"),
}

_SYMPTOMS = (
    ("readonly", ("readonly database", "read-only database")),
    ("locked", ("database is locked",)),
    ("unopened", ("unable to open database",)),
    ("broken", ("file is not a database", "disk image is malformed")),
    ("outdated", ("out-of-date database schema", "can't locate revision")),
    ("denied", ("error code 401", "error code 403", "unauthenticated", "permission_denied")),
    ("foreign", ("error code 404",)),
    (
        "unreachable",
        ("max retries exceeded", "connection refused", "timed out", "failed to resolve", "httpconnection"),
    ),
    ("full", ("no space left", "database or disk is full")),
)


def _symptom(text: str) -> str:
    lower = text.lower()
    for symptom, signs in _SYMPTOMS:
        if any(sign in lower for sign in signs):
            return symptom
    return ""


def _without_query(text: str) -> str:
    """Leave out the SQL and its values, which SQLAlchemy appends to what the database said."""
    text = text.partition(" [SQL: ")[0]
    return re.sub(r"^\(raised as a result of Query-invoked autoflush;[^)]*\) ", "", text)


def _cause(text: str) -> str:
    """Return the last of the causes that urllib3 nests in each other: `[Errno 111] Connection refused`."""
    _, nested, rest = text.partition("(Caused by ")
    if not nested:
        return text
    cause = rest.rstrip("'\")").rpartition(": ")[2]
    return cause + ")" * (cause.count("(") - cause.count(")"))


def without_password(text: str) -> str:
    """Return the text with the passwords of all URLs in it hidden."""
    return re.sub(r"(://[^/@:\s]*:)[^/\s]+@", r"\1***@", text)
