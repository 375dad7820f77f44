"""What somebody else does to the show through the official client is seen in a mount that has everything cached."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.clients import NotAvailable
from tests.mounts import Mounted, eventually, mounted
from tests.official import RELEASE, OfficialClient
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = [pytest.mark.mount, pytest.mark.timeout(400)]

NOTHING_EXPIRES = tuple(
    f"--{name}=1h" for name in ("list-timeout", "attr-timeout", "entry-timeout", "negative-timeout")
)
PROJECT = "demo"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("ayon", seed="demo") as running:
        running.switch(heartbeat=0.3)
        yield running


@pytest.fixture(scope="module")
def colleague(server: RunningSandbox) -> Iterator[OfficialClient]:
    try:
        client = OfficialClient(server)
    except NotAvailable as error:
        pytest.skip(f"{RELEASE} cannot be installed: {error}")
    with client:
        yield client


@pytest.fixture(scope="module")
def show(server: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with mounted(server.source, server.credential, tmp_path_factory.mktemp("live"), *NOTHING_EXPIRES) as found:
        assert eventually(lambda: listening(found))
        found.run("find . | xargs stat")
        yield found


def listening(show: Mounted) -> bool:
    """Whether the server has let the mount into its event stream."""
    return bool(show.status()["changes"]["counts"].get("gaps"))


def attribute(show: Mounted, path: str, name: str) -> str:
    return os.getxattr(show.path / path, f"user.ayon.{name}").decode()


@contextmanager
def by_events(show: Mounted, most: int) -> Iterator[None]:
    """What is waited for inside has come by events of the stream, and by nothing else, and has cost so many requests at
    most. Nothing else could tell: all that the mount has is good for an hour."""
    before, asked = dict(show.status()["changes"]["counts"]), show.requests()
    yield
    after = dict(show.status()["changes"]["counts"])
    lost = ("gaps", "broken")
    assert [after.get(name) for name in lost] == [before.get(name) for name in lost]
    assert sum(after.values()) - after.get("listed_again", 0) > sum(before.values()) - before.get("listed_again", 0)
    assert show.requests() - asked <= most


def id_of(show: Mounted, path: str) -> str:
    return attribute(show, path, "id")


def entries(show: Mounted, path: str) -> set[str]:
    return set(os.listdir(show.path / path))


def shows(show: Mounted, path: str, *names: str) -> bool:
    return set(names) <= entries(show, path)


def test_a_folder_that_is_made_renamed_moved_and_deleted(show: Mounted, colleague: OfficialClient) -> None:
    assert "sh0040" not in entries(show, "demo/shots/sq010")
    assert not (show.path / "demo/shots/sq010/sh0040").exists()
    sequence, shots = id_of(show, "demo/shots/sq010"), id_of(show, "demo/shots")
    with by_events(show, most=4):
        made = colleague.create_folder(PROJECT, "sh0040", folder_type="Shot", parent_id=sequence)
        assert eventually(lambda: shows(show, "demo/shots/sq010", "sh0040"))
        assert eventually(lambda: (show.path / "demo/shots/sq010/sh0040").is_dir())
    with by_events(show, most=4):
        colleague.update_folder(PROJECT, made, name="sh0050")
        assert eventually(lambda: "sh0040" not in entries(show, "demo/shots/sq010"))
        assert eventually(lambda: shows(show, "demo/shots/sq010", "sh0050"))
    with by_events(show, most=4):
        colleague.update_folder(PROJECT, made, parent_id=shots)
        assert eventually(lambda: shows(show, "demo/shots", "sh0050"))
        assert eventually(lambda: "sh0050" not in entries(show, "demo/shots/sq010"))
    with by_events(show, most=4):
        colleague.delete_folder(PROJECT, made)
        assert eventually(lambda: "sh0050" not in entries(show, "demo/shots"))
        assert eventually(lambda: not (show.path / "demo/shots/sh0050").exists())


def test_attributes_own_and_inherited(show: Mounted, colleague: OfficialClient) -> None:
    path = "demo/shots/sq010/sh0020"
    assert (attribute(show, path, "status"), attribute(show, path, "attrib.fps")) == ("Not ready", "24.0")
    here, above = id_of(show, path), id_of(show, "demo/shots/sq010")
    with by_events(show, most=4):
        colleague.update_folder(PROJECT, here, status="In progress", tags=["night"])
        assert eventually(lambda: attribute(show, path, "status") == "In progress")
        assert eventually(lambda: os.getxattr(show.path / path, "user.xdg.tags") == b"night")
    with by_events(show, most=4):
        colleague.update_folder(PROJECT, above, attrib={"fps": 48.0})
        assert eventually(lambda: attribute(show, path, "attrib.fps") == "48.0")


def upload(colleague: OfficialClient, tmp_path: Path, content: bytes) -> dict[str, Any]:
    """Bytes on the server, as an entry of a representation's files."""
    (tmp_path / "take.bin").write_bytes(content)
    place = str(tmp_path / "take.bin")
    made = colleague.upload_project_file(PROJECT, place, content_type="application/octet-stream")
    path = f"{{root[work]}}/{PROJECT}/take.bin"
    return {"id": made["id"], "name": "take.bin", "path": path, "size": len(content)}


def test_a_new_version_is_the_latest_and_its_bytes_are_read(
    show: Mounted, colleague: OfficialClient, tmp_path: Path
) -> None:
    product = "demo/assets/characters/hero/@products/lookMain"
    assert os.readlink(show.path / product / "latest") == "v001"
    assert (show.path / product / "latest" / "skin.png").read_bytes()
    version = colleague.create_version(PROJECT, 2, id_of(show, product))
    file = upload(colleague, tmp_path, b"second take")
    data = {"assetfs": {"store": "project-files", "v": 1}}
    made = colleague.create_representation(PROJECT, "bin", version, files=[file], data=data)
    assert eventually(lambda: shows(show, product, "v002"))
    assert eventually(lambda: os.readlink(show.path / product / "latest") == "v002")
    take = show.path / product / "latest" / "take.bin"
    assert eventually(lambda: take.exists() and take.read_bytes() == b"second take")
    file = upload(colleague, tmp_path, b"third take, longer")
    data["assetfs"]["rev"] = 1
    colleague.update_representation(PROJECT, made, files=[file], data=data)
    assert eventually(lambda: take.read_bytes() == b"third take, longer")
    assert eventually(lambda: take.stat().st_size == len(b"third take, longer"))
    colleague.delete_version(PROJECT, version)
    assert eventually(lambda: os.readlink(show.path / product / "latest") == "v001")
    assert eventually(lambda: "v002" not in entries(show, product))


def test_what_happened_while_the_line_was_dead(
    server: RunningSandbox, show: Mounted, colleague: OfficialClient
) -> None:
    props = id_of(show, "demo/assets/props")
    assert entries(show, "demo/assets/props")
    before = show.status()["changes"]["counts"].get("gaps", 0)
    server.switch(sockets=False)
    colleague.create_folder(PROJECT, "shield", parent_id=props)
    server.switch(sockets=True)
    assert eventually(lambda: show.status()["changes"]["counts"].get("gaps", 0) > before, seconds=60)
    assert eventually(lambda: shows(show, "demo/assets/props", "shield"))
