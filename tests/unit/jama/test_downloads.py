"""What the server's answers to a range mean: every row of the table, for both generations."""

from __future__ import annotations

import pytest

from assetfs.backends.jama.downloads import interpreter, same_origin
from assetfs.repository import Forbidden, NotFound, ProtocolViolation, Unavailable, VersionChanged
from assetfs.transport import Body, Head

SIZE = 25
NOW = {"content-type": "text/html; charset=utf-8", "accept-ranges": "bytes"}
OLD = {"content-type": "text/html; charset=utf-8"}


def partial(first: int, last: int, total: int = SIZE) -> Head:
    return Head(206, {"content-range": f"bytes {first}-{last}/{total}", "content-length": str(last - first + 1)})


ROWS: dict[str, tuple[int, int, int | None, Head, Body | type[Exception]]] = {
    # name: first byte, byte after the last, known size, answer, meaning
    "the first byte": (0, 1, None, partial(0, 0), Body(0, SIZE)),
    "a part": (5, 10, SIZE, partial(5, 9), Body(5, SIZE)),
    "clamped to the end": (24, 101, None, partial(24, 24), Body(24, SIZE)),
    "the rest, after a cut": (5, 20, SIZE, partial(11, 19), Body(11, SIZE)),
    "another part": (5, 10, SIZE, partial(12, 14), ProtocolViolation),
    "no range told": (5, 10, SIZE, Head(206, {}), ProtocolViolation),
    "another size": (5, 10, SIZE, partial(5, 9, 26), VersionChanged),
    "behind the end": (25, 31, None, Head(416, {"content-range": "bytes */25"}), Body(None, SIZE)),
    "behind the end, old": (25, 31, None, Head(416, {**OLD, "content-length": "25"}), Body(None, None)),
    "behind the end, shorter now": (20, 25, SIZE, Head(416, {"content-range": "bytes */10"}), VersionChanged),
    "behind the end, shorter now, old": (20, 25, SIZE, Head(416, OLD), VersionChanged),
    "empty": (0, 1, None, Head(416, {"content-range": "bytes */0"}), Body(None, 0)),
    "empty, old": (0, 1, None, Head(416, OLD), Body(None, 0)),
    "empty now": (0, 1, SIZE, Head(416, OLD), VersionChanged),
    "the whole file": (5, 10, None, Head(200, {**NOW, "content-length": "25"}), Body(0, SIZE)),
    "the whole file, another size": (5, 10, 24, Head(200, {**NOW, "content-length": "25"}), VersionChanged),
    "the whole file, old": (0, 10, SIZE, Head(200, {**OLD, "content-length": "25"}), Body(0, SIZE)),
    "something, old": (5, 10, SIZE, Head(200, {**OLD, "content-length": "25"}), ProtocolViolation),
    "chunked, old": (0, 10, SIZE, Head(200, {**OLD, "transfer-encoding": "chunked"}), ProtocolViolation),
    "unknown id": (0, 10, None, Head(200, {"content-type": "404", "content-length": "9"}), NotFound),
    "unknown id, ranges": (0, 9, 9, Head(200, {**NOW, "content-type": "404", "content-length": "9"}), NotFound),
    "no number": (0, 10, None, Head(404, {}), NotFound),
    "no right": (0, 10, None, Head(403, {}), Forbidden),
    "missing on disk": (0, 10, None, Head(500, {}), Unavailable),
    "a login page": (0, 10, None, Head(302, {"location": "/accounts/login/"}), ProtocolViolation),
    "HEAD is not allowed": (0, 10, None, Head(405, {}), ProtocolViolation),
    "overloaded": (0, 10, None, Head(503, {}), Unavailable),
}


@pytest.mark.parametrize("row", ROWS)
def test_what_an_answer_means(row: str) -> None:
    start, stop, size, head, meaning = ROWS[row]
    interpret = interpreter(start, stop, size)
    if isinstance(meaning, Body):
        assert interpret(head) == meaning
    else:
        with pytest.raises(meaning):
            interpret(head)


def test_content_that_is_missing_on_disk_is_asked_for_once_more_only() -> None:
    interpret = interpreter(0, 1, None)
    with pytest.raises(Unavailable):
        interpret(Head(500, {}))
    with pytest.raises(ProtocolViolation):
        interpret(Head(500, {}))


def test_origins() -> None:
    assert same_origin("https://h/rpc/download/1", "https://h:443/rpc/")
    assert not same_origin("http://h/rpc/", "https://h/rpc/")
    assert not same_origin("https://h.evil/rpc/", "https://h/rpc/")
    assert not same_origin("https://h:8443/rpc/", "https://h/rpc/")
