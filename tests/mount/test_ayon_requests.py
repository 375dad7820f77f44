"""What looking at a mounted show costs the server, counted on its side. Requests do not depend on the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mounts import Mounted, eventually, mounted
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = [pytest.mark.mount, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("ayon", seed="demo") as running:
        running.switch(heartbeat=0.3)
        yield running


@pytest.fixture
def show(server: RunningSandbox, tmp_path: Path) -> Iterator[Mounted]:
    server.forget()
    with mounted(server.source, server.credential, tmp_path / "home") as found:
        assert eventually(lambda: found.status()["changes"]["counts"].get("gaps"))
        yield found


def cost(server: RunningSandbox, show: Mounted, command: str) -> dict[str, int]:
    """The requests that a command in the mount takes."""
    server.forget()
    show.run(command)
    return dict(server.requests()["kinds"])


def test_a_mount_takes_four(server: RunningSandbox, show: Mounted) -> None:
    """Who am I, what are you; and once more who I am, without which the WebSocket would not know the key."""
    assert server.requests()["kinds"] == {"GET user": 2, "GET info": 1, "GET socket": 1}


def test_looking_around(server: RunningSandbox, show: Mounted) -> None:
    """A listing takes one query at most; what it brought is not asked for again, nor what lies beside it."""
    assert cost(server, show, "ls -l") == {"GET project": 1}
    first = cost(server, show, "ls -l demo")
    assert first.pop("POST graphql") == 1
    assert sum(first.values()) == 2  # the project itself, and its roots
    product = "demo/assets/characters/hero/@products/modelMain"
    for depth in range(2, 7):
        place = "/".join(product.split("/")[:depth])
        assert cost(server, show, f"ls -l {place}").get("POST graphql", 0) <= 1, place
    assert cost(server, show, f"ls -l {product}/v001").get("POST graphql", 0) <= 1
    assert cost(server, show, f"ls -l {product}/v002; ls -lR demo/assets/characters/hero/@products/modelMain") == {}


def test_files_on_the_studios_storage_cost_nothing(server: RunningSandbox, show: Mounted) -> None:
    place = "demo/assets/characters/hero/@products/modelMain/v001"
    show.run(f"ls -l {place}")
    assert cost(server, show, f"cat {place}/*") == {}


def test_a_file_on_the_server_costs_a_redirect_and_its_bytes(server: RunningSandbox, show: Mounted) -> None:
    place = "demo/assets/characters/hero/@products/lookMain/v001"
    show.run(f"ls -l {place}")
    assert cost(server, show, f"cat {place}/skin.png") == {"GET file": 1, "GET payload": 1}
    assert cost(server, show, f"cat {place}/skin.png") == {}


def test_find_costs_the_same_however_many_folders_there_are(server: RunningSandbox, show: Mounted) -> None:
    """How it grows is in tests/contract/ayon/test_walking.py."""
    spent = cost(server, show, "find demo")
    assert spent.pop("POST graphql") <= 7
    assert sum(spent.values()) == 3
    assert cost(server, show, "find demo") == {}
