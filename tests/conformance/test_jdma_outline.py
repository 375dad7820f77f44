"""The steps that a client goes through with a JDMA server, over plain HTTP: there is no official client to install.

The same steps pass against the real server. They are one story: each needs what the one before has left.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.jdma import DONE, Jdma, below, tree
from tests.sandboxes import start_sandbox

CONTENTS = {"text.txt": b"hello\n", "empty.bin": b"", "sub dir/naïve 日本.txt": b"nested\n"}


@pytest.fixture(scope="module")
def user() -> Iterator[Jdma]:
    with start_sandbox("jdma") as server:
        yield Jdma(server)


@pytest.fixture(scope="module")
def source(user: Jdma) -> Path:
    folder = tree(user.stage / "batch one")
    for name, content in CONTENTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def batch(user: Jdma, source: Path) -> int:
    accepted = user.put(source, label="one")
    assert accepted.status_code == 200
    answer = accepted.json()
    assert (answer["stage"], answer["request_type"], answer["error"], answer["credentials"]) == (0, 0, "", {})
    again = user.put(source, label="one")
    assert (again.status_code, again.json()["error"]) == (404, "'list' object has no attribute 'first'")
    user.wait(answer["request_id"], DONE["PUT"])
    return int(answer["batch_id"])


def test_users_are_created_once_and_edited(user: Jdma) -> None:
    fresh = {"name": "newcomer", "email": "n@example.org"}
    assert user.http.post("user", json=fresh).status_code == 200
    assert user.http.post("user", json=fresh).status_code == 403
    assert user.http.post("user", json={"name": "another"}).status_code == 404
    assert user.http.get("user", params={"name": "newcomer"}).json() == {**fresh, "notify": True}
    assert user.http.get("user", params={"name": "stranger"}).status_code == 403
    edited = user.http.put("user", params={"name": "newcomer"}, json={"notify": False})
    assert edited.json() == {**fresh, "notify": False}
    assert user.http.put("user", params={"name": "newcomer"}, json={"email": ""}).status_code == 404


def test_storages_take_one_redirect(user: Jdma) -> None:
    first = user.http.get("list_backends")
    assert (first.status_code, first.content) == (301, b"")
    storages = {"elastictape": "Elastic Tape", "objectstore": "Object Store"}
    assert user.http.get("list_backends", follow_redirects=True).json() == storages


def test_what_is_not_there_or_not_allowed_is_refused(user: Jdma) -> None:
    assert user.get("migration/", workspace="nowhere").status_code == 404
    assert user.get("migration/", filter="workspace").status_code == 404
    assert user.get("migration/", workspace=user.server.info["other"], filter="workspace").status_code == 403
    assert user.get("migration/", migration_id=999999).status_code == 404
    assert user.get("request", request_id=999999).status_code == 404


def test_uploads_are_checked(user: Jdma, source: Path) -> None:
    missing = user.put(user.stage / "missing")
    assert (missing.status_code, missing.json()["error"]) == (404, f"Path {user.stage}/missing does not exist")
    assert user.put().status_code == 404
    assert user.put(source, storage="ftp").json() == {"error": "External storage: ftp does not exist"}
    assert user.put(source, workspace=user.server.info["other"]).status_code == 403


def test_a_retrieval_waits_for_the_upload(user: Jdma) -> None:
    user.server.switch(passes=0)
    accepted = user.put(tree(user.stage / "slow", a_txt="a"), label="slow").json()
    early = user.retrieve(accepted["batch_id"], user.stage / "early")
    user.server.switch(passes=-1)
    assert early.status_code == 403
    assert early.json()["error"].startswith("Batch stage is: ON_DISK.")
    user.wait(accepted["request_id"], DONE["PUT"])


def test_a_batch_is_listed(user: Jdma, source: Path, batch: int) -> None:
    found = user.ask("migration/", migration_id=batch)
    assert (found["stage"], type(found["external_id"])) == (2, str)
    digests = {"text.txt": "0x845021e", "empty.bin": "0x0"}
    listed = user.files(batch)
    assert {path: size for path, (size, _) in listed.items()} == {
        f"{source}/{name}": len(content) for name, content in CONTENTS.items()
    }
    assert all(listed[f"{source}/{name}"][1] == digest for name, digest in digests.items())
    archives = user.ask("archive/", migration_id=batch)["migrations"][0]["archives"]
    assert [archive["archive_id"] for archive in archives] == [f"archive_{archive['pk']:010d}" for archive in archives]
    limited = user.ask("file/", migration_id=batch, limit=1)["migrations"][0]["archives"]
    assert [len(archive["files"]) for archive in limited] == [1]
    changed = user.http.put("migration/", params={"name": user.name, "migration_id": batch}, json={"label": "two"})
    assert changed.json() == {"label": "two"}
    assert user.ask("migration/", migration_id=batch)["label"] == "two"


def test_a_part_comes_back(user: Jdma, source: Path, batch: int) -> None:
    assert user.retrieve(batch, user.stage / "none", "nothing.txt", folder=source).status_code == 404
    assert user.post("GET", migration_id=batch, target_path=None).status_code == 404
    assert user.retrieve(batch, user.stage / "no" / "parent").status_code == 404
    target = user.stage / "part"
    nested = "sub dir/naïve 日本.txt"
    accepted = user.retrieve(batch, target, nested, "sub dir", folder=source).json()
    assert (accepted["stage"], accepted["filelist"]) == (100, [nested, "sub dir"])
    finished = user.wait(accepted["request_id"], DONE["GET"])
    assert below(target) == {nested: CONTENTS[nested]}
    assert "target_path" not in finished


def test_a_batch_is_deleted_once(user: Jdma, batch: int) -> None:
    assert user.post("DELETE", migration_id=None, storage="elastictape").status_code == 404
    accepted = user.delete(batch)
    assert (accepted.status_code, accepted.json()["stage"]) == (200, 200)
    assert user.delete(batch).status_code == 403
    user.wait(accepted.json()["request_id"], DONE["DELETE"])
    assert user.stage_of(batch) == 5
    assert len(user.files(batch)) == len(CONTENTS)


def test_listings_have_what_a_terminal_shows(user: Jdma, batch: int) -> None:
    [row] = [row for row in user.ask("migration/")["migrations"] if row["migration_id"] == batch]
    assert (row["label"][:16], row["registered_date"][4]) == ("two", "-")
    assert {type(row["stage"]) for row in user.ask("request")["requests"]} == {int}
    [shown] = user.ask("file/", migration_id=batch, digest=0)["migrations"]
    assert shown["archives"][0]["files"][0].keys() == {"pk ", "path", "size", "digest", "digest_format"}


def test_bodies_are_json_whatever_they_say_to_be(user: Jdma) -> None:
    body = json.dumps({"name": "plain", "email": "p@example.org"}).encode()
    assert user.http.post("user", content=body, headers={"Content-Type": "text/plain"}).status_code == 200
    chunked = httpx.post(f"{user.server.url}/api/v1/user", content=iter([body]), trust_env=False)
    assert (chunked.status_code, chunked.headers["content-type"].split(";")[0]) == (500, "text/html")
