"""The seed `demo`: a small museum and a press archive, with what is pleasant to look at and what is hard to mount.

Pictures with EXIF, texts in three scripts, sound, a PDF, 64 MiB in one file; and two files of one title in one place,
a title with a slash, one of 300 letters, an empty file, a file in two collections, one in none, a deleted collection
that still owns its title. All bytes are the same every time.
"""

from __future__ import annotations

import sqlite3

from assetfs.sandbox import makings
from assetfs.sandbox.jama import setup
from assetfs.sandbox.jama.context import now
from assetfs.sandbox.jama.seeds import people
from assetfs.sandbox.jama.seeds.planting import Planter
from assetfs.sandbox.options import Options
from assetfs.sandbox.store import Blobs

MUSEUM, PRESS = "Museum of Nowhere", "Press archive"
LARGE = 64 << 20
DC, EXIF = "Dublin_Core", "ExifTool"
VIEWS = ("Morning over the bay", "The long valley", "Hills before rain", "Late light", "North ridge", "Ferry road")
LETTERS = {
    "letter.txt": "Dear Louise,\n\nthe crates have arrived, all but the third.\n\nYours, Émile\n",
    "письмо.txt": "Дорогая Луиза,\n\nящики прибыли, кроме третьего.\n\nТвой Эмиль\n",  # noqa: RUF001
    "手紙.txt": "ルイーズへ\n\n三つ目のほかは、木箱が届きました。\n\nエミールより\n",
}
CATALOGUE = "number,title,year\n1,Morning over the bay,1931\n2,The long valley,1932\n3,Hills before rain,1932\n"


def plant(db: sqlite3.Connection, blobs: Blobs, options: Options) -> None:
    """Make both projects."""
    users = people.add(db)
    museum = setup.add_project(db, MUSEUM, use_exiftool=True)
    press = setup.add_project(db, PRESS)
    for project_id in (museum, press):
        people.admit(db, users, project_id)
    planter = Planter(db, blobs, museum)
    photographs = _photographs(planter)
    _texts(planter)
    _sound(planter)
    _oddities(planter)
    _press(Planter(db, blobs, press))
    setup.limit(db, users.limited, museum, [photographs])


def _photographs(planter: Planter) -> int:
    photographs = planter.collection("Photographs")
    landscapes = planter.collection("Landscapes", photographs)
    studies = planter.collection("Colour studies", photographs)
    planter.describe(
        "collection", photographs, DC, {"title": "Photographs 1931-1934", "creator": "É. Marchand", "rights": "CC0"}
    )
    outdoors, check = planter.tag("LANDSCAPE", "Landscapes"), planter.tag("to check")
    pictures = [makings.landscape(1200, 800, hue * 40) for hue in range(len(VIEWS))]
    for index, (view, picture) in enumerate(zip(VIEWS, pictures, strict=True)):
        taken = f"193{1 + index // 2}:0{1 + index}:14 10:30:00"
        content = makings.encoded(
            picture, "JPEG", description=view, make="Nowhere", model="Folding 6x9", artist="É. Marchand", taken=taken
        )
        resource_id = planter.file(f"{view}.jpg", content, landscapes)
        planter.describe(
            "resource",
            resource_id,
            DC,
            {
                "title": view,
                "creator": ["É. Marchand", "L. Marchand"] if index % 2 else "É. Marchand",
                "date": f"193{1 + index // 2}",
                "subject": ["landscape", "photography", "plein air"][: 1 + index % 3],
            },
        )
        planter.describe("resource", resource_id, EXIF, _exif(content, view, taken))
        planter.attach("resource", resource_id, outdoors, *([check] if index == 2 else []))
    sheet = makings.contact_sheet(pictures)
    planter.file("Contact sheet.png", makings.encoded(sheet, "PNG"), photographs, landscapes)
    planter.file(
        "Cherbourg by night",
        makings.encoded(makings.landscape(640, 480, 230, 2), "JPEG"),
        photographs,
        name="cherbourg_by_night.jpg",
    )
    for first, last in (((180, 30, 40), (20, 30, 120)), ((240, 200, 60), (20, 90, 60))):
        name = "Study {:02x}{:02x}{:02x} to {:02x}{:02x}{:02x}".format(*first, *last)
        planter.file(f"{name}.png", makings.encoded(makings.gradient(480, first, last), "PNG"), studies)
    planter.file("Plate 7.tif", makings.encoded(makings.landscape(400, 300, 120), "TIFF"), studies)
    return photographs


def _exif(content: bytes, view: str, taken: str) -> dict[str, str | list[str]]:
    return {
        "SourceFile": "/srv/incoming/scan.jpg",
        "File:FileSize": str(len(content)),
        "File:MIMEType": "image/jpeg",
        "EXIF:ImageDescription": view,
        "EXIF:DateTimeOriginal": taken,
        "EXIF:Model": "Folding 6x9",
    }


def _texts(planter: Planter) -> None:
    texts = planter.collection("Letters and lists")
    written = planter.tag("LETTERS", "Letters")
    for title, text in LETTERS.items():
        resource_id = planter.file(title, text.encode(), texts)
        planter.attach("resource", resource_id, written)
        planter.describe(
            "resource", resource_id, DC, {"title": title.split(".")[0], "description": text.splitlines()[0]}
        )
    planter.file("catalogue.csv", CATALOGUE.encode(), texts)
    lines = ["1  Morning over the bay, 1931", "2  The long valley, 1932", "3  Hills before rain, 1932"]
    planter.file("catalogue.pdf", makings.pdf("Museum of Nowhere (catalogue)", lines), texts)
    planter.file("read me.md", b"# Letters and lists\n\nTranscribed in 1998.\n", texts)
    planter.file("empty.txt", b"", texts)
    planter.attach("collection", texts, written)


def _sound(planter: Planter) -> None:
    sound = planter.collection("Sound and film")
    planter.file("A4.wav", makings.tone(440, 1.5), sound)
    planter.file("E5.wav", makings.tone(659.26, 1.0), sound)
    planter.file("reel 3, unedited.bin", makings.pattern(LARGE), sound)


def _oddities(planter: Planter) -> None:
    odd = planter.collection("Odd names")
    planter.file("page.txt", b"the first of this title\n", odd)
    planter.file("page.txt", b"the second of this title\n", odd)
    planter.file("recto/verso.txt", b"a title with a slash\n", odd, name="recto-verso.txt")
    planter.file("100%25 wool.txt", b"a title with a percent sign and two digits\n", odd)
    planter.file(f"{'long ' * 60}title.txt", b"a title of 309 letters\n", odd, name="long.txt")
    planter.file("é.txt", b"composed\n", odd)
    planter.file("e\u0301.txt", b"decomposed\n", odd)
    planter.file("nowhere.txt", b"in no collection at all\n")
    planter.collection("1931/1932", odd)
    planter.collection("page.txt", odd)
    deep = planter.collection("deep", odd)
    for name in ("deeper", "deepest"):
        deep = planter.collection(name, deep)
    planter.file("found.txt", b"four levels down\n", deep)
    ghost = planter.collection("Ghost", odd)
    planter.file("ghost.txt", b"in a deleted collection\n", ghost)
    moment = now()
    planter.db.execute("UPDATE collection SET deleted_at = ? WHERE id = ?", (moment, ghost))
    planter.db.execute("UPDATE resource SET deleted_at = ? WHERE title = 'ghost.txt'", (moment,))


def _press(planter: Planter) -> None:
    for year in ("1931", "1932"):
        place = planter.collection(year)
        for month in ("March", "September"):
            text = f"The Nowhere Courier, {month} {year}\n\nThe museum opens a new room.\n"
            planter.file(f"Courier {year}, {month}.txt", text.encode(), place)
    planter.file("letter.txt", LETTERS["letter.txt"].encode(), planter.collection("Sources"))
