"""Pages that the web site's own scripts ask: names of many folders at once, and what is selected.

They are made for people: dates are phrases and sizes rounded. Like all pages they know their visitor by the cookie.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from assetfs.sandbox.midas import communities
from assetfs.sandbox.midas.context import Call, Fields, shown
from assetfs.sandbox.midas.envelope import dumped
from assetfs.sandbox.midas.errors import Fatal
from assetfs.sandbox.midas.folders import contained, subfolders
from assetfs.sandbox.midas.pages import PAGES, Page
from assetfs.sandbox.midas.policies import READ, allowed
from assetfs.sandbox.midas.revisions import head

MOST = 100
ORDERS = {"name": "name", "date": "date_update", "size": "sizebytes"}
SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
UNITS = ("KB", "MB", "GB", "TB")


def phrase(call: Call, date: str) -> str:
    """How long ago a date is."""
    then = datetime.strptime(date, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    seconds = max(0, int(call.now() - then.timestamp()))
    length, word = next((span for span in SPANS if seconds >= span[0]), SPANS[-1])
    count = seconds // length
    return f"{count} {word}{'' if count == 1 else 's'}"


def rounded(size: int) -> str:
    """A size with one digit behind the point."""
    amount, unit = size / 1024, 0
    while amount >= 1024 and unit < len(UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.1f} {UNITS[unit]}"


def _number(call: Call, name: str, default: int) -> int:
    text = call.params.get(name, "")
    return int(text) if text.isdigit() and len(text) < 10 else default


def _sorted(call: Call, rows: list[sqlite3.Row]) -> list[sqlite3.Row]:
    column = ORDERS.get(call.params.get("sort", "name"), "name")
    if rows and column not in rows[0].keys():  # noqa: SIM118 a row's own iteration is over values
        column = "name"
    return sorted(rows, key=lambda row: row[column], reverse=call.params.get("sortdir") == "desc")


def folders_content(call: Call) -> Page:
    """The entries of some folders, from an offset on, by folder. Folders come first, and items when they are over."""
    user, (wanted,) = call.session_user(), call.need("folders")
    limit = _number(call, "limit", MOST)
    at, behind = _number(call, "folderOffset", 0), _number(call, "itemOffset", 0)
    found: dict[str, Fields] = {}
    for text in filter(str.isdigit, wanted.split("-")):
        folders = _sorted(call, subfolders(call, int(text), user))
        items = _sorted(call, contained(call, int(text), user))
        page = folders[at : at + limit]
        rest = items[behind : behind + limit - len(page)]
        found[text] = {
            "folders": [_folder(call, row) for row in page],
            "items": [_item(call, row, text) for row in rest],
            "showMoreLink": len(folders) > at + len(page) or len(items) > behind + len(rest),
            "folderOffset": at + len(page),
            "itemOffset": behind + len(rest),
        }
    return Page(body=dumped(found))


def _folder(call: Call, row: sqlite3.Row) -> Fields:
    kept = {name: row[name] for name in ("folder_id", "name", "privacy_status")}
    return {**kept, "date_update": phrase(call, row["date_update"])}


def _item(call: Call, row: sqlite3.Row, folder: str) -> Fields:
    kept = {name: row[name] for name in ("item_id", "name", "privacy_status")}
    size = rounded(row["sizebytes"])
    return {**kept, "parent_id": folder, "date_update": phrase(call, row["date_update"]), "size": size}


def element_info(call: Call) -> Page:
    """What the site shows of a selected community, folder or item; of an item, how many files it has."""
    kind, ident = call.need("type", "id")
    user = call.session_user()
    row = call.get(kind, int(ident)) if kind in ("community", "folder", "item") and ident.isdigit() else None
    if row is None:
        raise Fatal("Please double check the parameters")
    seen = communities.level(call, row, user) >= READ if kind == "community" else allowed(call, kind, row, user, READ)
    if not seen:
        raise Fatal("User does not have permission")
    more: Fields = {"type": kind}
    if kind == "item":
        newest = head(call, row["item_id"])
        query = "SELECT count(*) FROM bitstream WHERE itemrevision_id = ?"
        more["nbitstream"] = call.scalar(query, newest["itemrevision_id"]) if newest is not None else 0
        more["size"] = rounded(row["sizebytes"])
    return Page(body=dumped(shown(row, **more)))


PAGES["/browse/getfolderscontent"] = folders_content
PAGES["/browse/getelementinfo"] = element_info
