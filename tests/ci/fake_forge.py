"""The REST interfaces of GitHub and GitLab on this machine, as far as mlx uses them."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

Entry = dict[str, Any]
OURS = 77
BY_A_JOB: Entry = {"user": {"type": "Bot"}, "author": {"id": OURS}}
BY_A_PERSON: Entry = {"user": {"type": "User"}, "author_association": "NONE", "author": {"id": 1}}


@dataclass
class FakeForge:
    """What people would see there.

    Attributes:
        denied: part of a path that the token may not write to.
    """

    url: str = ""
    issues: list[Entry] = field(default_factory=list)
    requests: list[Entry] = field(default_factory=list)
    comments: dict[int, list[Entry]] = field(default_factory=dict)
    denied: str | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def answer(self, method: str, path: str, query: dict[str, str], sent: Entry) -> tuple[int, Any]:
        """Return status and document."""
        self.calls.append((method, path))
        if method != "GET" and self.denied is not None and self.denied in path:
            return 403, {"message": "Resource not accessible by integration"}
        if path == "/api/v4/user":
            return 200, {"id": OURS}
        path = re.sub(r"^/repos/team/cells|^/api/v4/projects/42", "", path)
        path = path.replace("/merge_requests", "/pulls").replace("/notes", "/comments")
        match re.findall(r"[a-z]+|\d+", path):
            case ["issues" | "pulls", number, "comments"] if method == "GET":
                return 200, self._page(self.comments.get(int(number), []), query)
            case ["issues" | "pulls", number, "comments"]:
                known = self.comments.setdefault(int(number), [])
                entry = {
                    **BY_A_JOB,
                    "id": 100 + len(known),
                    "html_url": f"{self.url}/c{number}",
                    "body": sent["body"],
                }
                known.append(entry)
                return 201, entry
            case ["issues", "comments", comment] | ["pulls", _, "comments", comment]:
                entry = next(e for es in self.comments.values() for e in es if e["id"] == int(comment))
                entry["body"] = sent["body"]
                return 200, entry
            case [("issues" | "pulls") as kind]:
                entries = self.issues if kind == "issues" else self.requests
                if method == "GET":
                    return 200, self._page([e for e in entries if _is_asked(e, query)], query)
                return 201, self._add(entries, sent)
            case [("issues" | "pulls") as kind, number]:
                entries = self.issues if kind == "issues" else self.requests
                entry = next(e for e in entries if e["number"] == int(number))
                entry.update(sent)
                if sent.get("state_event") == "close" or sent.get("state") == "closed":
                    entry["state"] = "closed"
                return 200, entry
        return 404, {"message": "Not Found"}

    def _add(self, entries: list[Entry], sent: Entry) -> Entry:
        number = 1 + len(self.issues) + len(self.requests)
        page = f"{self.url}/{number}"
        entry = {
            **BY_A_JOB,
            "number": number,
            "iid": number,
            "html_url": page,
            "web_url": page,
            "state": "open",
            **sent,
        }
        entries.append(entry)
        return entry

    @staticmethod
    def _page(entries: list[Entry], query: dict[str, str]) -> list[Entry]:
        size, page = int(query["per_page"]), int(query["page"])
        return entries[size * (page - 1) : size * page]


def _is_asked(entry: Entry, query: dict[str, str]) -> bool:
    labels = entry.get("labels") or []
    head = query.get("head", "").partition(":")[2] or query.get("source_branch")
    base = query.get("base") or query.get("target_branch")
    return (
        entry["state"] == "open"
        and ("labels" not in query or query["labels"] in labels)
        and (head is None or head == "" or head in (entry.get("head"), entry.get("source_branch")))
        and (base is None or base in (entry.get("base"), entry.get("target_branch")))
    )


@contextlib.contextmanager
def forge() -> Iterator[FakeForge]:
    """Serve one at a free port."""
    state = FakeForge()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            length = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(length)) if length else {}
            state.tokens.add(self.headers.get("PRIVATE-TOKEN") or self.headers.get("Authorization") or "")
            status, document = state.answer(self.command, unquote(parts.path), query, sent)
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do

        def log_message(self, *_: Any) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
