"""The sandbox answers as the real AYON server did, step by step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.recordings import Player, load
from tests.sandboxes import start_sandbox

STEPS = load("ayon")
NAMES = [f"{number:03d} {step.name}" for number, step in enumerate(STEPS)]
HEADS_BELIEVED = 1.0  # seconds; the real server believes them for 20


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    with start_sandbox("ayon", seed="empty") as running:
        running.switch(head_cache=HEADS_BELIEVED)
        facts = {"credential": running.credential, "project": running.info["project"]}
        player = Player(STEPS, running.root_url, facts)
        with player.client:
            yield player


@pytest.mark.parametrize("number", range(len(STEPS)), ids=NAMES)
def test_it_answers_as_the_real_one_did(player: Player, number: int) -> None:
    assert player.reach(number) is None
