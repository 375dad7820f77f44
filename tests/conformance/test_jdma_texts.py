"""Every refusal that the protocol knows, word by word: texts, dots, statuses, and what of a request comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.jdma import Jdma, tree
from tests.sandboxes import start_sandbox

BASE = "/jdma_control/api/v1/"
UNKNOWN = "User nobody-else not initialised yet.  Run jdma.py init first"
SLASHED = ("migration", "file", "archive", "list_backends")
ALLOWED = {
    "user": "GET, POST, PUT, HEAD, OPTIONS",
    "request": "GET, POST, HEAD, OPTIONS",
    "migration/": "GET, PUT, HEAD, OPTIONS",
    "file/": "GET, HEAD, OPTIONS",
    "archive/": "GET, HEAD, OPTIONS",
}
PAGE = "<html>"
"""The framework's page instead of JSON."""


@pytest.fixture(scope="module")
def user() -> Iterator[Jdma]:
    with start_sandbox("jdma") as running:
        yield Jdma(running)


@pytest.fixture(scope="module")
def batch(user: Jdma) -> int:
    return user.batch(tree(user.stage / "texts", a_txt="alpha\n", sub__b_txt="beta\n"), label="texts")


def answer(user: Jdma, method: str, path: str, query: dict[str, Any], body: Any = None) -> tuple[int, Any]:
    found = user.http.request(method, path, params=query, **({} if body is None else {"json": body}))
    html = found.headers.get("content-type", "").startswith("text/html")
    return found.status_code, PAGE if html else found.json()


def test_refusals_of_users(user: Jdma) -> None:
    me = user.name
    rows: list[tuple[str, dict[str, Any], Any, int, Any]] = [
        ("GET", {}, None, 404, {"error": "No name supplied"}),
        ("GET", {"name": ""}, None, 404, {"name": "", "error": "Error with name parameter."}),
        ("GET", {"name": "nobody-else"}, None, 403, {"name": "nobody-else", "error": f"{UNKNOWN}."}),
        ("POST", {}, {"email": "x"}, 404, {"error": "No name supplied"}),
        ("POST", {}, {"name": "x", "a": 1}, 404, {"name": "x", "a": 1, "error": "No email supplied"}),
        (
            "POST",
            {},
            {"name": me, "email": "x"},
            403,
            {"name": me, "email": "x", "error": "JDMA already initialized for this user."},
        ),
        ("PUT", {}, {"email": "x"}, 404, {"error": "No name supplied."}),
        ("PUT", {"name": me}, {"email": ""}, 404, {"email": "", "error": "No email supplied."}),
        ("PUT", {"name": "nobody-else"}, {"a": 1}, 403, {"a": 1, "error": f"{UNKNOWN}."}),
        ("PUT", {"name": me}, {"notify": []}, 500, PAGE),
        ("PUT", {"name": me}, {"email": "x" * 257}, 500, PAGE),
    ]
    for method, query, body, status, expected in rows:
        assert answer(user, method, "user", query, body) == (status, expected), (method, query, body)


@pytest.mark.parametrize(
    ("path", "one", "many"),
    [
        ("request", "list requests", "list requests"),
        ("migration/", "view batches", "view batches"),
        ("file/", "view files", "list files"),
        ("archive/", "list archives", "list requests"),
    ],
)
def test_refusals_of_listings(user: Jdma, batch: int, path: str, one: str, many: str) -> None:
    me, other, home = user.name, user.server.info["other"], user.workspace
    key = "request_id" if path == "request" else "migration_id"
    missing = "Request not found." if path == "request" else "Batch not found."
    words = "User does not have permission to {} in the workspace"
    number = user.made(0)[0]["request_id"] if path == "request" else batch
    rows: list[tuple[dict[str, Any], int, Any]] = [
        ({}, 404, {"error": "No name supplied."}),
        ({"name": me, key: 99}, 404, {"error": missing, key: 99, "name": me}),
        ({"name": me, key: "x"}, 500, PAGE),
        ({"name": me, key: 1 << 40}, 404, {"error": missing, key: 1 << 40, "name": me}),
        ({"name": me, "workspace": "no"}, 404, {"error": "Workspace not found.", "name": me, "workspace": "no"}),
        (
            {"name": me, "filter": "workspace"},
            404,
            {"error": "No workspace supplied and filter=workspace.", "name": me},
        ),
        (
            {"name": me, "workspace": other, "filter": "workspace"},
            403,
            {"error": words.format(many), "workspace": other, "name": me},
        ),
        ({"name": "mallory", key: number}, 403, {"error": words.format(one), "workspace": home, "name": "mallory"}),
    ]
    for query, status, expected in rows:
        assert answer(user, "GET", path, query) == (status, expected), query
    listed = answer(user, "GET", path, {"name": "mallory"})
    assert listed == (200, {"requests" if path == "request" else "migrations": []})
    assert answer(user, "GET", path, {"name": me, "filter": "mine"})[0] == 200
    assert answer(user, "GET", path, {"name": me, "workspace": home, "filter": "workspace"})[0] == 200
    if path in ("file/", "archive/"):
        assert answer(user, "GET", path, {"name": me, "limit": "x"}) == (500, PAGE)
        status, body = answer(user, "GET", path, {"name": me, "migration_id": batch, "limit": -1})
        assert (status, body["error"]) == (404, "Batch not found.")


def test_refusals_of_labels(user: Jdma, batch: int) -> None:
    me, mine = user.name, {"name": user.name, "migration_id": batch}
    owner = "User mallory cannot edit this batch as they do not own it!"
    rows: list[tuple[dict[str, Any], Any, int, Any]] = [
        ({"migration_id": batch}, {"label": "x"}, 404, {"error": "No name supplied."}),
        ({"name": me}, {"label": "x"}, 404, {"error": "No batch id supplied."}),
        ({"name": me, "migration_id": 99}, {}, 404, {"error": "Batch not found.", "migration_id": 99, "name": me}),
        ({"name": me, "migration_id": "x"}, {"label": "x"}, 500, PAGE),
        (
            {"name": "mallory", "migration_id": batch},
            {},
            403,
            {"error": owner, "migration_id": batch, "name": "mallory"},
        ),
        (mine, {"label": ""}, 404, {"label": "", "error": "No label supplied."}),
        (mine, {}, 200, {}),
        (mine, {"stage": 3}, 200, {"stage": 3}),
        (mine, {"label": None}, 200, {"label": None}),
        (mine, {"label": "x" * 1025}, 500, PAGE),
        (mine, {"label": "a/b é 日"}, 200, {"label": "a/b é 日"}),
    ]
    for query, body, status, expected in rows:
        assert answer(user, "PUT", "migration/", query, body) == (status, expected), (query, body)
    assert user.ask("migration/", migration_id=batch)["label"] == "a/b é 日"
    assert user.ask("migration/", label="a/b é 日")["migration_id"] == batch


def refused(user: Jdma, body: dict[str, Any], status: int, error: str, *, bare: bool = False) -> None:
    """A request is refused, and comes back with its credentials blanked."""
    whole = {"name": user.name, "credentials": {"username": user.name, "k": "secret"}, **body}
    whole = {key: value for key, value in whole.items() if value is not ...}
    echo = {} if bare else {**whole, **({"credentials": {}} if "credentials" in whole else {})}
    assert answer(user, "POST", "request", {}, whole) == (status, {**echo, "error": error}), body


def test_refusals_of_requests(user: Jdma, batch: int) -> None:
    stranger = "nobody-else"
    for body, status, error in (
        ({"name": ..., "request_type": "PUT"}, 404, "No name supplied"),
        ({"name": stranger, "request_type": "PUT"}, 403, UNKNOWN),
        ({"name": stranger, "request_type": "PUT", "credentials": ...}, 403, UNKNOWN),
        ({}, 404, "No request type supplied"),
        ({"request_type": "COPY"}, 404, "Invalid request method"),
        ({"request_type": None}, 404, "Invalid request method"),
        ({"request_type": "get"}, 404, "Invalid request method"),
    ):
        refused(user, body, status, error)
    assert user.http.post("request", content=b"{").status_code == 500
    assert user.http.post("request", content=b"[]").status_code == 500


@pytest.mark.parametrize("kind", ["PUT", "MIGRATE"])
def test_refusals_of_uploads_in_their_order(user: Jdma, kind: str) -> None:
    folder = str(tree(user.stage / f"refused-{kind}", a_txt="a"))
    good = {
        "request_type": kind,
        "workspace": user.workspace,
        "filelist": [folder],
        "label": "l",
        "storage": "elastictape",
    }
    nowhere = [f"{user.stage}/no", "/etc/hostname-not"]
    other, first = user.server.info["other"], "'list' object has no attribute 'first'"
    required = "Required credentials for: objectstore"
    given = f"{{'username': '{user.name}', 'k': 'secret'}}"
    rows: list[tuple[dict[str, Any], int, str, bool]] = [
        ({"workspace": ..., "filelist": ...}, 404, "No workspace supplied", False),
        ({"workspace": "W", "filelist": ...}, 404, "Workspace W has no associated groupworkspace quota set", False),
        ({"filelist": ..., "label": ...}, 404, "No directory path or filelist supplied", False),
        ({"filelist": [], "label": ...}, 404, "Filelist is empty", False),
        ({"label": ..., "storage": ...}, 404, first, False),
        ({"storage": ..., "filelist": nowhere}, 404, "External storage not specified in PUT / MIGRATE request", False),
        (
            {"storage": "ftp", "filelist": nowhere},
            404,
            f"Path {nowhere[0]} does not existPath {nowhere[1]} does not exist",
            False,
        ),
        ({"storage": "ftp", "workspace": other}, 404, "External storage: ftp does not exist", True),
        (
            {"storage": "objectstore", "workspace": other},
            404,
            f"{required} not supplied  {required} are: access_key, secret_key.  Supplied credentials: {given}.",
            True,
        ),
        (
            {"storage": "objectstore", "workspace": other, "credentials": {"access_key": "a", "secret_key": "s"}},
            404,
            f"External storage: objectstore has not been attached to the groupworkspace: {other}",
            False,
        ),
        (
            {"workspace": other},
            403,
            f"User: {user.name} does not have write permissions or the workspace: {other} does not exist for external"
            " storage: Elastic Tape",
            False,
        ),
    ]
    for changes, status, error, bare in rows:
        refused(user, {**good, **changes}, status, error, bare=bare)
    taken = user.put(folder, kind=kind)
    assert (taken.status_code, taken.json()["error"], taken.json()["request_type"]) == (
        200,
        "",
        {"PUT": 0}.get(kind, 2),
    )
    refused(user, good, 404, first)


def test_refusals_of_retrievals_in_their_order(user: Jdma, batch: int) -> None:
    target = f"{user.stage}/nowhere"
    (listed, *_) = user.files(batch)
    good = {"request_type": "GET", "migration_id": batch, "target_path": target, "filelist": [listed]}
    parent = f"{user.stage}/no/such/parent"
    closed = tree(user.stage / "closed")
    closed.chmod(0o555)
    for changes, error in (
        ({"migration_id": ..., "target_path": ...}, "No batch id supplied"),
        ({"migration_id": 999999, "target_path": ...}, "Batch not found"),
        ({"migration_id": None}, "Batch not found"),
        ({"target_path": ..., "filelist": ["x"]}, "Target path not supplied"),
        ({"target_path": None}, "Target path not supplied"),
        (
            {"target_path": parent, "filelist": ["x"]},
            f"Parent of target path {parent} does not exist: {user.stage}/no/such",
        ),
        ({"filelist": ["/other/a.txt"]}, f"Requested file list contains zero files that belong to batch {batch}"),
    ):
        refused(user, {**good, **changes}, 404, error)
    denied = f"User {user.name} does not have write permission to the directory: {closed}/t"
    refused(user, {**good, "target_path": f"{closed}/t", "filelist": ["x"]}, 403, denied)
    user.server.switch(passes=0)
    try:
        early = user.put(tree(user.stage / "early", a_txt="a")).json()["batch_id"]
        stage = "Batch stage is: ON_DISK.  Cannot retrieve (GET) until stage is ON_STORAGE"
        refused(user, {**good, "migration_id": early, "target_path": ...}, 403, stage)
    finally:
        user.server.switch(passes=-1)


def test_refusals_of_deletions_in_their_order(user: Jdma) -> None:
    number = user.batch(tree(user.stage / "deleted", a_txt="a"), label="deleted")
    good = {"request_type": "DELETE", "migration_id": number, "storage": "elastictape"}
    member = user.server.info["member"]
    user.http.post("user", json={"name": member, "email": "m"})
    for changes, status, error in (
        ({"migration_id": ..., "storage": ...}, 404, "No batch id supplied"),
        ({"migration_id": None, "storage": ...}, 404, "Batch not found"),
        ({"storage": ...}, 404, "'storage'"),
        ({"name": member}, 403, f"User {member} does not have permission to delete batch: {number}"),
    ):
        refused(user, {**good, **changes}, status, error)
    taken = user.delete(number).json()
    assert (taken["request_type"], taken["stage"], taken["label"]) == (3, 200, "deleted")
    refused(user, good, 403, f"Duplicate DELETE request made: batch: {number}")


def test_methods_and_slashes(user: Jdma) -> None:
    for path, allowed in ALLOWED.items():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - set(allowed.split(", ")):
            found = user.http.request(method, path)
            assert (found.status_code, found.headers["allow"]) == (405, allowed), (method, path)
        options = user.http.options(path)
        assert (options.status_code, options.headers["allow"], options.content) == (200, allowed, b"")
        head, get = user.http.head(path, params={"name": user.name}), user.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
        assert user.get(f"{path}anything/else").status_code == 200
    for path in SLASHED:
        for method in ("GET", "POST", "PUT", "DELETE"):
            found = user.http.request(method, f"{path}?name=a%20b&x=%2F")
            where = f"{BASE}{path}/?name=a%20b&x=%2F"
            assert (found.status_code, found.headers["location"], found.content) == (301, where, b""), (method, path)
    storages = {"elastictape": "Elastic Tape", "objectstore": "Object Store"}
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert user.http.request(method, "list_backends/").json() == storages
    assert user.get("nothing").status_code == 404
    assert user.get("user").headers["content-type"] == "application/json"
