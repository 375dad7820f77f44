"""The sandbox answers as the real JDMA did, step by step, and its workers leave on disk what the real ones left.

The recordings are of workers that are root; an ordinary user's have to answer alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conformance.recordings import Player, lay_out, load
from tests.mounts import WHOEVER, User
from tests.sandboxes import start_sandbox

RECORDINGS = {name: load(name) for name in ("jdma", "jdma.extra")}
FACTS = ("name", "member", "workspace", "other", "stage")
CASES = [
    pytest.param(name, number, id=f"{name} {number:03d} {step.name}")
    for name, steps in RECORDINGS.items()
    for number, step in enumerate(steps)
]


@pytest.fixture(scope="module", params=["whoever tests", "an ordinary user"])
def player_of(request: pytest.FixtureRequest, ordinary_user: User) -> Iterator[dict[str, Player]]:
    user = WHOEVER if request.param == "whoever tests" else ordinary_user
    if user is WHOEVER and request.param == "an ordinary user":
        pytest.skip("whoever tests is one")
    with ExitStack() as stack:
        players = {}
        for name, steps in RECORDINGS.items():
            server = stack.enter_context(start_sandbox("jdma", user=None if user is WHOEVER else user))
            lay_out(name, Path(server.info["stage"]))
            players[name] = Player(steps, server.root_url, {fact: server.info[fact] for fact in FACTS})
            stack.enter_context(players[name].client)
        yield players


@pytest.mark.parametrize(("recording", "number"), CASES)
def test_the_sandbox_answers_as_the_real_server_did(player_of: dict[str, Player], recording: str, number: int) -> None:
    assert player_of[recording].reach(number) is None
