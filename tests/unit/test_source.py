"""SOURCE: what is taken, what is refused, and that no message repeats a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetfs.config import source
from assetfs.config.source import ConfigError


def test_a_url_is_taken_apart() -> None:
    found = source.parse("jama+https://ann%40example.org@assets.example.org:8443/rpc/")
    assert (found.backend, found.user) == ("jama", "ann@example.org")
    assert found.url.geturl() == "https://assets.example.org:8443/rpc/"
    assert str(found) == "jama+https://ann%40example.org@assets.example.org:8443/rpc/"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "127.8.8.8", "[::1]:80"])
def test_plain_http_is_fine_on_this_machine(host: str) -> None:
    assert source.parse(f"jama+http://{host}/rpc/").url.netloc == host


def test_plain_http_to_others_needs_a_yes() -> None:
    with pytest.raises(ConfigError, match="allow_plaintext"):
        source.parse("jama+http://assets.example.org/")
    assert source.parse("jama+http://assets.example.org/", allow_plaintext=True).url.scheme == "http"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("jamma+https://host/", "did you mean 'jama'"),
        ("ftp://host/", "installed: "),
        ("https://host/", "which protocol"),
        ("jama://host/", "jama+https://host/"),
        ("jama+https:///rpc/", "no valid host"),
        ("jama+https:/host/", "no valid host"),
        ("jama+https://host:port/", "malformed"),
        ("jama+https://host:99999/", "malformed"),
        ("jama+https://[::1/", "malformed"),
        ("jama+https://ho st/", "space"),
        ("jama+https://host/\n", "space"),
        ("jama+https://host/?api_key=hush", "no ?"),
        ("jama+https://host/#hush", "no #"),
        ("/some/where", "neither"),
        ("", "neither"),
    ],
)
def test_bad_sources_get_a_reason_and_a_next_step(text: str, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        source.parse(text)
    assert word in str(caught.value)
    assert "hush" not in str(caught.value)
    assert caught.value.status == 2


_word = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~!$&'()*+,;=%", min_size=8, max_size=30
)


@given(_word, st.sampled_from(["jama+https://u:{}@host/", "jama+http://:{}@host:1/", "jam+https://u:{}@host/"]))
def test_a_secret_in_the_url_is_refused_and_not_repeated(word: str, form: str) -> None:
    secret = f"7Q{word}"  # a word of the message may be a secret by chance
    with pytest.raises(ConfigError) as caught:
        source.parse(form.format(secret))
    assert secret not in str(caught.value)
