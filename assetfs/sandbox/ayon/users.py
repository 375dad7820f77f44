"""Credentials, login and logout, and the endpoints about users."""

from __future__ import annotations

import ipaddress
import json
import secrets
import time
from typing import Any

from assetfs.sandbox.ayon import attributes
from assetfs.sandbox.ayon.context import Call, Reply, User, answered, done
from assetfs.sandbox.ayon.errors import Complaint, broke, crashed, refused
from assetfs.sandbox.ayon.server import FAILURES, Server, digest

TOKEN_LENGTH = 64
ATTRIB = ["fullName", "email", "avatarUrl", "developerMode"]
HIDDEN = "0" * 64  # stands for the hashes that the real server shows


def authenticate(server: Server, headers: dict[str, str], query: dict[str, list[str]], client: str = "") -> User | None:
    """The user of a request by its key, cookie, session token or query, in this order; None without any of them.

    Refuses a credential that is no good.
    """
    scheme, _, value = headers.get("authorization", "").partition(" ")
    key = headers.get("x-api-key") or (value.strip() if scheme.lower() == "apikey" else "")
    if key:
        user = by_key(server, key)
        if user is None:
            raise refused(401, "Invalid API key")
    else:
        cookies = dict(part.strip().partition("=")[::2] for part in headers.get("cookie", "").split(";"))
        bearer = value.strip() if scheme.lower() == "bearer" else ""
        token = cookies.get("accessToken") or bearer or (query.get("token") or [""])[-1]
        if len(token) != TOKEN_LENGTH:
            return None
        user = by_session(server, token)
        _bind(server, token, headers, client)
    return _acting_as(server, user, headers.get("x-as-user"))


def address(headers: dict[str, str], client: str) -> str:
    """Where a request comes from, as a proxy in front says."""
    return headers.get("x-forwarded-for", "").split(",")[0].strip() or client


def _bind(server: Server, token: str, headers: dict[str, str], client: str) -> None:
    """Keep a session at one public address; with a site it moves along. Refuses one from elsewhere, and ends it."""
    now = address(headers, client)
    if not _public(now):
        return
    stored = server.memory.addresses.get(token)
    if stored not in (None, now) and "x-ayon-site-id" not in headers:
        server.memory.lost.add(token)
        raise refused(401, f"Client IP mismatch: Stored: {stored}, current: {now}")
    server.memory.addresses[token] = now


def _public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def _acting_as(server: Server, user: User, name: str | None) -> User:
    if name is None or not user.service:
        return user
    other = server.user(name)
    if other is None:
        raise broke(500, "Internal Server Error", hang_up=True)
    return other


def by_key(server: Server, key: str) -> User | None:
    """The user of an API key; from now on the key is known to WebSockets."""
    row = server.db.execute("SELECT user, expires FROM api_key WHERE digest = ?", (digest(key),)).fetchone()
    if row is None or (row["expires"] is not None and row["expires"] < time.time()):
        return None
    server.memory.keys_used[digest(key)] = time.monotonic()
    return server.user(row["user"])


def by_session(server: Server, token: str) -> User:
    """The user of a session. Refuses one that is over or never was.

    A key of a token's length that was used lately has a session, too, as long as it is remembered.
    """
    if (user := _remembered(server, token)) is not None:
        return user
    row = server.db.execute("SELECT user, ended FROM session WHERE token = ?", (token,)).fetchone()
    if token in server.memory.lost:
        row = None
    user = server.user(row["user"]) if row is not None and not row["ended"] else None
    if user is None:
        raise refused(401, "User logged out" if row is not None and row["ended"] else "Invalid session")
    return user


def on_socket(server: Server, token: str) -> User | None:
    """Who a WebSocket belongs to: a session token, or a key that a request was made with lately."""
    if len(token) == TOKEN_LENGTH:
        row = server.db.execute("SELECT user FROM session WHERE token = ? AND NOT ended", (token,)).fetchone()
        if row is not None:
            return server.user(row["user"])
    return _remembered(server, token)


def _remembered(server: Server, key: str) -> User | None:
    """The user of an API key that a request was made with lately."""
    used = server.memory.keys_used.get(digest(key))
    if used is None or time.monotonic() - used > server.switches.key_memory:
        return None
    row = server.db.execute("SELECT user FROM api_key WHERE digest = ?", (digest(key),)).fetchone()
    return server.user(row["user"]) if row is not None else None


def login(call: Call) -> Reply:
    """POST auth/login."""
    given = call.json()
    missing = [key for key in ("name", "password") if not isinstance(given, dict) or key not in given]
    if missing:
        raise call.invalid(*(Complaint((key,), "field required", "value_error.missing") for key in missing))
    failures = call.server.failed_logins(call.client)
    if len(failures) > FAILURES:
        raise refused(403, "Too many failed login attempts")
    name, password = str(given.get("name", "")), str(given.get("password", ""))
    row = call.db.execute("SELECT password FROM user WHERE name = ? AND active", (name,)).fetchone()
    if row is None or row["password"] is None or row["password"] != digest(password):
        failures.append(time.monotonic())
        raise refused(403, "Invalid login/password combination")
    token = secrets.token_hex(TOKEN_LENGTH // 2)
    call.db.execute("INSERT INTO session (token, user) VALUES (?, ?)", (token, name))
    _bind(call.server, token, call.headers, call.client)
    return answered(
        {
            "detail": f"Logged in as {name}",
            "error": None,
            "token": token,
            "user": shown(call, name),
            "redirectUrl": None,
        }
    )


def logout(call: Call) -> Reply:
    """POST auth/logout: well, whoever asks."""
    token = (call.header("authorization") or "").removeprefix("Bearer ").strip()
    call.db.execute("UPDATE session SET ended = 1 WHERE token = ?", (token,))
    return answered({"detail": "Logged out"})


def shown(call: Call, name: str) -> dict[str, Any]:
    """A user as the REST endpoints show it, with what stands for hashes."""
    row = call.db.execute("SELECT * FROM user WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise refused(404, f"User {name} not found")
    data = {"accessGroups": {}, "defaultAccessGroups": [], **json.loads(row["data"])}
    if data.get("isService"):
        data |= {"apiKey": HIDDEN, "apiKeyPreview": "****"}
    elif row["password"] is not None:
        data["password"] = f"{HIDDEN}:{HIDDEN[:32]}"
    return {
        "name": row["name"],
        "uiExposureLevel": 900 if data.get("isAdmin") or data.get("isService") else 0,
        "attrib": json.loads(row["attrib"]),
        "data": data,
        "active": bool(row["active"]),
        "ownAttrib": ATTRIB,
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }


def me(call: Call) -> Reply:
    """GET users/me."""
    return answered(shown(call, call.user.name))


def get(call: Call) -> Reply:
    """GET users/{name}; of others only for managers."""
    if call.params[0] != call.user.name:
        call.only(managers=True)
    return answered(shown(call, call.params[0]))


def put(call: Call) -> Reply:
    """PUT users/{name}: make a user, or give one a new password, groups and attributes."""
    call.only(managers=True)
    given = call.fields()
    attrib = {k: v for k, v in (given.get("attrib") or {}).items() if k in ATTRIB}
    call.server.add_user(call.params[0], given.get("password"), given.get("data") or {}, attrib, given.get("apiKey"))
    return done()


def patch(call: Call) -> Reply:
    """PATCH users/{name}: data and attributes key by key."""
    call.only(managers=True)
    old, given = shown(call, call.params[0]), call.fields()
    row = call.db.execute("SELECT data FROM user WHERE name = ?", (call.params[0],)).fetchone()
    data = attributes.merged(json.loads(row["data"]), given.get("data") or {})
    attrib = attributes.merged(old["attrib"], {k: v for k, v in (given.get("attrib") or {}).items() if k in ATTRIB})
    call.server.add_user(call.params[0], None, data, attrib)
    if given.get("active") is not None:
        call.db.execute("UPDATE user SET active = ? WHERE name = ?", (int(given["active"]), call.params[0]))
    return done()


def api_keys(call: Call) -> Reply:
    """GET and POST users/{name}/apikeys: the server stumbles over users who have none."""
    if call.params[0] != call.user.name:
        call.only(managers=True)
    if call.db.execute("SELECT 1 FROM api_key WHERE user = ?", (call.params[0],)).fetchone() is None:
        raise crashed("AttributeError: 'NoneType' object has no attribute 'get'")
    return answered([{"id": HIDDEN[:32], "label": "key", "preview": "****", "created": 0, "expires": None}])


def delete(call: Call) -> Reply:
    """DELETE users/{name}."""
    call.only(managers=True)
    for table in ("session", "api_key"):
        call.db.execute(f"DELETE FROM {table} WHERE user = ?", (call.params[0],))
    call.db.execute("DELETE FROM user WHERE name = ?", (call.params[0],))
    return done()
