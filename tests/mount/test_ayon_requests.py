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


HERO = "demo/assets/characters/hero"
MODEL, LOOK = f"{HERO}/@products/modelMain", f"{HERO}/@products/lookMain"
QUERY = "POST graphql"
BUDGET: tuple[tuple[str, str, dict[str, int]], ...] = (
    ("the projects", "ls -l", {"GET project": 1}),
    ("first touch of a project, and its folders", "ls -l demo", {"GET project": 1, "GET roots": 1, QUERY: 1}),
    ("a folder", f"ls -l {HERO}", {}),
    ("its products, and their versions with them", f"ls -l {HERO}/@products", {QUERY: 1}),
    ("a product", f"ls -l {MODEL}", {}),
    ("a version", f"ls -l {MODEL}/v001", {QUERY: 1}),
    ("the versions beside it", f"ls -l {MODEL}/v002 {MODEL}/v003", {}),
    ("everything in the project", "find demo", {QUERY: 3}),
    ("everything, again", "find demo", {}),
    ("attributes of all in a folder", f"getfattr -d {HERO}/@products/*", {QUERY: 2}),
    ("attributes of all in a folder, again", f"getfattr -d {HERO}/@products/*", {}),
    ("a file at a root", f"cat {MODEL}/v001/*", {}),
    (
        "a file on the server, its place and its bytes",
        f"cat {LOOK}/v001/skin.png",
        {"GET file": 1, "GET payload": 1},
    ),
    ("a file on the server, again", f"cat {LOOK}/v001/skin.png", {}),
    ("links of many", f"getfattr -n user.ayon.links {MODEL}/v00* {MODEL}/@hero", {QUERY: 2}),
    ("attributes of one", f"getfattr -d {HERO}", {QUERY: 1}),
    ("one of them set, and read back", f"setfattr -n user.ayon.label -v Hero {HERO}", {"PATCH entity": 1, QUERY: 1}),
    (
        "two files published: held, sent, looked after, made, held by the version; a look before, one after, and one "
        "for what an earlier mount has left",
        f"cd {MODEL} && mkdir next.draft && echo a >next.draft/a.abc && echo b >next.draft/b.ma && mv next.draft next",
        {"POST activity": 2, "POST upload": 2, "GET file": 2, "POST operations": 1, "DELETE activity": 1, QUERY: 4},
    ),
)
"""Section 9, row by row, in the order in which somebody works: what, how, and at most how many requests of which kind.
A mount is above, polling and a project of thousands of folders are in tests/contract/ayon."""


def test_the_budget(server: RunningSandbox, show: Mounted) -> None:
    spent = {}
    for what, command, _ in BUDGET:
        server.forget()
        show.run("sh", "-c", f"{command}; true")
        spent[what] = dict(server.requests()["kinds"])
    over = {
        what: spent[what]
        for what, _, budget in BUDGET
        if any(count > budget.get(kind, 0) for kind, count in spent[what].items())
    }
    assert not over
    assert (show.path / MODEL / "latest").is_dir()
    assert spent[BUDGET[-1][0]]["POST operations"] == 1


def test_find_costs_the_same_however_many_folders_there_are(server: RunningSandbox, show: Mounted) -> None:
    """How it grows is in tests/contract/ayon/test_walking.py."""
    spent = cost(server, show, "find demo")
    assert spent.pop("POST graphql") <= 7
    assert sum(spent.values()) == 3
    assert cost(server, show, "find demo") == {}
