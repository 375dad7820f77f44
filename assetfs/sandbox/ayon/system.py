"""Endpoints about the server itself: what it is, its attributes, the sites that registered themselves."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from assetfs.sandbox.ayon import attributes, users
from assetfs.sandbox.ayon.context import Call, Reply, answered
from assetfs.sandbox.ayon.errors import refused
from assetfs.sandbox.http import HTML

SITE = re.compile(r"[a-z0-9-]+")
PLATFORMS = ("linux", "windows", "darwin")
REGISTERING = ("x-ayon-site-id", "x-ayon-platform", "x-ayon-hostname", "x-ayon-version")
PAGE = b"<!doctype html><html><head><title>AYON</title></head><body></body></html>"


def page(call: Call) -> Reply:
    """GET /: the web interface, as far as clients look at it."""
    return Reply(200, PAGE, HTML)


def info(call: Call) -> Reply:
    """GET info: for all; more for who is logged in. Registers a site when all four headers say what it is."""
    server = call.server
    found: dict[str, Any] = {
        "motd": None,
        "loginPageBrand": None,
        "loginPageBackground": None,
        "version": server.switches.version,
        "release": server.switches.version.partition("+")[0],
        "uptime": round(time.monotonic() - server.started, 3),
        "noAdminUser": False,
        "onboarding": False,
        "passwordRecoveryAvailable": False,
        "ssoOptions": [],
        "extras": "",
    }
    if call.user_ is not None:
        _register(call)
        found |= {
            "user": users.shown(call, call.user.name),
            "attributes": attributes.schema(nulls=False),
            "sites": _sites(call),
        }
    return answered(found)


def _register(call: Call) -> None:
    site_id, platform, hostname, version = (call.header(name) or "" for name in REGISTERING)
    if not (SITE.fullmatch(site_id) and platform in PLATFORMS and hostname and version):
        return
    row = call.db.execute("SELECT data FROM site WHERE id = ?", (site_id,)).fetchone()
    known = json.loads(row["data"])["users"] if row else []
    data = {
        "id": site_id,
        "platform": platform,
        "hostname": hostname,
        "version": version,
        "users": sorted({*known, call.user.name}),
    }
    call.db.execute("INSERT OR REPLACE INTO site VALUES (?, ?)", (site_id, json.dumps(data)))


def _sites(call: Call) -> list[object]:
    return [json.loads(row["data"]) for row in call.db.execute("SELECT data FROM site ORDER BY id")]


def sites(call: Call) -> Reply:
    """GET system/sites."""
    return answered([] if call.user is None else _sites(call))


def all_attributes(call: Call) -> Reply:
    """GET attributes."""
    return answered({"attributes": attributes.schema(nulls=True)} if call.user else {})


def site_of(call: Call) -> str | None:
    """The site that a request names. Refuses an id that is none."""
    site_id = call.argument("site_id") or call.argument("site") or call.header("x-ayon-site-id")
    if site_id is not None and not SITE.fullmatch(site_id):
        raise refused(400, f"Invalid site id: {site_id}")
    return site_id
