"""The seed `demo`: a small medical library, with what is pleasant to look at and what is hard to mount.

An atlas of phantoms with slices in one item each, a report in two revisions, a study that only its members see, a
home with notes; and a name with a slash, two items of one name, an empty item, an empty file, a shared item, a link.
All bytes are the same every time.
"""

from __future__ import annotations

import io
import math
import random
import struct

from PIL import Image, ImageDraw

from assetfs.sandbox import makings
from assetfs.sandbox.midas import communities, metadata, policies
from assetfs.sandbox.midas.context import Call
from assetfs.sandbox.midas.modules import dicomextractor
from assetfs.sandbox.midas.revisions import revision_of
from assetfs.sandbox.midas.seeds import people
from assetfs.sandbox.midas.seeds.planting import Planter
from assetfs.sandbox.options import Options
from assetfs.sandbox.store import Blobs

SIDE, SLICES = 96, 12  # pixels and slices of the phantom
LARGE = 16 << 20
PATIENT = {"DICOM.PatientName": "Phantom^Anna", "DICOM.Modality": "MR", "DICOM.StudyDate": "20121121"}
NOTES = "Things to look at again\n\n- slice 7: the bright spot is the phantom's own\n- ask Grace for the second run\n"


def plant(call: Call, blobs: Blobs, options: Options) -> None:
    """Make the users, two communities and what is in them."""
    ada, grace = people.add(call, people.ADA), people.add(call, people.GRACE)
    for element, qualifier in metadata.PREDEFINED:
        call.insert("metadata", metadatatype=0, element=element, qualifier=qualifier)
    planter = Planter(call, blobs, ada)
    public = _atlas(planter)
    _study(planter, grace)
    _home(planter, public)


def _root(planter: Planter, name: str, description: str, *, public: bool) -> int:
    community_id = communities.add(planter.call, name, planter.owner_id, description, public=public)
    return int(planter.call.scalar("SELECT folder_id FROM community WHERE community_id = ?", community_id))


def _atlas(planter: Planter) -> int:
    root = _root(planter, "Phantom Atlas", "Phantoms and what was measured on them", public=True)
    public = planter.place(root, "Public")
    scans = planter.folder(public, "Scans", "One item per series")
    for number, (series, spot) in enumerate((("T1 axial", 0.3), ("T2 axial", 0.55)), 1):
        files = {f"{index:04d}.png": _slice(index, spot) for index in range(1, SLICES + 1)}
        item_id = planter.item(scans, series, files, f"Series {number} of the head phantom")
        planter.describe(item_id, {**PATIENT, "DICOM.SeriesDescription": series})
        planter.describe(item_id, {"slices": str(SLICES)}, kind=1)
    slices = {**{name.removeprefix("DICOM."): value for name, value in PATIENT.items()}, "InstanceNumber": "7"}
    with Image.open(io.BytesIO(_slice(7, 0.3))) as picture:
        planter.item(scans, "slice.dcm", dicomextractor.built(slices, picture), "Not extracted yet")
    volume = planter.item(scans, "head.nrrd", _nrrd(), "The same as one volume")
    planter.describe(volume, {**PATIENT, "contributor.author": "Ada Sandbox", "subject.keyword": "phantom"})
    planter.describe(volume, {"spacing": "1.5"}, kind=2)
    reports = planter.folder(public, "Reports")
    first = makings.pdf("Head phantom", ["Draft.", "Two series were taken."])
    report = planter.item(reports, "report.pdf", first)
    second = makings.pdf("Head phantom", ["Two series were taken.", "The bright spot is part of the phantom."])
    planter.revise(report, {"report.pdf": second}, "After the review")
    planter.describe(report, {"description.general": "Protocol of 21 November", "contributor.author": "É. Marchand"})
    planter.item(reports, "Readings 1/2.csv", b"slice,mean,deviation\n1,101.5,3.2\n2,101.9,3.1\n")
    _track(planter, root)
    planter.item(reports, "日本語の報告.txt", "頭部ファントムの報告\n".encode())
    return public


def _track(planter: Planter, root: int) -> None:
    """Ten nights of a segmentation that gets better."""
    call = planter.call
    community = call.scalar("SELECT community_id FROM community WHERE folder_id = ?", root)
    producer = call.insert("producer", community_id=community, display_name="Nightly segmentation")
    trends = {
        name: call.insert("trend", producer_id=producer, metric_name=name, display_name=name)
        for name in ("dice", "seconds/volume")
    }
    for night in range(10):
        submission = call.insert(
            "submission",
            producer_id=producer,
            user_id=planter.owner_id,
            submit_time=f"2026-11-{night + 10:02d} 03:00:00",
            producer_revision=f"r{night}",
            branch="main",
            uuid=f"{night:032x}",
        )
        for name, value in (("dice", 0.8 + night / 100), ("seconds/volume", 12.5 - night / 2)):
            call.insert("scalar", trend_id=trends[name], submission_id=submission, value=value)


def _study(planter: Planter, member_id: int) -> None:
    root = _root(planter, "Study 12", "For its members only", public=False)
    group = planter.call.scalar("SELECT membergroup_id FROM community WHERE folder_id = ?", root)
    communities.join(planter.call, group, member_id)
    private = planter.place(root, "Private")
    runs = planter.folder(private, "Runs")
    for number in range(1, 4):
        planter.item(runs, f"run{number}.wav", makings.tone(220 * number, 0.5))
    noise = random.Random(12)
    planter.item(runs, "raw.bin", b"".join(noise.randbytes(1 << 20) for _ in range(LARGE >> 20)))


def _home(planter: Planter, atlas: int) -> None:
    call = planter.call
    home = call.scalar("SELECT folder_id FROM user WHERE user_id = ?", planter.owner_id)
    private, public = planter.place(home, "Private"), planter.place(home, "Public")
    planter.item(private, "notes.txt", NOTES.encode())
    odd = planter.folder(private, "Oddities")
    planter.item(odd, "never uploaded", None)
    planter.item(odd, "empty.txt", b"")
    twins = [planter.item(odd, f"twin {number}", f"{number}\n".encode()) for number in (1, 2)]
    for item_id in twins:
        call.update("item", item_id, name="twin.txt")
    planter.item(odd, "doubles", {"same.txt": b"one\n", "other.txt": b"two\n"})
    call.db.execute("UPDATE bitstream SET name = 'same.txt' WHERE name = 'other.txt'")
    link = planter.item(odd, "mirror.bin", None)
    revision = revision_of(call, link, planter.owner_id, "Initial revision")
    url = "http://mirror.invalid/mirror.bin"
    call.insert(
        "bitstream",
        itemrevision_id=revision["itemrevision_id"],
        name=url,
        mimetype="url",
        sizebytes=0,
        checksum=" ",
        path=url,
        date=call.stamp(),
    )
    view = planter.item(public, "Morning.jpg", makings.encoded(makings.landscape(640, 420, 30), "JPEG"))
    call.insert("membership", item_id=view, folder_id=atlas)
    policies.inherit(call, "item", view, atlas, read_only=True)


def _slice(index: int, spot: float) -> bytes:
    """One slice of a round phantom with a bright spot that wanders."""
    picture = Image.new("L", (SIDE, SIDE), 8)
    draw = ImageDraw.Draw(picture)
    half = SIDE / 2
    radius = half * 0.9 * math.sin(math.pi * index / (SLICES + 1))
    draw.ellipse([half - radius, half - radius, half + radius, half + radius], fill=110)
    inner = radius * 0.8
    draw.ellipse([half - inner, half - inner, half + inner, half + inner], fill=150)
    across, down = half + inner * spot * math.cos(index), half + inner * spot * math.sin(index)
    draw.ellipse([across - 4, down - 4, across + 4, down + 4], fill=240)
    return makings.encoded(picture, "PNG")


def _nrrd() -> bytes:
    """The phantom as a volume of 16-bit numbers."""
    head = f"NRRD0004\ntype: short\ndimension: 3\nsizes: 32 32 {SLICES}\nendian: little\nencoding: raw\n\n"
    body = bytearray()
    for depth in range(SLICES):
        edge = 14 * math.sin(math.pi * (depth + 1) / (SLICES + 1))
        for row in range(32):
            for column in range(32):
                inside = math.hypot(row - 16, column - 16) < edge
                body += struct.pack("<h", 1000 + 10 * depth if inside else 0)
    return head.encode() + bytes(body)
