"""The seed `demo`: a short film in the making.

Two characters and a prop, a sequence of three shots, people's tasks, products with several versions, a hero version, an
image sequence, pictures to review, comments with attachments, links, a playlist. Most files lie on the studio's storage
(`local_root`), some on the server, and one at a site that is not this one.
"""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from assetfs.sandbox import makings
from assetfs.sandbox.ayon import lists, reviewables
from assetfs.sandbox.ayon.anatomy import stock
from assetfs.sandbox.ayon.attributes import packed
from assetfs.sandbox.ayon.seeds import empty
from assetfs.sandbox.ayon.seeds.planting import Planter
from assetfs.sandbox.ayon.server import Server
from assetfs.sandbox.options import Options

FRAMES = range(1001, 1009)
CUBE = b"o cube\n" + b"".join(
    f"v {x} {y} {z}\n".encode() for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)
)  # a few points that 3D programs open
STAGE = b'#usda 1.0\n(\n    defaultPrim = "root"\n)\ndef Xform "root"\n{\n}\n'
SCENE = b'//Maya ASCII 2025 scene\nrequires maya "2025";\n'


def plant(server: Server, options: Options) -> None:
    """Fill a new server."""
    empty.people(server)
    anatomy = stock()
    anatomy["config"]["roots"]["work"]["linux"] = str(server.local_root)
    server.add_project(empty.PROJECT, empty.CODE, anatomy, label="The Long Night")
    show = Planter(server, empty.PROJECT, empty.ADMIN)
    characters = _assets(show)
    shots = _shots(show)
    _around(show, characters, shots)
    show.finish()


def _jpeg(hue: int, width: int = 640, height: int = 360) -> bytes:
    return makings.encoded(makings.landscape(width, height, hue), "JPEG")


def _turntable() -> bytes:
    turns = [makings.gradient(96, (20 * n, 80, 160), (250, 240 - 20 * n, 120)) for n in range(8)]
    out = io.BytesIO()
    turns[0].save(out, "GIF", save_all=True, append_images=turns[1:], duration=120, loop=0)
    return out.getvalue()


def _assets(show: Planter) -> dict[str, str]:
    assets = show.folder("assets", "Folder")
    characters = show.folder("characters", "Folder", assets)
    props = show.folder("props", "Folder", assets)
    hero = show.folder(
        "hero",
        "Asset",
        characters,
        label="The Hero",
        status="In progress",
        tags=["important"],
        attrib={"description": "lead", "frameEnd": 1100},
    )
    villain = show.folder("villain", "Asset", characters)
    sword = show.folder("sword", "Asset", props, label="Sword of the north")
    modeling = show.task(hero, "Modeling", assignees=[empty.ARTIST], status="Approved")
    show.task(hero, "Lookdev", assignees=[empty.ARTIST], status="In progress")
    show.task(hero, "Rigging")
    show.task(villain, "Art", assignees=[empty.ADMIN])
    model = show.product(hero, "modelMain", "model")
    made = {}
    for number, status in ((1, "Omitted"), (2, "Approved"), (3, "Pending review")):
        version = show.version(
            model, number, taskId=modeling, status=status, attrib={"comment": f"take {number}", "families": ["model"]}
        )
        stem = f"{empty.CODE}_hero_modelMain_v{number:03d}"
        show.published(version, "obj", {f"{stem}.obj": CUBE + b"# %d\n" % number})
        show.published(version, "usd", {f"{stem}.usda": STAGE})
        made[f"model{number}"] = version
    leading = show.version(model, -2, status="Approved")
    show.published(leading, "obj", {f"{empty.CODE}_hero_modelMain_hero.obj": CUBE + b"# 2\n"})
    look = show.product(hero, "lookMain", "look", attrib={"productGroup": "shading"})
    version = show.version(look, 1)
    show.stored(
        version, "png", {"skin.png": makings.encoded(makings.gradient(128, (90, 60, 40), (240, 200, 170)), "PNG")}
    )
    show.product(hero, "modeling", "workfile")  # the same name as the task, and nothing published yet
    blade = show.version(show.product(sword, "modelMain", "model"), 1)
    show.published(blade, "obj", {f"{empty.CODE}_sword_modelMain_v001.obj": CUBE})
    far = show.entry(f"{show.directory(blade)}/scan.e57", bytes(1000))
    show.representation(blade, "e57", [far | {"size": 7_300_000_000}])  # known here, and not at this site
    show.picture("folder", hero, _jpeg(40))
    show.picture(
        "version", made["model3"], makings.encoded(Image.new("RGB", (64, 64), (90, 120, 200)), "PNG"), "image/png"
    )
    scene = "demo/assets/characters/hero/work/modeling/dmo_hero_modeling_v001.ma"
    show.write(scene, SCENE)
    show.make(
        "workfile",
        scene,
        modeling,
        path=f"{{root[work]}}/{scene}",
        taskId=modeling,
        attrib={"extension": "ma"},
        data={"host_name": "maya"},
    )
    return {"hero": hero, "sword": sword, "blade": blade, **made}


def _shots(show: Planter) -> dict[str, str]:
    shots = show.folder("shots", "Folder")
    sequence = show.folder("sq010", "Sequence", shots, attrib={"fps": 24.0, "resolutionWidth": 2048})
    found = {"sequence": sequence}
    for number, start in ((10, 1001), (20, 1001), (30, 1101)):
        shot = show.folder(f"sh{number:04d}", "Shot", sequence, attrib={"frameStart": start, "frameEnd": start + 47})
        for task_type in ("Animation", "Lighting", "Compositing"):
            show.task(shot, task_type)
        found[f"sh{number:04d}"] = shot
    first = found["sh0010"]
    show.act(empty.ARTIST)
    render = show.product(first, "renderMain", "render")
    lighting = show.id("task", "lighting", first)
    for number in (1, 2):
        version = show.version(render, number, taskId=lighting, attrib={"colorSpace": "sRGB", "fps": 24.0})
        stem = f"{empty.CODE}_sh0010_renderMain_v{number:03d}"
        frames = {
            f"{stem}.{frame}.png": makings.encoded(makings.landscape(160, 90, (frame * 9 * number) % 256), "PNG")
            for frame in FRAMES
        }
        show.published(version, "png", frames, attrib={"frameStart": FRAMES[0], "frameEnd": FRAMES[-1]})
        found[f"render{number}"] = version
    _review(show, found["render2"], "beauty.jpg", "image/jpeg", _jpeg(120))
    _review(show, found["render2"], "turntable.gif", "image/gif", _turntable())
    show.act(empty.ADMIN)
    return found


def _review(show: Planter, version: str, name: str, mime: str, content: bytes) -> None:
    show.spool(content)
    call = show.call
    call.params = (show.project.name, version)
    call.headers = {"content-type": mime, "x-file-name": name, "x-file-id": show.id("reviewable", name)}
    call.query = {"label": [name.partition(".")[0]]}
    reviewables.upload(call)
    call.headers, call.query = {}, {}
    db = show.project.db
    row = db.execute("SELECT seq FROM activity WHERE type = 'reviewable' ORDER BY seq DESC LIMIT 1").fetchone()
    db.execute("PRAGMA defer_foreign_keys=ON")
    activity_id, file_id = show.id("reviewing", name), show.id("reviewable", name)
    db.execute("UPDATE activity SET id = ? WHERE seq = ?", (activity_id, row["seq"]))
    db.execute("UPDATE file SET activity_id = ? WHERE id = ?", (activity_id, file_id))
    made = db.execute("SELECT thumbnail_id, data FROM version WHERE id = ?", (version,)).fetchone()
    wanted = show.id("thumbnail", version)
    if made["thumbnail_id"] not in (None, wanted):
        db.execute("UPDATE thumbnail SET id = ? WHERE id = ?", (wanted, made["thumbnail_id"]))
        data = packed({"thumbnailHash": wanted[:6]})
        db.execute("UPDATE version SET thumbnail_id = ?, data = ? WHERE id = ?", (wanted, data, version))


def _around(show: Planter, characters: dict[str, str], shots: dict[str, str]) -> None:
    """What ties things together: comments, links, a playlist."""
    notes = makings.pdf("Notes", ["The cape is too long.", "More light from the left."])
    attached = show.upload("notes.pdf", "application/pdf", notes)
    show.comment("version", characters["model3"], "The cape is too long, see the notes.", [attached])
    show.comment("folder", shots["sh0010"], "Who has the plate?")
    for name, ends in (
        ("breakdown|folder|folder", (characters["hero"], shots["sh0010"])),
        ("breakdown|folder|folder", (characters["sword"], shots["sh0010"])),
        ("reference|version|version", (characters["model2"], shots["render2"])),
    ):
        _link(show, name, *ends)
    items: list[dict[str, Any]] = [
        {"id": show.id("item", name), "entityId": entity}
        for name, entity in (("model", characters["model3"]), ("render", shots["render2"]))
    ]
    show.call.params = (show.project.name,)
    request = {"id": show.id("list"), "label": "Dailies 2026-03-03", "entityType": "version", "items": items}
    show.call.body = packed(request).encode()
    lists.create(show.call)
    show.call.body = b""


def _link(show: Planter, link_type: str, source: str, target: str) -> None:
    kinds = link_type.split("|")
    show.project.db.execute(
        "INSERT INTO link (id, name, link_type, input_type, input_id, output_type, output_id, author, data, created_at)"
        " VALUES (?, NULL, ?, ?, ?, ?, ?, ?, '{}', '2026-03-03T08:00:00.000000+00:00')",
        (show.id("link", source, target), link_type, kinds[1], source, kinds[2], target, empty.ADMIN),
    )
