"""The seed `empty`: users, and one project of the stock anatomy with nothing in it."""

from __future__ import annotations

from assetfs.sandbox.ayon.server import Server
from assetfs.sandbox.options import Options

PROJECT, CODE = "demo", "dmo"
ROBOT, KEY = "robot", "5f1d3c9b7a2e48d06b9e1c3a7d5f2048"
ADMIN, ADMIN_PASSWORD = "admin", "admin-of-the-studio"
ARTIST, ARTIST_PASSWORD, ARTIST_KEY = "artist", "draws-all-day", "c2b8e6d4f0a14725938c7b6a5d4e3f21"


def people(server: Server) -> None:
    """A service account, an administrator, and an artist who may publish and delete nothing."""
    server.add_user(ROBOT, None, {"isService": True, "isAdmin": True}, {"fullName": "Robot"}, KEY)
    server.add_user(ADMIN, ADMIN_PASSWORD, {"isAdmin": True}, {"fullName": "Ada Min"})
    groups = {"accessGroups": {PROJECT: ["artist"]}}
    attrib = {"fullName": "Art Ist", "email": "artist@example.org"}
    server.add_user(ARTIST, ARTIST_PASSWORD, groups, attrib, ARTIST_KEY)


def plant(server: Server, options: Options) -> None:
    """Fill a new server."""
    people(server)
    server.add_project(PROJECT, CODE)
