"""Sample assets made from nothing but arithmetic: pictures, a PDF, a tone, noise. The same bytes every time.

They are real files that real programs open, small enough to be made while a sandbox starts, and belong to nobody.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import wave
from collections.abc import Iterator, Sequence

from PIL import Image, ImageDraw, ImageOps

from assetfs.sandbox.store import PIECE

Rgb = tuple[int, int, int]

EXIF_TAGS = {"description": 270, "make": 271, "model": 272, "orientation": 274, "taken": 306, "artist": 315}
TONE_RATE = 22050  # samples per second


def landscape(width: int, height: int, hue: int, hills: int = 4) -> Image.Image:
    """A sky over rows of hills; `hue` (0 to 255) shifts all colours."""
    sky = Image.linear_gradient("L").resize((width, height))
    top, low = _tint((40, 70, 140), hue), _tint((250, 210, 170), hue)
    picture = ImageOps.colorize(sky, top, low)
    draw = ImageDraw.Draw(picture)
    radius = height // 12
    centre = (width * (60 + hue // 4) // 160, height * 2 // 5)
    draw.ellipse([centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius], fill=(255, 240, 200))
    for row in range(hills):
        base, swing = height * (5 + row) / (6 + hills), height / (9 + row)
        ridge = [
            (x, base - swing * (math.sin(x / width * (5 + row * 2) + row * 1.7) + 0.4 * math.sin(x / width * 23 + row)))
            for x in range(0, width + 8, 8)
        ]
        shade = _tint((30 + 12 * row, 90 - 14 * row, 80 - 12 * row), hue)
        draw.polygon([*ridge, (width, height), (0, height)], fill=shade)
    return picture


def _tint(colour: Rgb, hue: int) -> Rgb:
    shift = hue / 255
    red, green, blue = colour
    return (
        int(red * (1 - shift) + blue * shift),
        int(green * (1 - shift / 2) + red * shift / 2),
        int(blue * (1 - shift) + green * shift),
    )


def gradient(size: int, first: Rgb, last: Rgb) -> Image.Image:
    """A round gradient between two colours."""
    return ImageOps.colorize(Image.radial_gradient("L").resize((size, size)), first, last)


def contact_sheet(pictures: Sequence[Image.Image], columns: int = 4, cell: int = 160) -> Image.Image:
    """Thumbnails in rows on a dark ground."""
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * cell, rows * cell), (24, 24, 28))
    for index, picture in enumerate(pictures):
        small = ImageOps.contain(picture, (cell - 16, cell - 16))
        left = (index % columns) * cell + (cell - small.width) // 2
        sheet.paste(small, (left, (index // columns) * cell + (cell - small.height) // 2))
    return sheet


def encoded(picture: Image.Image, kind: str, **exif: str | int) -> bytes:
    """A picture as a file of a Pillow format; `exif` takes the names of EXIF_TAGS (JPEG and TIFF)."""
    tags = Image.Exif()
    for name, value in exif.items():
        tags[EXIF_TAGS[name]] = value
    out = io.BytesIO()
    options = {"exif": tags} if exif else {}
    picture.save(out, kind, **options)
    return out.getvalue()


def pdf(title: str, lines: Sequence[str]) -> bytes:
    """A PDF of one page with a heading and some lines (Latin letters only)."""
    texts = "".join(f" 0 -22 Td ({_quoted(line)}) Tj" for line in lines)
    page = f"BT /F1 22 Tf 64 760 Td ({_quoted(title)}) Tj /F1 12 Tf 0 -14 Td{texts} ET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def tone(frequency: float, seconds: float) -> bytes:
    """A WAV file of one fading note."""
    total = int(TONE_RATE * seconds)

    def samples() -> Iterator[bytes]:
        for index in range(total):
            level = 12000 * (1 - index / total) * math.sin(2 * math.pi * frequency * index / TONE_RATE)
            yield struct.pack("<h", int(level))

    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(TONE_RATE)
        sound.writeframes(b"".join(samples()))
    return out.getvalue()


def block(number: int, size: int) -> bytes:
    """Bytes that look random and follow from a number."""
    return hashlib.shake_128(b"block %d" % number).digest(size)


def pattern(size: int) -> Iterator[bytes]:
    """`size` bytes in pieces: one random-looking MiB over and over, each time with its number in front."""
    body = block(0, PIECE)
    for start in range(0, size, PIECE):
        piece = b"%016d" % start + body[16:]
        yield piece[: size - start]
