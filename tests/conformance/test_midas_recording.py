"""The sandbox answers as the real Midas Server did, step by step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.recordings import Player, load
from tests.sandboxes import start_sandbox

RECORDINGS = {name: load(name) for name in ("midas", "midas.extra")}
CASES = [
    pytest.param(name, number, id=f"{name} {number:03d} {step.name}")
    for name, steps in RECORDINGS.items()
    for number, step in enumerate(steps)
]


@pytest.fixture(scope="module")
def player_of() -> Iterator[dict[str, Player]]:
    with start_sandbox("midas") as first, start_sandbox("midas") as second:
        played = {
            name: Player(steps, server.root_url, {"credential": server.credential, "email": server.info["email"]})
            for (name, steps), server in zip(RECORDINGS.items(), (first, second), strict=True)
        }
        yield played
        for player in played.values():
            player.client.close()


@pytest.mark.parametrize(("recording", "number"), CASES)
def test_the_sandbox_answers_as_the_real_server_did(player_of: dict[str, Player], recording: str, number: int) -> None:
    assert player_of[recording].reach(number) is None
