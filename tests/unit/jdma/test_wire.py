"""Documents of the protocol, and what must never leave with a request."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from assetfs.backends.jdma.client import Client
from assetfs.backends.jdma.settings import Account, account, settled, with_secret
from assetfs.backends.jdma.wire import Batch, Contents, Request, adler32, time_ns
from assetfs.repository import (
    NotAuthenticated,
    Unsupported,
)
from assetfs.transport import TransportOptions


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
