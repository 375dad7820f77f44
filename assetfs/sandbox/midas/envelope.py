"""What the server reads and writes: PHP's idea of parameters, and a JSON in which every scalar is a text.

Text that is already UTF-8 passes through ISO-8859-1-to-UTF-8 once more on its way out of the RPC face (not of REST).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from assetfs.sandbox.midas.errors import Fatal

Params = dict[str, str]

MOST = 1_000
"""Parameters of a body or query: what is more is dropped without a word (`max_input_vars`)."""
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
ESCAPES = {"/": "\\/", "<": "\\u003C", ">": "\\u003E"}
DISPOSITION = re.compile(rb'(\w+)="((?:[^"\\]|\\.)*)"')


def parse_pairs(text: bytes) -> Params:
    """A query or form body. The last value of a repeated key counts; an array is a fatal error in nearly all calls."""
    found: Params = {}
    for pair in filter(None, text.split(b"&")):
        key, _, value = pair.partition(b"=")
        name = _decoded(key)
        if name.endswith("]"):
            raise Fatal(f"{name} is an array")
        found[re.sub("[ .]", "_", name)] = _decoded(value)
        if len(found) == MOST:
            break
    return found


def _decoded(raw: bytes) -> str:
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "replace")


def parse_multipart(body: bytes, content_type: str) -> tuple[Params, dict[str, tuple[str, bytes]]]:
    """The fields of a multipart body, and its files by field: (file name, content)."""
    found = re.search(r'boundary="?([^";]+)', content_type)
    if found is None:
        return {}, {}
    fields: Params = {}
    files: dict[str, tuple[str, bytes]] = {}
    for part in body.split(b"--" + found[1].encode("latin-1"))[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        content = content.removesuffix(b"\r\n")
        line = next((row for row in head.split(b"\r\n") if row.lower().startswith(b"content-disposition")), b"")
        names = {key: value.decode("utf-8", "replace") for key, value in DISPOSITION.findall(line)}
        if b"filename" in names:
            files[names[b"name"]] = (names[b"filename"], content)
        elif b"name" in names:
            fields[names[b"name"]] = content.decode("utf-8", "replace")
    return fields, files


def parse_body(body: bytes, content_type: str) -> tuple[Params, dict[str, tuple[str, bytes]]]:
    """What PHP makes of a request body: nothing unless it is a form."""
    if content_type.startswith(MULTIPART):
        return parse_multipart(body, content_type)
    return (parse_pairs(body), {}) if content_type.startswith(FORM) else ({}, {})


def stringly(value: Any) -> Any:
    """A result as the RPC face writes it: scalars become texts, texts are encoded twice."""
    match value:
        case None | False:
            return ""
        case True:
            return "1"
        case Mapping():
            return {stringly(key): stringly(item) for key, item in value.items()}
        case list() | tuple():
            return [stringly(item) for item in value]
    return str(value).encode("utf-8").decode("latin-1")


def reply(data: Any = "", code: int = 0, message: str = "", stat: str = "ok") -> bytes:
    """The envelope: four keys, in this order."""
    return dumped({"code": code, "data": data, "message": message, "stat": stat})


def dumped(value: Any) -> bytes:
    """JSON as the server's own encoder makes it, in calls and in pages."""
    text = json.dumps(stringly(value), separators=(",", ":"))
    for plain, escaped in ESCAPES.items():
        text = text.replace(plain, escaped)
    return text.encode("ascii")


def rest_reply(content: Mapping[str, Any]) -> bytes:
    """An answer of the REST face: real types, and text encoded once."""
    return json.dumps(content, separators=(",", ":")).encode("ascii")
