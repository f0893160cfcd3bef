"""GitHub and GitLab, through their REST interfaces: a job's pull request, its comment, and an issue.

What mlx writes there bears a mark that nobody sees, by which the next job finds it: so there is one comment
and one issue, which are brought up to date.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlxkit.errors import ToolError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECONDS = 30
_PAGE = 100


@dataclass(frozen=True)
class Posted:
    """What stands on the forge now.

    Attributes:
        url: where people read it.
        action: "created", "updated", "closed" or "unchanged".
    """

    url: str
    action: str


class Forge(Protocol):
    """A place where a repository is hosted, and people talk about it."""

    request: str
    """What it calls a branch that asks to be merged."""

    def request_of_job(self) -> int:
        """Return the number of the pull request that this job is for; UsageError where it is for none."""

    def comment(self, number: int, mark: str, body: str) -> Posted:
        """Write the one comment with this mark on a pull request, or bring it up to date."""

    def open_request(self, branch: str, base: str, title: str, body: str) -> Posted:
        """Open a pull request from a branch, or bring the text of the open one up to date."""

    def open_issue(self, mark: str, label: str, title: str, body: str) -> Posted:
        """Open the one issue with this mark, or bring its text up to date."""

    def close_issue(self, mark: str, label: str, body: str) -> Posted | None:
        """Close the open issue with this mark, with a last comment; None where there is none."""


def forge_of_job() -> Forge:
    """Return the forge that runs this job.

    Raises:
        UsageError: this is no job of GitHub Actions or GitLab CI, or it has no token.
    """
    from mlxkit.adapters.github import GitHub
    from mlxkit.adapters.gitlab import GitLab

    if os.environ.get("GITHUB_ACTIONS"):
        return GitHub(variable("GITHUB_TOKEN", "give it one: `env: {GITHUB_TOKEN: ${{ github.token }}}`"))
    if os.environ.get("GITLAB_CI"):
        way = "give it one: a masked CI/CD variable with a project access token of the scope `api`"
        return GitLab(variable("GITLAB_TOKEN", way))
    raise UsageError(
        "this is no job of GitHub Actions or GitLab CI",
        hint="leave --comment, --pull-request or --issue away",
    )


def comes_from_a_fork() -> bool:
    """Whether this job is for a request from somebody else's copy, which gets no secrets."""
    told = (event_of_job().get("pull_request") or {}).get("head") or {}
    github = (told.get("repo") or {}).get("full_name"), os.environ.get("GITHUB_REPOSITORY")
    gitlab = tuple(os.environ.get(f"CI_MERGE_REQUEST_{which}PROJECT_ID") for which in ("SOURCE_", ""))
    return any(source and source != target for source, target in (github, gitlab))


def event_of_job() -> dict[str, Any]:
    """Return what started a job of GitHub Actions; elsewhere nothing."""
    file = os.environ.get("GITHUB_EVENT_PATH")
    event: dict[str, Any] = json.loads(Path(file).read_bytes()) if file and Path(file).is_file() else {}
    return event


@dataclass(frozen=True)
class Server:
    """One project on a forge's REST interface; `rights` says how a job gets the rights that it lacks."""

    url: str
    headers: Mapping[str, str]
    rights: str

    def send(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> Any:
        """Call the interface and return its answer.

        Raises:
            ToolError: the server is away, or refuses.
        """
        # requests is imported only where a job talks to its forge.
        import requests

        url = f"{self.url}{path}"
        try:
            answer = requests.request(method, url, headers=self.headers, json=document, timeout=_SECONDS)
        except requests.RequestException as error:
            raise ToolError(
                f"{url.split('?')[0]} does not answer",
                context=[type(error).__name__],
                hint="run the job again, once the server is there",
            ) from error
        if answer.ok:
            try:
                return answer.json()
            except requests.JSONDecodeError as error:
                raise ToolError(
                    f"{url.split('?')[0]} answers with something else than JSON",
                    context=[" ".join(answer.text.split())[:300]],
                    hint="look whether a proxy or a login page answers in its place",
                ) from error
        denied = answer.status_code in (401, 403, 404)
        raise ToolError(
            f"{method} {url.split('?')[0]} was refused: {answer.status_code} {answer.reason}",
            context=[" ".join(answer.text.split())[:300]] if answer.text else [],
            hint=self.rights if denied else "run the job again with --debug",
        )

    def all(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield what a list holds, page by page."""
        joint = "&" if "?" in path else "?"
        page = 1
        while entries := self.send("GET", f"{path}{joint}per_page={_PAGE}&page={page}"):
            yield from entries
            if len(entries) < _PAGE:
                return
            page += 1


def variable(name: str, way: str = "run the job again: the runner sets it") -> str:
    """Return a variable of the job; UsageError where it is not set."""
    value = os.environ.get(name)
    if not value:
        raise UsageError(f"the job has no {name}", hint=way)
    return value


def no_request(what: str) -> UsageError:
    """Say that a job is for no pull request."""
    return UsageError(
        f"this job is for no {what}",
        hint=f"run it for a {what}, or `mlx report --markdown` to print the report",
    )


def marked(body: str, mark: str, longest: int) -> str:
    """Return a text of at most so many characters with a mark at its end, as the forge keeps it."""
    return f"{cut(body, longest)}\n{mark}\n"


def cut(body: str, longest: int) -> str:
    """Return a text of at most so many characters, cut at the end of a line."""
    if len(body) <= longest:
        return body
    return f"{body[:longest].rpartition(chr(10))[0]}\n\n(cut here, since a forge takes no more)\n"
