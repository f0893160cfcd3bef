"""GitLab, as a job of GitLab CI reaches it through the REST interface."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlxkit.adapters.forge import Posted, Server, cut, marked, no_request, variable

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 900_000
"""How many characters a text may have there, with room for a mark."""


class GitLab:
    """A project on GitLab, as a job of GitLab CI reaches it."""

    request = "merge request"

    def __init__(self, token: str) -> None:
        self._server = Server(
            f"{variable('CI_API_V4_URL')}/projects/{quote(variable('CI_PROJECT_ID'), safe='')}",
            {"PRIVATE-TOKEN": token},
            "let GITLAB_TOKEN be a project access token with the scope `api` and the role Developer",
        )

    def request_of_job(self) -> int:
        """Return the number of the request that this job is for; UsageError where it is for none."""
        number = os.environ.get("CI_MERGE_REQUEST_IID")
        if not number:
            raise no_request(self.request)
        return int(number)

    def comment(self, number: int, mark: str, body: str) -> Posted:
        """Write the one comment with this mark, or bring it up to date."""
        asked = {"body": marked(body, mark, _LONGEST)}
        page = f"{os.environ.get('CI_PROJECT_URL', '')}/-/merge_requests/{number}#note_"
        notes = f"/merge_requests/{number}/notes"
        for known in self._server.all(notes):
            if mark in (known.get("body") or "") and self._is_ours(known):
                done = self._server.send("PUT", f"{notes}/{known['id']}", asked)
                return Posted(f"{page}{done['id']}", "updated")
        return Posted(f"{page}{self._server.send('POST', notes, asked)['id']}", "created")

    def open_request(self, branch: str, base: str, title: str, body: str) -> Posted:
        """Open a request to merge a branch, or bring the text of the open one up to date."""
        asked = {"title": title, "description": cut(body, _LONGEST)}
        query = f"state=opened&source_branch={quote(branch, safe='')}&target_branch={quote(base, safe='')}"
        for known in self._server.all(f"/merge_requests?{query}"):
            done = self._server.send("PUT", f"/merge_requests/{known['iid']}", asked)
            return Posted(done["web_url"], "updated")
        asked |= {"source_branch": branch, "target_branch": base}
        done = self._server.send("POST", "/merge_requests", {**asked, "remove_source_branch": True})
        return Posted(done["web_url"], "created")

    def open_issue(self, mark: str, label: str, title: str, body: str) -> Posted:
        """Open the one issue with this mark, or bring its text up to date."""
        asked = {"title": title, "description": marked(body, mark, _LONGEST)}
        known = self._issue(mark, label)
        if known is not None:
            done = self._server.send("PUT", f"/issues/{known['iid']}", asked)
            return Posted(done["web_url"], "updated")
        done = self._server.send("POST", "/issues", {**asked, "labels": label})
        return Posted(done["web_url"], "created")

    def close_issue(self, mark: str, label: str, body: str) -> Posted | None:
        """Close the open issue with this mark, with a last comment; None where there is none."""
        known = self._issue(mark, label)
        if known is None:
            return None
        self._server.send("POST", f"/issues/{known['iid']}/notes", {"body": body})
        done = self._server.send("PUT", f"/issues/{known['iid']}", {"state_event": "close"})
        return Posted(done["web_url"], "closed")

    def _issue(self, mark: str, label: str) -> dict[str, Any] | None:
        known = self._server.all(f"/issues?state=opened&labels={quote(label)}")
        return next((i for i in known if mark in (i.get("description") or "") and self._is_ours(i)), None)

    def _is_ours(self, entry: Mapping[str, Any]) -> bool:
        """Whether this token's user wrote it; anybody may write a mark."""
        return bool((entry.get("author") or {}).get("id") == self._user)

    @cached_property
    def _user(self) -> int:
        """The id of the token's user."""
        whoami = Server(f"{variable('CI_API_V4_URL')}/user", self._server.headers, self._server.rights)
        return int(whoami.send("GET", "")["id"])
