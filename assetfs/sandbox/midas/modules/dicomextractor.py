"""Module dicomextractor: what the first file of an item says of itself becomes metadata, `DICOM.<tag>`.

The real one runs dcm2xml. Here a few tags of files in explicit little endian are read, which is what our own are.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from PIL import Image

from assetfs.sandbox.midas.context import Call, Json, shown
from assetfs.sandbox.midas.errors import Fatal
from assetfs.sandbox.midas.modules.thumbnailcreator import SMALL, store_picture, writable
from assetfs.sandbox.midas.registry import method
from assetfs.sandbox.midas.revisions import head, set_value

EXPLICIT = "1.2.840.10008.1.2.1"
NAMES = {
    (0x0008, 0x0020): "StudyDate",
    (0x0008, 0x0060): "Modality",
    (0x0008, 0x103E): "SeriesDescription",
    (0x0010, 0x0010): "PatientName",
    (0x0010, 0x0020): "PatientID",
    (0x0020, 0x0013): "InstanceNumber",
    (0x0028, 0x0010): "Rows",
    (0x0028, 0x0011): "Columns",
}
KINDS = {"StudyDate": b"DA", "Modality": b"CS", "SeriesDescription": b"LO", "PatientName": b"PN", "PatientID": b"LO"}
KINDS |= {"InstanceNumber": b"IS", "Rows": b"US", "Columns": b"US"}
LONG = (b"OB", b"OW", b"OF", b"SQ", b"UT", b"UN")
PIXELS = (0x7FE0, 0x0010)
TEXT, UNSIGNED = 0, b"US"


def built(values: Mapping[str, str], picture: Image.Image) -> bytes:
    """A DICOM file of a grey picture."""
    tags = {name: tag for tag, name in NAMES.items()}
    values = {**values, "Rows": str(picture.height), "Columns": str(picture.width)}
    meta = _element((0x0002, 0x0010), b"UI", EXPLICIT.encode() + b"\0")
    group = _element((0x0002, 0x0000), b"UL", struct.pack("<I", len(meta)))
    body = b"".join(
        _element(tags[name], KINDS[name], _encoded(KINDS[name], values[name]))
        for name in sorted(values, key=lambda name: tags[name])
    )
    pixels = picture.convert("L").tobytes()
    return b"\0" * 128 + b"DICM" + group + meta + body + _element(PIXELS, b"OB", pixels + b"\0" * (len(pixels) % 2))


def _encoded(kind: bytes, value: str) -> bytes:
    if kind == UNSIGNED:
        return struct.pack("<H", int(value))
    raw = value.encode()
    return raw + b" " * (len(raw) % 2)


def _element(tag: tuple[int, int], kind: bytes, value: bytes) -> bytes:
    if kind in LONG:
        return struct.pack("<HH2sHI", *tag, kind, 0, len(value)) + value
    return struct.pack("<HH2sH", *tag, kind, len(value)) + value


def parsed(content: bytes) -> dict[str, bytes | str]:
    """Tags by name, and the pixels as `pixels`; nothing of what is no such file."""
    found: dict[str, bytes | str] = {}
    at = 132
    if content[128:132] != b"DICM":
        return found
    while at + 8 <= len(content):
        tag, kind = struct.unpack_from("<HH", content, at), content[at + 4 : at + 6]
        if kind in LONG:
            (length,), at = struct.unpack_from("<I", content, at + 8), at + 12
        else:
            (length,), at = struct.unpack_from("<H", content, at + 6), at + 8
        value = content[at : at + length]
        at += length
        if tag == PIXELS:
            found["pixels"] = value
        elif tag in NAMES:
            number = kind == UNSIGNED and len(value) == 2
            found[NAMES[tag]] = str(struct.unpack("<H", value)[0]) if number else value.decode("latin-1").strip(" \0")
    return found


@method("dicomextractor.extract")
def extract(call: Call) -> Json:
    """Metadata that is not there yet, and a thumbnail. Returns the revision."""
    item = writable(call, "item")
    newest = head(call, item["item_id"])
    if newest is None:
        raise Fatal("no revision to extract from")
    query = "SELECT * FROM bitstream WHERE itemrevision_id = ? ORDER BY bitstream_id"
    files = call.rows(query, newest["itemrevision_id"])
    contents = [call.scalar("SELECT blob FROM content WHERE checksum = ?", row["checksum"]) for row in files]
    if contents and contents[0]:
        known = {
            row["qualifier"]
            for row in call.rows(
                "SELECT qualifier FROM metadatavalue JOIN metadata USING (metadata_id)"
                " WHERE itemrevision_id = ? AND element = 'DICOM' AND metadatatype = 0",
                newest["itemrevision_id"],
            )
        }
        tags = parsed(call.stored().path(contents[0]).read_bytes())
        pixels = tags.pop("pixels", b"")
        for name, value in tags.items():
            if name not in known:
                set_value(call, newest["itemrevision_id"], TEXT, "DICOM", name, str(value))
        size = int(tags.get("Columns", "0")), int(tags.get("Rows", "0"))
        if isinstance(pixels, bytes) and len(pixels) >= size[0] * size[1] > 0:
            picture = Image.frombytes("L", size, pixels[: size[0] * size[1]])
            picture.thumbnail((SMALL, SMALL))
            call.update("item", item["item_id"], thumbnail_id=store_picture(call, picture))
        call.update("item", item["item_id"], date_update=call.stamp())
    return shown(newest)
