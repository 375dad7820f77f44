"""What the server's middleware puts on every answer."""

from __future__ import annotations

from assetfs.sandbox.http import Message, Send

DRESS = [
    *[(b"x-frame-options", b"DENY"), (b"content-language", b"fr"), (b"x-content-type-options", b"nosniff")],
    *[(b"referrer-policy", b"same-origin"), (b"cross-origin-opener-policy", b"same-origin")],
]


def dressed(send: Send) -> Send:
    """A `send` that adds them."""

    async def dressing(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [pair for pair in message["headers"] if pair[0] != b"vary"]
            vary = [value for name, value in message["headers"] if name == b"vary"]
            language = (b"vary", b", ".join([*vary, b"Accept-Language, origin"]))
            message = {**message, "headers": [*headers, language, *DRESS]}
        await send(message)

    return dressing
