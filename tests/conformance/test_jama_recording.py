"""The sandbox answers as the real Jama server did, step by step, and refuses what is no answer of that server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.patterns import difference, filled
from tests.conformance.recordings import Player, Step, load
from tests.sandboxes import start_sandbox

STEPS = load("jama")


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    with start_sandbox("jama", seed="empty") as server:
        played = Player(server.root_url, {"credential": server.credential, "project": server.info["project"]})
        with played.client:
            yield played


@pytest.mark.parametrize("step", STEPS, ids=[f"{n:03d} {step.name}" for n, step in enumerate(STEPS)])
def test_the_sandbox_answers_as_the_real_server_did(player: Player, step: Step) -> None:
    assert player.play(step) is None


@pytest.mark.parametrize(
    ("pattern", "fits", "fails"),
    [
        ("<int>", [0, 7], [True, 1.0, "1", None]),
        ("<number>", [1, 1.5], [False, "1"]),
        ("<iso>", ["2026-11-21T05:09:06.800084+00:00", "2026-11-21T05:09:06Z"], ["2026-11-21", 5]),
        ("<re:a.c>", ["abc", "a\nc"], ["abcd", "ab"]),
        ("<hex:2>", ["0f"], ["0F", "0f0"]),
        ({"a": 1}, [{"a": 1}], [{}, {"a": True}, {"a": 1, "b": 2}, []]),
        ({"a": 1, "...": True}, [{"a": 1}, {"a": 1, "b": 2}], [{"b": 2}]),
        ([1, "<any>"], [[1, None]], [[1], [1, 2, 3], (1, 2)]),
        ({"<unordered>": [1, 2]}, [[2, 1]], [[1], [1, 1], [1, 2, 3]]),
        ({"<each>": "<int>"}, [[], [1, 2]], [[1, "2"], 5]),
        ({"<some>": 3}, [[1, 3]], [[], [1]]),
    ],
)
def test_patterns(pattern: object, fits: list[object], fails: list[object]) -> None:
    assert [difference(pattern, value) for value in fits] == [None] * len(fits)
    assert all(difference(pattern, value) for value in fails)


def test_a_lone_variable_keeps_its_type() -> None:
    assert filled({"${k}": ["${n}", "<${n}>"]}, {"k": "key", "n": 5}) == {"key": [5, "<5>"]}
