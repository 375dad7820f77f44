"""What the real SAMS server asks of Elasticsearch, answered from SQLite: `python -m tests.live.sams_search PORT`.

Queries are run by the sandbox's own code, so this says nothing about queries; it lets everything else of the real
server's code answer.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from assetfs.sandbox.sams import query, search
from assetfs.sandbox.sams.documents import SCHEMA, merged

Answer = tuple[int, Any]


class Index:
    """One index over all assets."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.row_factory = sqlite3.Row
        self.db.executescript(SCHEMA)
        query.prepare(self.db)
        self.aliases: dict[str, str] = {}
        self.turn = threading.Lock()

    def answer(self, method: str, path: list[str], body: dict[str, Any]) -> Answer:
        """One request: the path in its parts."""
        if not path:
            return 200, {"version": {"number": "7.10.2"}}
        if "_alias" in path:
            return self._alias(method, path)
        if len(path) == 1:
            known = path[0] in self.aliases or path[0] in self.aliases.values()
            return (200 if method == "PUT" or known else 404), {}
        index, kind, *rest = path
        if kind == "_doc":
            return self._document(method, rest[0], body)
        if kind == "_update":
            return self._update(rest[0], body["doc"])
        if kind == "_search":
            return self._search(body)
        return 200, {index: {"mappings": {}, "settings": {"index": {}}}}

    def _alias(self, method: str, path: list[str]) -> Answer:
        if method == "PUT":
            self.aliases[path[-1]] = path[0]
        name = path[-1]
        return (200, {self.aliases[name]: {}}) if name in self.aliases else (404, {"status": 404})

    def _document(self, method: str, number: str, body: dict[str, Any]) -> Answer:
        row = self.db.execute("SELECT view FROM asset WHERE id = ?", (number,)).fetchone()
        if method == "GET":
            return (200 if row else 404), {"_id": number, "found": bool(row), "_source": row and json.loads(row[0])}
        if method == "DELETE":
            self.db.execute("DELETE FROM asset WHERE id = ?", (number,))
            return (200 if row else 404), {"_id": number}
        view = json.dumps({**body, "_id": number})
        self.db.execute("INSERT OR REPLACE INTO asset (id, doc, view) VALUES (?, '{}', ?)", (number, view))
        return 201, {"_id": number, "result": "created"}

    def _update(self, number: str, changes: dict[str, Any]) -> Answer:
        row = self.db.execute("SELECT view FROM asset WHERE id = ?", (number,)).fetchone()
        if row is None:
            return 404, {"error": "document_missing_exception"}
        view = json.dumps(merged(json.loads(row[0]), changes))
        self.db.execute("UPDATE asset SET view = ? WHERE id = ?", (view, number))
        return 200, {"_id": number, "result": "updated"}

    def _search(self, body: dict[str, Any]) -> Answer:
        call: Any = SimpleNamespace(documents=SimpleNamespace(db=self.db), query={})
        where, values = query.translated(body.get("query") or {"match_all": {}})
        size, start = int(body.get("size", 10)), int(body.get("from", 0))
        if start + size > search.WINDOW:
            raise query.Failed
        total = self.db.execute(f"SELECT count(*) FROM asset WHERE {where}", values).fetchone()[0]
        order, after = search._order(call, body)
        rows = self.db.execute(
            f"SELECT id, view FROM asset WHERE {where} AND {after[0]} ORDER BY {order[0]} LIMIT ? OFFSET ?",
            [*values, *after[1], *order[1], size, start],
        ).fetchall()
        chosen = search._chosen(body.get("_source", True))
        hits = []
        for number, view in rows:
            source = {name: value for name, value in json.loads(view).items() if name != "_id"}
            kept = source if chosen is None else {name: source[name] for name in chosen if name in source}
            hits.append({"_id": number, "_source": kept})
        answer: dict[str, Any] = {"hits": {"total": {"value": min(total, search.WINDOW)}, "hits": hits}}
        wanted = body.get("aggs") or body.get("aggregations") or {}
        found = {name: search._aggregated(call, one, where, values) for name, one in wanted.items()}
        return 200, answer | ({"aggregations": found} if found else {})


class Handler(BaseHTTPRequestHandler):
    """HTTP for the index."""

    protocol_version = "HTTP/1.1"
    index = Index()

    def log_message(self, *_: object) -> None:
        return

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = [unquote(part) for part in urlsplit(self.path).path.split("/") if part]
        given = json.loads(body) if body else {}
        if "_source" in (asked := parse_qs(urlsplit(self.path).query)):
            given.setdefault("_source", asked["_source"][0].split(","))
        try:
            with self.index.turn:
                status, answer = self.index.answer(self.command, path, given)
        except query.Malformed as error:
            status, answer = 400, {"error": {"type": "parsing_exception", "reason": str(error)}, "status": 400}
        except query.Failed:
            status, answer = 400, {"error": {"type": "search_phase_execution_exception"}, "status": 400}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
    setattr(Handler, f"do_{method}", Handler._handle)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
