"""Answers that a strict decoder does not take."""

from __future__ import annotations

import msgspec
import pytest

from assetfs.backends.jama import client
from assetfs.backends.jama.client import Call, Client
from assetfs.repository import ProtocolViolation


class Title(msgspec.Struct):
    title: str


CALL: Call[list[Title]] = Call("resources", (), list[Title])


def result(content: bytes) -> list[Title]:
    answer = client._decode(client._ONE, content, "resources")
    return Client(None)._result(CALL, answer)  # type: ignore[arg-type]


def test_a_title_that_was_cut_in_half_hides_no_folder() -> None:
    cut = rb'{"id": 1, "error": null, "result": [{"title": "half \ud83d"}, {"title": "whole \ud83d\ude00 \u00e9"}]}'
    assert [each.title for each in result(cut)] == ["half \ud83d", "whole \U0001f600 é"]
    batch = client._decode(client._MANY, b"[" + cut + b"]", "batch")
    assert len(batch) == 1


def test_what_is_no_answer_is_none_with_halves_either() -> None:
    for content in (rb'{"result": "\ud83d', rb'["\ud83d"]', rb'"\ud83d"'):
        with pytest.raises(ProtocolViolation):
            result(content)
