"""The seed `demo`: the picture desk of a newspaper, with what is pleasant to look at and what is hard to mount.

Sets in all three states and on both destinations; pictures with the renditions that an editor's screen asks for, texts,
sound, a PDF; two pictures of one name in a set, a name with a slash, one in Japanese that the server itself cannot
serve, one of 300 letters, an empty file, a picture that somebody is editing. All bytes, ids and times are the same
every time.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from assetfs.sandbox import makings
from assetfs.sandbox.options import Options
from assetfs.sandbox.sams import assets, renditions, sets
from assetfs.sandbox.sams.context import Call, Switches
from assetfs.sandbox.sams.documents import Document, Documents, seconds
from assetfs.sandbox.store import Blobs

OPENED = seconds("2026-03-02T08:00:00+0000")
BETWEEN = 437  # seconds from one asset to the next
SCREEN = (("thumbnail", 220), ("viewImage", 640))  # the renditions that Superdesk makes, by width in pixels
FRONT, SPORTS, ELECTION, ARCHIVE, INCOMING = "Front page", "Sports", "Election night", "Archive 2019", "Incoming"
VIEWS = ("Harbour at dawn", "Storm over the ridge", "First snow", "Ferry strike, day three", "Valley road reopened")
GAMES = ("Final whistle", "The equaliser", "Away supporters", "Captain's armband")
STORY = "The ferry strike enters its third day. No talks are planned.\n\nBy our reporter\n"


@dataclass
class Desk:
    """Makes things at the pace of a newsroom: the clock goes on with each."""

    call: Call

    def folder(self, name: str, destination: str = "internal", **more: Any) -> str:
        """Make a set. Returns its id."""
        self._later()
        document = {"name": name, "state": "usable", "destination_name": destination, **more}
        return str(sets.add(self.call, document)["_id"])

    def file(self, set_id: str, filename: str, content: bytes, user: str = "mara", **more: Any) -> Document:
        """Make an asset, and the renditions of a picture."""
        self._later()
        self.call.query = {"external_user_id": user}
        document = {"set_id": set_id, "filename": filename, "name": filename.rpartition(".")[0] or filename, **more}
        asset = assets.add(self.call, document, [content])
        if asset.get("renditions"):
            for name, width in SCREEN:
                renditions.make(self.call, asset, width, None, True, name)
        return asset

    def change_state(self, set_id: str, state: str) -> None:
        """Close a set, say."""
        document = self.call.documents.set(set_id)
        assert document is not None
        self.call.documents.save_set({**document, "state": state})

    def _later(self) -> None:
        self.call.documents.now = (self.call.documents.now or OPENED) + BETWEEN


def tags(*pairs: str) -> list[dict[str, str]]:
    """Tags from names; the code is the name in small letters."""
    return [{"code": name.lower().replace(" ", "-"), "name": name} for name in pairs]


def plant(db: sqlite3.Connection, blobs: Blobs, options: Options) -> None:
    """Make the newsroom."""
    desk = Desk(Call(Documents(db), blobs, Switches(), ""))
    _front(desk)
    _sports(desk)
    _election(desk)
    _archive(desk)
    desk.folder(INCOMING, state="draft", description="Not open yet")


def _picture(index: int, width: int = 1200, height: int = 800, **exif: str | int) -> bytes:
    return makings.encoded(makings.landscape(width, height, index * 43 % 256), "JPEG", **exif)


def _front(desk: Desk) -> None:
    front = desk.folder(FRONT, description="What goes on page one")
    for index, view in enumerate(VIEWS):
        desk.file(
            front,
            f"{view}.jpg",
            _picture(index, description=view, artist="M. Lindqvist"),
            description=f"{view}. Photo: M. Lindqvist",
            state="public" if index < 2 else "internal",
            tags=tags("Weather", "Front") if index < 3 else tags("Transport"),
            extra={"byline": "M. Lindqvist", "priority": index + 1, "rights": {"holder": "The Courier", "until": 2031}},
        )
    desk.file(front, "ferry strike.txt", STORY.encode(), user="jonas", tags=tags("Transport"))
    desk.file(front, "front page.pdf", makings.pdf("The Courier", [*VIEWS]), state="public")
    desk.file(front, "empty note.txt", b"", user="jonas")


def _sports(desk: Desk) -> None:
    sports = desk.folder(SPORTS, maximum_asset_size=4 << 20)
    for index, game in enumerate(GAMES):
        asset = desk.file(sports, "match.jpg" if index < 2 else f"{game}.jpg", _picture(index + 5, 900, 600), name=game)
    locked = {"lock_action": "edit", "lock_user": "ines", "lock_session": "desk-7"}
    asset |= {**locked, "lock_time": desk.call.documents.moment()}
    desk.call.documents.update_asset(asset)
    desk.file(sports, "home/away.png", makings.encoded(makings.gradient(300, (20, 60, 20), (250, 250, 210)), "PNG"))


def _election(desk: Desk) -> None:
    election = desk.folder(ELECTION, "archive", description="Kept in the bucket")
    desk.file(election, "jingle.wav", makings.tone(523.25, 2), tags=tags("Sound"))
    desk.file(election, "選挙速報.txt", "開票が始まりました。\n".encode(), tags=tags("Election"))
    desk.file(election, "élections — résultats.csv", b"district,votes\nnorth,1204\nsouth,1187\n")
    desk.file(election, "a very long caption " * 15 + ".txt", b"300 letters and more\n")


def _archive(desk: Desk) -> None:
    archive = desk.folder(ARCHIVE, description="Closed in January 2020")
    pictures = [makings.landscape(600, 400, hue * 30) for hue in range(6)]
    for index, picture in enumerate(pictures):
        desk.file(archive, f"2019-{index * 2 + 1:02d}.jpg", makings.encoded(picture, "JPEG"), state="public")
    desk.file(archive, "contact sheet.png", makings.encoded(makings.contact_sheet(pictures, 3), "PNG"))
    desk.change_state(archive, "disabled")
