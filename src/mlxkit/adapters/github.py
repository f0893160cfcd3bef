"""GitHub, as a job of GitHub Actions reaches it through the REST interface."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlxkit.adapters.forge import Posted, Server, cut, event_of_job, marked, no_request, variable

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 65_000
"""How many characters a text may have there, with room for a mark."""


class GitHub:
    """A repository on GitHub, as a job of GitHub Actions reaches it."""

    request = "pull request"

    def __init__(self, token: str) -> None:
        repository = variable("GITHUB_REPOSITORY")
        self._owner = repository.partition("/")[0]
        self._server = Server(
            f"{os.environ.get('GITHUB_API_URL', 'https://api.github.com')}/repos/{repository}",
            {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
            "let the job have `permissions: {contents: write, pull-requests: write, issues: write}`, and in "
            "the repository's settings, under Actions, let Actions create pull requests",
        )

    def request_of_job(self) -> int:
        """Return the number of the request that this job is for; UsageError where it is for none."""
        named = re.fullmatch(r"refs/pull/(\d+)/\w+", os.environ.get("GITHUB_REF", ""))
        if named:
            return int(named[1])
        number = (event_of_job().get("pull_request") or {}).get("number")
        if number is None:
            raise no_request(self.request)
        return int(number)

    def comment(self, number: int, mark: str, body: str) -> Posted:
        """Write the one comment with this mark, or bring it up to date."""
        text = marked(body, mark, _LONGEST)
        for known in self._server.all(f"/issues/{number}/comments"):
            if mark in (known.get("body") or "") and _is_ours(known):
                done = self._server.send("PATCH", f"/issues/comments/{known['id']}", {"body": text})
                return Posted(done["html_url"], "updated")
        done = self._server.send("POST", f"/issues/{number}/comments", {"body": text})
        return Posted(done["html_url"], "created")

    def open_request(self, branch: str, base: str, title: str, body: str) -> Posted:
        """Open a request to merge a branch, or bring the text of the open one up to date."""
        text = cut(body, _LONGEST)
        head = quote(f"{self._owner}:{branch}")
        for known in self._server.all(f"/pulls?state=open&base={quote(base)}&head={head}"):
            done = self._server.send("PATCH", f"/pulls/{known['number']}", {"title": title, "body": text})
            return Posted(done["html_url"], "updated")
        asked = {"title": title, "head": branch, "base": base, "body": text}
        return Posted(self._server.send("POST", "/pulls", asked)["html_url"], "created")

    def open_issue(self, mark: str, label: str, title: str, body: str) -> Posted:
        """Open the one issue with this mark, or bring its text up to date."""
        asked = {"title": title, "body": marked(body, mark, _LONGEST)}
        known = self._issue(mark, label)
        if known is not None:
            done = self._server.send("PATCH", f"/issues/{known['number']}", asked)
            return Posted(done["html_url"], "updated")
        done = self._server.send("POST", "/issues", {**asked, "labels": [label]})
        return Posted(done["html_url"], "created")

    def close_issue(self, mark: str, label: str, body: str) -> Posted | None:
        """Close the open issue with this mark, with a last comment; None where there is none."""
        known = self._issue(mark, label)
        if known is None:
            return None
        self._server.send("POST", f"/issues/{known['number']}/comments", {"body": body})
        done = self._server.send("PATCH", f"/issues/{known['number']}", {"state": "closed"})
        return Posted(done["html_url"], "closed")

    def _issue(self, mark: str, label: str) -> dict[str, Any] | None:
        known = self._server.all(f"/issues?state=open&labels={quote(label)}")
        return next((i for i in known if mark in (i.get("body") or "") and _is_ours(i)), None)


def _is_ours(entry: Mapping[str, Any]) -> bool:
    """Whether a job or somebody of the repository wrote it; anybody may write a mark."""
    kind = (entry.get("user") or {}).get("type")
    return kind == "Bot" or entry.get("author_association") in ("OWNER", "MEMBER", "COLLABORATOR")
