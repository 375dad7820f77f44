"""What may be said about a request in a log line or an error. Pure.

Secrets travel in headers, in query values (presigned storage, session tokens) and, by mistake, in the user part of a
URL. So headers and bodies are never shown, and a URL is shown without its user and with the names of its query only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from assetfs.repository import NotAuthenticated

_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*\Z")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")


def shown(url: str) -> str:
    """The URL as logs show it: `https://host/path?token=…&part=…`."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "<not a URL>"
    names = [field.partition("=")[0] for field in parts.query.split("&") if "=" in field]
    query = "?" + "&".join(f"{name}=…" for name in names) if names else "?…" if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path}{query}"


def checked(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers, if HTTP can carry them.

    Raises NotAuthenticated otherwise, without the value: libraries show it in their own errors, and a credential with
    a line break or a letter beyond ASCII would end up in the log.
    """
    for name, value in headers.items():
        if not _HEADER_NAME.match(name):
            raise NotAuthenticated("a header's name has characters that HTTP cannot carry")
        if not _HEADER_VALUE.match(value) or value != value.strip():
            raise NotAuthenticated(
                f"the value for the header {name} has characters that HTTP cannot carry: "
                "is there a line break or a space at the end of the credential?"
            )
    return dict(headers)
