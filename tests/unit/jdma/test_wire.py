"""Documents of the protocol, its refusals, and what must never leave with a request."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from assetfs.backends.jdma.client import Client
from assetfs.backends.jdma.errors import AlreadyTaken, BackEndAway, NotInitialised, StageUnseen, refusal
from assetfs.backends.jdma.settings import Account, account, settled, with_secret
from assetfs.backends.jdma.wire import Batch, Contents, Request, adler32, time_ns
from assetfs.repository import (
    Busy,
    Forbidden,
    NotAuthenticated,
    NotFound,
    ProtocolViolation,
    QuotaExceeded,
    Unavailable,
    Unsupported,
    ValueRejected,
)
from assetfs.transport import TransportOptions

REFUSALS = [
    (403, "User x not initialised yet.  Run jdma.py init first.", NotInitialised),
    (403, "User fred does not have permission to request batch 1", Forbidden),
    (403, "User x cannot edit this batch as they do not own it!", Forbidden),
    (
        403,
        "User: fred has insufficient quota remaining for workspace: W for external storage: Elastic Tape",
        QuotaExceeded,
    ),
    (403, "Batch stage is: PUTTING.  Cannot retrieve (GET) until stage is ON_STORAGE", Busy),
    (403, "Batch stage is: DELETED.  Cannot retrieve (GET) until stage is ON_STORAGE", NotFound),
    (403, "Duplicate DELETE request made: batch: 1", Busy),
    (404, "'list' object has no attribute 'first'", AlreadyTaken),
    (404, "Path /a does not existPath /b does not exist", StageUnseen),
    (404, "Path /stage/put/0/insufficient quota does not exist", StageUnseen),
    (404, "Parent of target path /a/b does not exist: /a", StageUnseen),
    (404, "'error'", BackEndAway),
    (404, "External storage: elastictape not connecting.  Reason is: R", BackEndAway),
    (404, "External storage: ftp does not exist", ValueRejected),
    (404, "Required credentials for: objectstore not supplied", ValueRejected),
    (404, "Batch not found", NotFound),
    (404, "Request not found.", NotFound),
    (404, "Workspace not found.", NotFound),
    (404, "Requested file list contains zero files that belong to batch 1", ProtocolViolation),
    (404, "something new", ValueRejected),
    (405, "something new", Unsupported),
]


@pytest.mark.parametrize(("status", "text", "kind"), REFUSALS)
def test_refusals_are_told_apart_by_their_texts(status: int, text: str, kind: type[Exception]) -> None:
    error = refusal(status, json.dumps({"error": text}).encode(), "GET")
    assert type(error) is kind


def test_no_refusal_repeats_what_the_server_repeats() -> None:
    text = "Required credentials for: objectstore not supplied  Supplied credentials: {'access_key': 'hush'}."
    for status in (403, 404, 500):
        assert "hush" not in str(refusal(status, json.dumps({"error": text}).encode(), "PUT"))
    assert "hush" not in str(refusal(418, b"hush", "PUT"))


def test_a_page_in_the_place_of_an_answer() -> None:
    assert type(refusal(500, b"<html>", "GET")) is Unavailable
    assert type(refusal(404, b"<html>", "GET")) is ProtocolViolation


def test_documents_as_they_come() -> None:
    answer = b"""{"migrations": [{"migration_id": 1, "user": "fred", "workspace": "demo", "label": null, "storage": "x",
      "archives": [{"archive_id": "archive_0000000001", "pk": 1, "size": 5, "limit": 0, "digest": "not packed",
      "files": [{"pk ": 3, "path": "/a/b", "size": 0, "digest": "0x0", "digest_format": "ADLER32"}]}]}]}"""
    (content,) = msgspec.json.decode(answer, type=Contents).migrations
    assert content.archives[0].files[0].pk == 3
    batch = msgspec.json.decode(
        b'{"migration_id": 1, "user": "f", "workspace": "d", "label": null, "stage": 2, "storage": "e"}', type=Batch
    )
    assert batch.on_storage
    assert batch.registered_date is None
    assert str(Request(id=18, request_type=1, batch=2, stage=102)) == "18 GET GETTING"
    assert str(Request(id=18, request_type=9, batch=2, stage=777)) == "18 9 777"


def test_times_and_digests() -> None:
    assert time_ns("2026-11-21T05:15:08.890347+00:00") == 1795238108890347000
    assert time_ns(None) is None
    assert time_ns("yesterday") is None
    assert adler32("0x845021e") == 0x845021E
    assert adler32("845021e") is None
    assert adler32("0x123456789") is None


def test_credentials_are_always_an_object_of_texts() -> None:
    client = Client("http://localhost/", TransportOptions(), "fred", {"objectstore": {"access_key": "a", "n": 3}})  # type: ignore[dict-item]
    assert client.credentials("elastictape") == {"username": "fred"}
    assert client.credentials("objectstore") == {"access_key": "a"}


def test_the_official_clients_file(tmp_path: Path) -> None:
    place = tmp_path / "jdma.json"
    assert account(place) == Account()
    place.write_text(
        '{"version": "1", "storage": {"objectstore": {"required_credentials": {"access_key": "k"}}}, '
        '"default_gws": "demo"}'
    )
    found = account(place)
    assert (found.credentials, found.default_gws) == ({"objectstore": {"access_key": "k"}}, "demo")
    place.write_text("no json, hush")
    with pytest.raises(Unsupported) as refused:
        account(place)
    assert "hush" not in str(refused.value)


def test_a_mounts_credential_is_that_of_the_storage() -> None:
    found = with_secret(Account(), "objectstore", '{"access_key": "k", "secret_key": "s"}')
    assert found.credentials == {"objectstore": {"access_key": "k", "secret_key": "s"}}
    assert with_secret(Account(), None, "") == Account()
    for bad in ("hush", "[]", '{"a": 1}', "null"):
        with pytest.raises(NotAuthenticated) as refused:
            with_secret(Account(), None, bad)
        assert "hush" not in str(refused.value)


def test_options_are_settled() -> None:
    given = settled({"workspaces": "a, b,,", "scope": "workspace", "commit": "idle:1h", "stage": "/x/../y"})
    assert given.workspaces == ("a", "b")
    assert given.everybody
    assert given.commit_idle == 3600.0
    assert given.stage == Path("/y")
    assert settled({}).commit_idle is None
