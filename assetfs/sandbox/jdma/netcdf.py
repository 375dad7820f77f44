"""Files as a climate archive has them: the classic netCDF format, a field over time, latitude and longitude.

They are real netCDF files that real programs read, made of arithmetic, and small. The format is a header, big-endian,
in which everything is padded to four bytes, and then the variables' values one after the other.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

DIMENSION, VARIABLE, ATTRIBUTE = 10, 11, 12
TEXT, FLOAT = 2, 5


def field(name: str, title: str, units: str, times: int, shape: tuple[int, int], phase: float = 0.0) -> bytes:
    """A file with one variable. `shape` is the number of latitudes and longitudes, `phase` tells files apart."""
    rows, columns = shape
    latitudes = [-90 + 180 * (row + 0.5) / rows for row in range(rows)]
    longitudes = [360 * column / columns for column in range(columns)]
    values = [
        288 - 35 * abs(latitude) / 90 + 6 * math.sin(phase + time + math.radians(longitude))
        for time in range(times)
        for latitude in latitudes
        for longitude in longitudes
    ]
    sizes = {"time": times, "lat": rows, "lon": columns}
    variables: list[tuple[str, Sequence[int], str, Sequence[float]]] = [
        ("time", [0], "days since 2000-01-01", [30.4 * time for time in range(times)]),
        ("lat", [1], "degrees_north", latitudes),
        ("lon", [2], "degrees_east", longitudes),
        (name, [0, 1, 2], units, values),
    ]
    dimensions = b"".join(_name(key) + struct.pack(">i", size) for key, size in sizes.items())
    head = b"CDF\x01" + struct.pack(">i", 0) + struct.pack(">ii", DIMENSION, len(sizes)) + dimensions
    head += _attributes({"title": title, "Conventions": "CF-1.7"}) + struct.pack(">ii", VARIABLE, len(variables))
    entries = [_entry(key, used, unit, len(data)) for key, used, unit, data in variables]
    begin = len(head) + sum(len(entry) + 4 for entry in entries)
    for entry, (_, _, _, data) in zip(entries, variables, strict=True):
        head += entry + struct.pack(">i", begin)
        begin += 4 * len(data)
    return head + b"".join(struct.pack(f">{len(data)}f", *data) for _, _, _, data in variables)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)


def _name(text: str) -> bytes:
    return struct.pack(">i", len(text)) + _padded(text.encode())


def _attributes(texts: dict[str, str]) -> bytes:
    pairs = (_name(key) + struct.pack(">i", TEXT) + _name(text) for key, text in texts.items())
    return struct.pack(">ii", ATTRIBUTE, len(texts)) + b"".join(pairs)


def _entry(name: str, dimensions: Sequence[int], units: str, count: int) -> bytes:
    """A variable's entry in the header, all but its last number: where its values begin."""
    used = struct.pack(f">i{len(dimensions)}i", len(dimensions), *dimensions)
    return _name(name) + used + _attributes({"units": units}) + struct.pack(">ii", FLOAT, 4 * count)
