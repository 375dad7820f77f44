"""The sandbox answers as the real SAMS servers did, step by step: the API, then the file server on what that left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.recordings import Player, Step, load
from tests.sandboxes import RunningSandbox, start_sandbox

API, FILES, LIMITS = load("sams"), load("sams_files"), load("sams_limits")
LEFT_BEHIND = {  # ids that the recording of the API chose, by what the file server's recording calls them
    "usable_set": "5a00000000000000000000a1",
    "other_set": "5a00000000000000000000a2",
    "closed_set": "5a00000000000000000000a6",
    "public_asset": "5b0000000000000000000002",
    "picture_asset": "5b0000000000000000000006",
    "draft_asset": "5b0000000000000000000003",
    "closed_asset": "5b0000000000000000000001",
    "unnamable_asset": "5b0000000000000000000005",
}


def _named(steps: list[Step]) -> list[str]:
    return [f"{number:03d} {step.name}" for number, step in enumerate(steps)]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("sams", seed="empty") as running:
        yield running


@pytest.fixture(scope="module")
def api(server: RunningSandbox) -> Iterator[Player]:
    facts = {"credential": server.credential, "file_server_url": server.info["file_server_url"]}
    player = Player(API, server.root_url, facts)
    with player.client:
        yield player


@pytest.fixture(scope="module")
def files(server: RunningSandbox, api: Player) -> Iterator[Player]:
    api.reach(len(API) - 1)
    player = Player(FILES, server.info["file_server_url"], dict(LEFT_BEHIND))
    with player.client:
        yield player


@pytest.fixture(scope="module")
def limits() -> Iterator[Player]:
    with start_sandbox("sams", seed="empty") as running:
        player = Player(LIMITS, running.root_url, {"credential": running.credential})
        with player.client:
            yield player


@pytest.mark.parametrize("number", range(len(API)), ids=_named(API))
def test_the_api_answers_as_the_real_one_did(api: Player, number: int) -> None:
    assert api.reach(number) is None


@pytest.mark.parametrize("number", range(len(FILES)), ids=_named(FILES))
def test_the_file_server_answers_as_the_real_one_did(files: Player, number: int) -> None:
    assert files.reach(number) is None


@pytest.mark.parametrize("number", range(len(LIMITS)), ids=_named(LIMITS))
def test_answers_end_where_the_real_ones_did(limits: Player, number: int) -> None:
    assert limits.reach(number) is None
