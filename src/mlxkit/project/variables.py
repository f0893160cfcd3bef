"""`${NAME}` in mlx.yaml: read from the environment or `.env` when used, never written anywhere expanded."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from mlxkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OF_STORES = ("MLFLOW_", "AWS_", "AZURE_", "GOOGLE_")
ENV_FILE = ".env"
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def read_dotenv(root: Path) -> dict[str, str]:
    """Read `.env` in the project's root; no file means no variables."""
    path = root / ENV_FILE
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    return {
        name: value for name, value in dotenv_values(path, interpolate=False).items() if value is not None
    }


def export_of_stores(root: Path) -> None:
    """Let what `.env` says of MLflow's server, and of where files are stored, count for this process too.

    The environment wins. Other variables are for stages and `${NAME}` alone.
    """
    for name, value in read_dotenv(root).items():
        if name.startswith(_OF_STORES):
            os.environ.setdefault(name, value)


def expand(text: str, root: Path, *, where: str) -> str:
    """Replace every `${NAME}`; the environment wins over `.env`.

    Raises:
        ConfigError: a name is set nowhere; `where` names the place that uses it.
    """
    if "${" not in text:
        return text
    known: Mapping[str, str] = {**read_dotenv(root), **os.environ}

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in known:
            raise ConfigError(
                f"'{name}' is not set, and {where} uses it",
                hint=f"add `{name}=…` to .env, or export it",
            )
        return known[name]

    return REFERENCE.sub(value, text)


def mask(text: str, root: Path) -> str:
    """Replace the values of `.env` in a text, so that it can be stored; very short values stay."""
    # The longest first: one value may be the beginning of another.
    for name, value in sorted(read_dotenv(root).items(), key=lambda item: -len(item[1])):
        if len(value) >= 4:
            text = text.replace(value, f"<{name}>")
    return text
