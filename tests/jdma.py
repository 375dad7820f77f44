"""A second JDMA client for tests: the wire in a few words, and what is on the disk that all share."""

from __future__ import annotations

import itertools
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from tests.sandboxes import RunningSandbox

DONE = {"PUT": 9, "MIGRATE": 9, "GET": 106, "DELETE": 204}
FAILED, FAILED_COMPLETED = 1000, 1001
ENDED = (*DONE.values(), FAILED, FAILED_COMPLETED)
DEADLINE = 30.0
STEADY = 20
"""Looks at a request, 20 ms apart and more, after which it is taken to stay where it is."""
_numbers = itertools.count(1)


class Jdma:
    """One user of a JDMA sandbox. Its calls are in the server's log."""

    def __init__(self, server: RunningSandbox, name: str | None = None) -> None:
        self.server = server
        self.name: str = name or server.info["name"]
        self.workspace: str = server.info["workspace"]
        self.stage = Path(server.info["stage"])
        self.http = httpx.Client(base_url=f"{server.url}/api/v1/", timeout=60, trust_env=False)

    def get(self, path: str, **query: Any) -> httpx.Response:
        """GET as this user."""
        return self.http.get(path, params={"name": self.name, **query})

    def ask(self, path: str, **query: Any) -> dict[str, Any]:
        """The same, of which the answer has to be good."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def post(self, kind: str, **fields: Any) -> httpx.Response:
        """POST a request as this user."""
        body = {"name": self.name, "request_type": kind, "credentials": {"username": self.name}, **fields}
        return self.http.post("request", json=body)

    def put(self, *folders: Path | str, label: str | None = "batch", kind: str = "PUT", **more: Any) -> httpx.Response:
        """Put folders."""
        fields = {"workspace": self.workspace, "filelist": [str(path) for path in folders], "label": label}
        return self.post(kind, **{**fields, "storage": "elastictape", **more})

    def retrieve(self, batch: int, target: Path | str, *names: str, folder: Path | None = None) -> httpx.Response:
        """Get names below the folder that was put, or everything."""
        files = [f"{folder}/{name}" for name in names] or None
        return self.post("GET", migration_id=batch, target_path=str(target), filelist=files)

    def delete(self, batch: int) -> httpx.Response:
        """Delete a batch."""
        return self.post("DELETE", migration_id=batch, storage="elastictape")

    def batch(self, folder: Path, **more: Any) -> int:
        """Put a folder, wait until it is on tape. Returns the batch's id."""
        accepted = self.put(folder, **more).json()
        self.wait(accepted["request_id"], DONE["PUT"])
        return int(accepted["batch_id"])

    def upload(self, files: Mapping[str, bytes], label: str | None = "run", **more: Any) -> int:
        """Put a new folder with these files, wait until it is on tape. Returns the batch's id."""
        folder = tree(tree(self.stage / "uploads") / f"{next(_numbers)}")
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        return self.batch(tree(folder), label=label, **more)

    def relabel(self, batch: int, label: str | None) -> httpx.Response:
        """Give a batch another label."""
        return self.http.put("migration/", params={"name": self.name, "migration_id": batch}, json={"label": label})

    def new_stage(self) -> Path:
        """A new folder on the shared disk, fit for a mount's stage."""
        folder = tree(self.stage / f"stage-{next(_numbers)}")
        folder.chmod(0o700)
        return folder

    def request(self, number: int) -> dict[str, Any]:
        """A request in detail."""
        return self.ask("request", request_id=number)

    def stage_of(self, batch: int) -> int:
        """The stage of a batch."""
        return int(self.ask("migration/", migration_id=batch)["stage"])

    def wait(self, request: int, stage: int) -> dict[str, Any]:
        """Wait until a request is at a stage. Returns it."""
        deadline = time.monotonic() + DEADLINE
        while (found := self.request(request))["stage"] != stage:
            assert time.monotonic() < deadline, f"stays at {found['stage']}: {found.get('failure_reason')}"
            time.sleep(0.02)
        return found

    def ended(self, request: int) -> dict[str, Any]:
        """Wait until a request has come to an end, good or bad. Returns it."""
        deadline = time.monotonic() + DEADLINE
        while (found := self.request(request))["stage"] not in ENDED:
            assert time.monotonic() < deadline, f"stays at {found['stage']}"
            time.sleep(0.02)
        return found

    def made(self, kind: int) -> list[dict[str, Any]]:
        """This user's requests of a type that the server remembers."""
        return [one for one in self.ask("request")["requests"] if one["request_type"] == kind]

    def settled(self, request: int) -> int:
        """The stage that a request stays at for a while."""
        seen = [self.request(request)["stage"]]
        deadline = time.monotonic() + DEADLINE
        while seen[-STEADY:] != [seen[-1]] * STEADY:
            assert time.monotonic() < deadline
            time.sleep(0.02)
            seen.append(self.request(request)["stage"])
        return int(seen[-1])

    def files(self, batch: int) -> dict[str, tuple[int, str]]:
        """Size and digest by absolute path."""
        listed = self.ask("file/", migration_id=batch, digest=0)["migrations"][0]["archives"]
        return {row["path"]: (row["size"], row["digest"]) for archive in listed for row in archive["files"]}


def tree(folder: Path, **contents: str | bytes) -> Path:
    """Make a folder with files, whose names have `__` for a slash and `_` for a dot, owned as its parent is."""
    owner = folder.parent.stat()
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
    return folder


def below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def named(server: RunningSandbox) -> Iterator[tuple[str, str]]:
    """Every path that any POST has named, with the request type."""
    place = Path(server.info["data"]) / "jdma.sqlite"
    with closing(sqlite3.connect(f"{place.as_uri()}?mode=ro", timeout=30, uri=True)) as db:
        yield from db.execute("SELECT call, path FROM named ORDER BY id")


def books(server: RunningSandbox, query: str, *values: Any) -> list[sqlite3.Row]:
    """What an administrator does to the server's own database, or reads in it."""
    with closing(sqlite3.connect(Path(server.info["data"]) / "jdma.sqlite", timeout=30)) as db, db:
        db.row_factory = sqlite3.Row
        return db.execute(query, values).fetchall()
