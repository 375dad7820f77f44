"""Methods about the server itself: what it is, who its users are, and logging in."""

from __future__ import annotations

import hashlib
import sqlite3

from assetfs.sandbox.midas.context import Call, Json, random_text, shown
from assetfs.sandbox.midas.errors import INVALID, Refused
from assetfs.sandbox.midas.registry import METHODS, method

VERSION = "3.4.2"
MODULES = ["api", "mfa"]
OPTIONAL = ("sizequota", "solr", "thumbnailcreator", "dicomextractor", "tracker")
RESOURCES = ("bitstream", "community", "folder", "group", "item", "itemrevision", "system", "user")
UNTYPED, MODULE_ERROR = 0, -1


def hashed(password: str) -> str:
    """A password as it is stored."""
    return hashlib.sha256(password.encode()).hexdigest()


@method("version")
def version(call: Call) -> Json:
    """The server's version."""
    return {"version": VERSION}


@method("modules.list")
def modules_list(call: Call) -> Json:
    """The modules that are there."""
    return {"modules": modules(call)}


def modules(call: Call) -> list[str]:
    """The names of the modules."""
    more = [name for name in call.switches.modules.split(",") if name]
    return [*MODULES, *more, *(["sizequota"] if call.switches.quota else [])]


def is_there(call: Call, place: str) -> bool:
    """Whether a method or page, by the beginning of its name, belongs to no module, or to one that is there."""
    owner = next((name for name in OPTIONAL if place.startswith(name)), None)
    return owner is None or owner in modules(call)


@method("info")
def info(call: Call) -> Json:
    """Version, name, modules, and where the REST resources are."""
    resources = {f"/{name}": f"{call.base}/rest/{name}" for name in RESOURCES}
    about = {"version": VERSION, "name": "Midas Platform", "description": "Sandbox"}
    return {**about, "modules": modules(call), "resources": resources}


@method("methods.list")
def methods_list(call: Call) -> Json:
    """All methods."""
    return {"methods": [{"name": name, "help": {}} for name in sorted(METHODS)]}


@method("user.apikey.default")
def apikey_default(call: Call) -> Json:
    """The key of the application Default, for an address and a password."""
    call.post_only()
    email, password = call.need("email", "password")
    query = (
        "SELECT apikey FROM user JOIN secret USING (user_id) JOIN userapi USING (user_id)"
        " WHERE email = ? COLLATE NOCASE AND password = ? AND application = 'Default'"
    )
    found = call.scalar(query, email, hashed(password))
    if found is None:
        raise Refused(INVALID, "Login failed")
    return {"apikey": found}


@method("login")
def login(call: Call) -> Json:
    """A token for a key; the same one as long as it is valid. With multi-factor authentication, a number first."""
    email, apikey, application = call.need("email", "apikey", "appname")
    user = call.row("SELECT * FROM user WHERE email = ? COLLATE NOCASE", email)
    if user is None:
        raise Refused(INVALID, "Unable to authenticate. Please check credentials.")
    query = "SELECT * FROM userapi WHERE apikey = ? AND user_id = ? AND application = ?"
    key = call.row(query, apikey, user["user_id"], application)
    if key is None:
        raise Refused(UNTYPED, "")
    token = _token(call, key)
    if call.switches.mfa:
        return {"mfa_token_id": str(call.insert("mfa", token=token))}
    return {"token": token}


def _token(call: Call, key: sqlite3.Row) -> str:
    if key["token"] and key["expires"] > call.now():
        return str(key["token"])
    token = random_text(32)
    expires = call.now() + key["minutes"] * 60
    call.db.execute("UPDATE userapi SET token = ?, expires = ? WHERE apikey = ?", (token, expires, key["apikey"]))
    return token


@method("mfa.otp.login")
def otp_login(call: Call) -> Json:
    """The token, for the number that a login gave and the code. The number is gone after one attempt."""
    number, code = call.id("mfaTokenId"), call.need("otp")[0]
    token = call.scalar("SELECT token FROM mfa WHERE id = ?", number)
    call.db.execute("DELETE FROM mfa WHERE id = ?", (number,))
    call.db.execute("COMMIT")
    call.db.execute("BEGIN IMMEDIATE")
    if token is None:
        raise Refused(MODULE_ERROR, "Invalid MFA token id")
    if code != call.switches.mfa:
        raise Refused(MODULE_ERROR, "Incorrect OTP")
    return {"token": token}


@method("user.get")
def user_get(call: Call) -> Json:
    """A user by id, address, or both names; nothing when there is none. Asks nobody who they are."""
    if "user_id" in call.params:
        found = call.get("user", call.id("user_id"))
    elif "email" in call.params:
        found = call.row("SELECT * FROM user WHERE email = ? COLLATE NOCASE", call.params["email"])
    else:
        found = call.row("SELECT * FROM user WHERE firstname = ? AND lastname = ?", *call.need("firstname", "lastname"))
    return None if found is None else shown(found)


@method("user.list")
def user_list(call: Call) -> Json:
    """Public users."""
    return [shown(row) for row in call.rows("SELECT * FROM user WHERE privacy = 0 LIMIT ?", call.id("limit"))]


@method("sizequota.user.get")
def sizequota(call: Call) -> Json:
    """The quota and the bytes used, where the module is there."""
    return {"quota": str(call.switches.quota), "used": str(used(call, call.id("user")))}


def used(call: Call, user_id: int) -> int:
    """Bytes in all bitstreams that a user uploaded."""
    query = "SELECT total(sizebytes) FROM bitstream JOIN itemrevision USING (itemrevision_id) WHERE user_id = ?"
    return int(call.scalar(query, user_id))
