"""Registered models: versions, the aliases that name them, and where their files lie."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mlxkit.adapters.mlflow_errors import error_code
from mlxkit.adapters.mlflow_store import Store, as_default, connect, talking
from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow import MlflowClient

_LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]+)")
_MAX_TAG = 5000
_MODEL_ID = "mlx.model_id"
"""Tag of a version in a registry apart: its model in the tracking store."""
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class Version:
    """One version of a registered model.

    Attributes:
        version: its number, as text.
        run_id: of the run that trained it; None when it was registered without one.
        model_id: of the logged model; None when it was registered from elsewhere.
        source: MLflow URI of the model's files.
        aliases: sorted.
    """

    model: str
    version: str
    run_id: str | None
    model_id: str | None
    source: str
    created: datetime
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


def champion(store: Store, model: str, alias: str) -> Version | None:
    """Return the version that an alias names; None when there is no such model or alias yet."""
    with talking(store, f"read '{model}@{alias}' from the model registry"), _absent_is_none():
        return _version(connect(store).get_model_version_by_alias(model, alias))
    return None


def get_version(store: Store, model: str, version: str) -> Version | None:
    """Return a version by its number, or None."""
    with talking(store, f"read '{model}' version {version} from the model registry"), _absent_is_none():
        return _version(connect(store).get_model_version(model, version))
    return None


def versions(store: Store, model: str) -> tuple[Version, ...]:
    """Return all versions of a model, newest first; () when it is not registered."""
    with talking(store, f"list the versions of '{model}'"):
        client = connect(store)
        # A search leaves the aliases out.
        aliases = _aliases(client, model)
        found = []
        token: str | None = None
        while True:
            page = client.search_model_versions(f"name = '{model}'", page_token=token)
            found += [_version(entry, aliases) for entry in page]
            token = page.token
            if not token:
                break
    return tuple(sorted(found, key=lambda version: int(version.version), reverse=True))


def register(
    store: Store,
    model: str,
    *,
    run_id: str,
    model_id: str,
    tags: Mapping[str, str] | None = None,
    description: str = "",
) -> Version:
    """Return the version of a logged model, which is created first unless there is one. Moves no alias."""
    source = f"models:/{model_id}"
    existing = next((v for v in versions(store, model) if v.model_id == model_id), None)
    if existing is not None:
        set_version_tags(store, existing, tags or {})
        return get_version(store, model, existing.version) or existing
    with talking(store, f"register a version of '{model}'"), as_default(store):
        from mlflow.exceptions import MlflowException

        client = connect(store)
        if store.registry is not None:
            # It may not know this tracking store, so it is told where the files are.
            source = client.get_logged_model(model_id).artifact_location
        try:
            client.create_registered_model(model)
        except MlflowException as error:
            if error_code(error) != "RESOURCE_ALREADY_EXISTS":
                raise
        created = client.create_model_version(
            model,
            source,
            run_id=run_id,
            tags=_cut({**(tags or {}), **({_MODEL_ID: model_id} if store.registry is not None else {})}),
            description=description or None,
            # A server takes no source without it.
            model_id=model_id if store.registry is None else None,
        )
        return _version(created)


def set_version_tags(store: Store, version: Version, tags: Mapping[str, str]) -> None:
    """Set tags of a version."""
    with talking(store, f"tag version {version.version} of '{version.model}'"):
        client = connect(store)
        for key, value in _cut(tags).items():
            client.set_model_version_tag(version.model, version.version, key, value)


def delete_version_tag(store: Store, version: Version, key: str) -> None:
    """Delete a tag of a version."""
    with talking(store, f"tag version {version.version} of '{version.model}'"):
        connect(store).delete_model_version_tag(version.model, version.version, key)


def delete_version(store: Store, version: Version) -> None:
    """Delete a version; the model's files stay."""
    with talking(store, f"delete version {version.version} of '{version.model}'"):
        connect(store).delete_model_version(version.model, version.version)


def registry_id(store: Store, model: str) -> str:
    """Return what tells one registry of a model from another: when the model was first registered in it."""
    with talking(store, f"read '{model}' from the model registry"):
        return str(connect(store).get_registered_model(model).creation_timestamp)


def set_alias(store: Store, model: str, alias: str, version: str) -> None:
    """Let an alias name a version, from now on."""
    with talking(store, f"move the alias '{alias}' of '{model}'"):
        connect(store).set_registered_model_alias(model, alias, version)


def download(store: Store, version: Version) -> Path:
    """Return the folder that holds the version's model: the stored one itself where it is on this machine.

    Files from elsewhere are fetched once, to `.mlx/models`.

    Raises:
        ToolError: the files are not where the store says.
    """
    if version.model_id is not None:
        return download_model(store, version.model_id)
    with talking(store, f"fetch version {version.version} of '{version.model}'"), as_default(store):
        location = connect(store).get_model_version_download_uri(version.model, version.version)
        return _here(store, str(location), f"models:/{version.model}/{version.version}")


def download_model(store: Store, model_id: str) -> Path:
    """Return the folder of a logged model, registered or not, as `download` does."""
    with talking(store, f"fetch the model '{model_id}'"), as_default(store):
        location = connect(store).get_logged_model(model_id).artifact_location
        return _here(store, str(location), f"models:/{model_id}")


def _here(store: Store, location: str, uri: str) -> Path:
    """Return the local folder of a model, which is fetched once if `location` is elsewhere."""
    local = local_path(location)
    if local is None:
        return _fetched(store, uri)
    if not local.is_dir():
        raise ToolError(
            f"the files of the model '{uri}' are gone",
            context=[f"'{local}' does not exist", "was the project's folder moved, or 'mlruns' cleared?"],
            hint="run `mlx doctor --fix`",
        )
    return local


def _fetched(store: Store, uri: str) -> Path:
    from mlflow import artifacts

    folder = store.root / ".mlx" / "models" / re.sub(r"[^\w-]+", "-", uri.removeprefix("models:/"))
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as partial:
            fetched = Path(partial) / "model"
            artifacts.download_artifacts(artifact_uri=uri, dst_path=str(fetched), tracking_uri=store.uri)
            # Another process may have been faster; the folders are equal.
            with suppress(OSError):
                fetched.rename(folder)
    return folder


def local_path(location: str) -> Path | None:
    """Return the path of an artifact location that is a folder of this machine, else None."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(location) if not parts.scheme else None


@contextmanager
def _absent_is_none() -> Iterator[None]:
    """Swallow MLflow's answer that there is no such model, version or alias."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error_code(error) not in _ABSENT:
            raise


def _aliases(client: MlflowClient, model: str) -> Mapping[str, tuple[str, ...]]:
    with _absent_is_none():
        found: dict[str, tuple[str, ...]] = {}
        for alias, version in sorted(client.get_registered_model(model).aliases.items()):
            found[str(version)] = (*found.get(str(version), ()), alias)
        return found
    return {}


def _version(entry: Any, aliases: Mapping[str, tuple[str, ...]] | None = None) -> Version:
    match = _LOGGED_MODEL.fullmatch(entry.source or "")
    number = str(entry.version)
    return Version(
        model=entry.name,
        version=number,
        run_id=entry.run_id or None,
        model_id=match[1] if match else (entry.model_id or dict(entry.tags).get(_MODEL_ID)),
        source=entry.source or "",
        created=datetime.fromtimestamp(entry.creation_timestamp / 1000, UTC),
        aliases=tuple(sorted(entry.aliases)) if aliases is None else aliases.get(number, ()),
        tags=dict(entry.tags),
        description=entry.description or "",
    )


def _cut(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value[:_MAX_TAG] for key, value in tags.items()}
