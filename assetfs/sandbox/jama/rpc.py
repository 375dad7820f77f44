"""The RPC envelope: not JSON-RPC 2.0, though it looks like it.

`{"method", "params", "id"}` gives HTTP 200 with `{"result", "error", "id"}`, `error` being a text. An array is a
batch: one call after the other, each in a transaction of its own. A malformed item makes the whole request 400 or 500
although what came before it stays committed. An object as params is the list of its keys.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import sqlite3
import sys
import traceback
from collections.abc import Callable
from typing import Any

from assetfs.sandbox.jama.context import Call
from assetfs.sandbox.jama.errors import NO_METHOD, Refused
from assetfs.sandbox.jama.profiles import Profile
from assetfs.sandbox.jama.projects import LIMITS
from assetfs.sandbox.jama.registry import Method, invoke

MAX_BODY = LIMITS["JAMA_RPC_MAX_BODY_SIZE"]
MAX_BATCH = LIMITS["JAMA_RPC_MAX_BATCH_SIZE"]
GZIP_FROM = 200  # bytes; shorter answers are never compressed

Reply = tuple[int, bytes]  # status and body; the body is JSON only with 200

BAD_REQUEST: Reply = (400, b"Bad Request")
TOO_LARGE: Reply = (413, b"Payload Too Large")
SERVER_ERROR: Reply = (
    500,
    b'<!doctype html>\n<html lang="en"><head><title>Server Error (500)</title></head>'
    b"<body><h1>Server Error (500)</h1><p></p></body></html>\n",
)


def _call(new_call: Callable[[], Call], methods: dict[str, Method], profile: Profile, item: Any) -> dict[str, Any]:
    request_id, name = item["id"], item["method"]
    if name not in methods or name in profile.lacking:
        return {"result": None, "error": NO_METHOD, "id": request_id if profile.unknown_method_id else None}
    call = new_call()
    call.db.execute("BEGIN IMMEDIATE")
    try:
        result = invoke(methods[name], call, list(item.get("params") or []))
        call.db.execute("COMMIT")
    except Refused as refusal:
        call.db.execute("ROLLBACK")
        return {"result": None, "error": str(refusal), "id": request_id}
    except BaseException:
        call.db.execute("ROLLBACK")
        raise
    return {"result": result, "error": None, "id": request_id}


def handle(new_call: Callable[[], Call], methods: dict[str, Method], profile: Profile, body: bytes) -> Reply:
    """Run the call or calls of one request body. Blocks; returns the status and the answer's body."""
    if len(body) > MAX_BODY:
        return TOO_LARGE
    try:
        request = json.loads(body)
        if not isinstance(request, list):
            return 200, json.dumps(_call(new_call, methods, profile, request)).encode()
        if not request or not profile.batches:
            return BAD_REQUEST
        if len(request) > MAX_BATCH:
            return TOO_LARGE
        return 200, json.dumps([_call(new_call, methods, profile, item) for item in request]).encode()
    except (KeyError, TypeError, ValueError):
        return BAD_REQUEST
    except (AttributeError, LookupError, sqlite3.Error):
        traceback.print_exc(limit=-2, file=sys.stderr)
        return SERVER_ERROR


def call_names(body: bytes) -> list[str]:
    """The methods that a request body asks for; none when it is not understood."""
    try:
        request = json.loads(body)
    except ValueError:
        return []
    items = request if isinstance(request, list) else [request]
    return [str(item.get("method")) for item in items if isinstance(item, dict)]


def compressed(body: bytes) -> bytes | None:
    """The body as gzip, padded by a random number of bytes; None when that is not shorter. Blocks."""
    if len(body) < GZIP_FROM:
        return None
    out = io.BytesIO()
    padding = "a" * random.randint(1, 100)
    with gzip.GzipFile(filename=padding, mode="wb", fileobj=out, compresslevel=6, mtime=0) as packer:
        packer.write(body)
    return out.getvalue() if out.tell() < len(body) else None
