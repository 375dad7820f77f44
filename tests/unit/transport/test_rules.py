"""The pure parts: origins, redirects, redaction, repetition, answers to ranges."""

from __future__ import annotations

import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetfs.repository import Forbidden, NotAuthenticated, Offline, ProtocolViolation, Unavailable
from assetfs.transport import Body, Head, closed_range, content_range
from assetfs.transport.origin import Origin, origin_of, redirected, refuse_plaintext, resolve, target_of
from assetfs.transport.redaction import checked, shown
from assetfs.transport.retry import DELAYS, Repetitions, Stage, retry_after


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Museum.Example.org/x", Origin("https", "museum.example.org", 443)),
        ("http://[::1]:8080/", Origin("http", "::1", 8080)),
        ("https://müller.example/", Origin("https", "xn--mller-kva.example", 443)),
    ],
)
def test_origins(url: str, origin: Origin) -> None:
    assert origin_of(url) == origin
    assert origin_of(origin.url) == origin


@pytest.mark.parametrize("url", ["ftp://h/", "https:///x", "h/x", "https://a@h/", "https://h:99999/", "https://[x/"])
def test_urls_that_cannot_be_asked(url: str) -> None:
    with pytest.raises(ProtocolViolation):
        origin_of(url)


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("", "https://h/rpc/"),
        ("download/1", "https://h/rpc/download/1"),
        ("../status", "https://h/status"),
        ("/status", "https://h/status"),
        ("//evil.example/x", "https://h//evil.example/x"),
        ("a:b", "https://h/rpc/a:b"),
        ("?a=https://x/", "https://h/rpc/?a=https://x/"),
        ("https://other/x?y#z", "https://other/x?y"),
        ("été 1%20%", "https://h/rpc/%C3%A9t%C3%A9%201%20%"),
        ("a\r\nX-Evil: 1", "https://h/rpc/aX-Evil:%201"),
        ("/a\r\nX-Evil: 1", "https://h/aX-Evil:%201"),
    ],
)
def test_paths_are_relative_to_base(path: str, url: str) -> None:
    assert resolve("https://h/rpc/", path) == url
    assert resolve(url, url) == url


@given(st.text())
def test_a_path_never_leaves_its_server_or_breaks_the_request(path: str) -> None:
    if path.lower().startswith(("http://", "https://")):
        return
    url = resolve("https://h/rpc/", path)
    assert origin_of(url) == Origin("https", "h", 443)
    assert target_of(url).startswith("/")
    assert target_of(url).isascii()
    assert not any(letter <= " " for letter in target_of(url))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "jama.localhost"])
def test_this_machine(host: str) -> None:
    refuse_plaintext(origin_of(f"http://{host}/"), allowed=False)


@pytest.mark.parametrize("host", ["10.0.0.1", "localhost.example.org", "127.0.0.1.example.org", "[fe80::1]"])
def test_other_machines(host: str) -> None:
    with pytest.raises(Forbidden, match="allow_plaintext"):
        refuse_plaintext(origin_of(f"http://{host}/"), allowed=False)
    refuse_plaintext(origin_of(f"http://{host}/"), allowed=True)
    refuse_plaintext(origin_of(f"https://{host}/"), allowed=False)


def test_redirects() -> None:
    def hop(location: str | None, *, method: str = "GET", status: int = 302, url: str = "https://h/a/b") -> object:
        return redirected(method, url, status, location, allow_plaintext=False)

    assert hop("c") == ("GET", "https://h/a/c", True)
    assert hop("/c?d=%20") == ("GET", "https://h/c?d=%20", True)
    assert hop("//o/c") == ("GET", "https://o/c", True)
    assert hop("https://o/c") == ("GET", "https://o/c", True)
    assert hop(None) is None
    assert hop("c", status=304) is None
    assert hop("c", method="POST") is None
    assert hop("https://o/c", method="POST", status=303) == ("GET", "https://o/c", False)
    for location in ("http://h/c", "https://127.0.0.1/", "ftp://h/", "https://a:b@h/"):
        with pytest.raises(ProtocolViolation):
            hop(location)
    with pytest.raises(ProtocolViolation):
        hop("https://o/", method="PUT", status=307)
    with pytest.raises(Forbidden):
        hop("http://o/", url="http://127.0.0.1/")


def test_urls_are_shown_without_values() -> None:
    assert shown("https://ann:pw@h:1/p?token=s&x=1#f") == "https://h:1/p?token=…&x=…"
    assert shown("https://h/p?secret") == "https://h/p?…"
    assert shown("https://h/p") == "https://h/p"


def test_headers_that_http_cannot_carry() -> None:
    assert checked({"X-A": "b c"}) == {"X-A": "b c"}
    for name, value in (("X-A", "b\n"), ("X-A", " b"), ("X-A", "ü"), ("X A", "b"), ("", "b"), ("X-A\n", "b")):
        with pytest.raises(NotAuthenticated):
            checked({name: value})


def test_waits_grow_and_end() -> None:
    repetitions = Repetitions(repeatable=True)
    waits = [repetitions.wait(Unavailable("x"), Stage.SENT, 60) for _ in range(4)]
    assert waits[3] is None
    for wait, delay in zip(waits, DELAYS, strict=False):
        assert wait is not None
        assert 0.75 * delay <= wait <= 1.25 * delay
    repetitions.progress()
    assert repetitions.wait(Unavailable("x"), Stage.SENT, 60)
    assert repetitions.wait(Unavailable("x"), Stage.SENT, 0.1) is None
    assert Repetitions(repeatable=True).wait(Unavailable("x", retry_after=9), Stage.ANSWERED, 60) == 9
    assert Repetitions(repeatable=True).wait(Unavailable("x", retry_after=90), Stage.ANSWERED, 60) is None


@pytest.mark.parametrize("stage", Stage)
def test_what_may_be_sent_again(stage: Stage) -> None:
    error = Offline("x") if stage in (Stage.UNTRUSTED, Stage.CONNECTING) else Unavailable("x")
    repeatable = Repetitions(repeatable=True).wait(error, stage, 60)
    other = Repetitions(repeatable=False).wait(error, stage, 60)
    assert (repeatable is None) == (stage is Stage.UNTRUSTED)
    assert (other is not None) == (stage is Stage.CONNECTING)
    assert Repetitions(repeatable=True).wait(Forbidden("x"), stage, 60) is None


def test_retry_after() -> None:
    assert retry_after({}) is None
    assert retry_after({"retry-after": "12"}) == 12
    assert retry_after({"retry-after": "-1"}) is None
    assert retry_after({"retry-after": "soon"}) is None
    later = retry_after({"retry-after": email.utils.formatdate(time.time() + 100, usegmt=True)})
    assert later is not None
    assert 95 < later <= 100
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0


def test_answers_to_a_range() -> None:
    def body(status: int, **headers: str) -> Body:
        return closed_range(5, 10)(Head(status, {name.replace("_", "-"): value for name, value in headers.items()}))

    assert body(206, content_range="bytes 5-9/100", content_length="5") == Body(5, 100)
    assert body(206, content_range="Bytes 5-9/100") == Body(5, 100)
    assert body(206, content_range="bytes 7-9/*") == Body(7, None)
    assert body(200, content_length="100") == Body(0, 100)
    assert body(200) == Body(0, None)
    assert body(200, transfer_encoding="chunked") == Body(0, None)
    assert body(416, content_range="bytes */5") == Body(None, 5)
    assert body(416, content_range="bytes */0") == Body(None, 0)
    for headers in ({}, {"content_range": "bytes */100"}, {"content_range": "bytes 0-1/2"}):
        with pytest.raises(ProtocolViolation):
            body(416, **headers)


@given(st.text())
def test_content_range_takes_any_text(value: str) -> None:
    told = content_range(Head(206, {"content-range": value}))
    if told is not None:
        first, stop, total = told
        assert 0 <= first < stop
        assert total is None or stop <= total
